//! Real taky servers. They use fixed ports: start them only in a world of the test's own.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::app::{signal, wait_for};

/// Where the CoT server listens: a port that nobody expects.
pub const COT_PORT: u16 = 28087;

/// A taky with its API server; both end when dropped.
pub struct Taky {
    dir: tempfile::TempDir,
    tls: bool,
    cot: Option<Child>,
    api: Option<Child>,
}

impl Taky {
    /// Plain CoT on [`COT_PORT`], HTTP on 8080.
    pub fn plain() -> Taky {
        let mut taky = Taky::set_up(false);
        taky.start();
        taky
    }

    /// CoT over TLS on [`COT_PORT`] for clients with a certificate, HTTPS on 8443.
    pub fn tls() -> Taky {
        let mut taky = Taky::set_up(true);
        taky.start();
        taky
    }

    /// As the two above, but not yet started.
    pub fn set_up(tls: bool) -> Taky {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let taky = Taky { dir, tls, cot: None, api: None };
        let mut setup = taky.command("takyctl");
        setup.args(["setup", "--host", "localhost", "--bind-ip", "127.0.0.1"]);
        setup.args(["--public-ip", "127.0.0.1"]);
        if !tls {
            setup.arg("--no-ssl");
        }
        run(setup.arg(taky.site()).current_dir(taky.dir.path()));
        let path = taky.site().join("taky.conf");
        let config = fs::read_to_string(&path).expect("taky.conf");
        let customary = if tls { "port = 8089" } else { "port = 8087" };
        assert!(config.contains(customary), "{config}");
        let config = config.replace(customary, &format!("port = {COT_PORT}"));
        fs::write(&path, config).expect("taky.conf is written");
        taky
    }

    /// Starts both servers and waits until they accept connections.
    pub fn start(&mut self) {
        self.cot = Some(self.spawn("taky"));
        self.api = Some(self.spawn("taky_dps"));
        for port in [COT_PORT, self.api_port()] {
            let what = format!("taky to listen on {port}: {}", self.log("taky"));
            wait_for(&what, || TcpStream::connect(("127.0.0.1", port)).ok());
        }
    }

    /// Stops both and waits for their ends.
    pub fn stop(&mut self) {
        for mut child in [self.cot.take(), self.api.take()].into_iter().flatten() {
            signal(child.id(), "TERM");
            wait_for("taky to end", || child.try_wait().expect("can be asked"));
        }
    }

    /// The CoT server's process.
    pub fn pid(&self) -> u32 {
        self.cot.as_ref().expect("taky runs").id()
    }

    /// Where the API listens; taky cannot be told another port.
    pub fn api_port(&self) -> u16 {
        if self.tls { 8443 } else { 8080 }
    }

    /// A file of the site.
    pub fn path(&self, name: &str) -> PathBuf {
        self.site().join(name)
    }

    /// Makes a client's certificate and key, in PEM files.
    pub fn client(&self) -> (PathBuf, PathBuf) {
        let mut build = self.command("takyctl");
        run(build.args(["-c", "taky.conf", "build_client", "--dump_pem", "EDGE1"]));
        let with = |extension: &str| {
            let mut entries = fs::read_dir(self.site()).expect("the site").flatten();
            let found =
                entries.find(|entry| entry.path().extension().is_some_and(|e| e == extension));
            found.expect("takyctl made it").path()
        };
        (with("crt"), with("key"))
    }

    /// Replaces the server's certificate by one of the same key that ended on 2 January 2020.
    pub fn expire(&self) {
        let at = |name: &str| self.path(name).display().to_string();
        let settings = "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\n\
                        new_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n";
        let dir = self.dir.path();
        for (name, text) in [("ca.cnf", settings), ("index.txt", ""), ("serial", "01\n")] {
            fs::write(dir.join(name), text).expect("a file for openssl");
        }
        let openssl = || {
            let mut openssl = Command::new("openssl");
            openssl.current_dir(dir);
            openssl
        };
        let key = at("ssl/server.key");
        run(openssl().args([
            "req",
            "-new",
            "-key",
            &key,
            "-subj",
            "/CN=localhost",
            "-out",
            "c.csr",
        ]));
        run(openssl()
            .args(["ca", "-batch", "-notext", "-config", "ca.cnf", "-in", "c.csr"])
            .args(["-cert", &at("ssl/ca.crt"), "-keyfile", &at("ssl/ca.key")])
            .args(["-startdate", "20200101000000Z", "-enddate", "20200102000000Z"])
            .args(["-out", &at("ssl/server.crt")]));
        // The same for clients, who get it with their own.
        run(openssl()
            .args(["pkcs12", "-export", "-passout", "pass:atakatak", "-inkey", &key])
            .args(["-in", &at("ssl/server.crt"), "-out", &at("ssl/server.p12")]));
    }

    fn site(&self) -> PathBuf {
        self.dir.path().join("site")
    }

    fn spawn(&self, program: &str) -> Child {
        let log = File::create(self.dir.path().join(program)).expect("a log file");
        self.command(program)
            .args(["-c", "taky.conf"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log file"))
            .stderr(log)
            .spawn()
            .expect("taky starts")
    }

    fn log(&self, program: &str) -> String {
        fs::read_to_string(self.dir.path().join(program)).unwrap_or_default()
    }

    fn command(&self, program: &str) -> Command {
        let bin = std::env::var_os("TEST_TAKPULSE_TAKY").expect(
            "TEST_TAKPULSE_TAKY is the bin directory of a venv with taky (tests/run sets it)",
        );
        let mut command = Command::new(Path::new(&bin).join(program));
        // gunicorn keeps a control socket in HOME, one for all.
        command.current_dir(self.site()).env("HOME", self.dir.path());
        command
    }
}

impl Drop for Taky {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "taky's log:\n{}\ntaky_dps' log:\n{}",
                self.log("taky"),
                self.log("taky_dps")
            );
        }
        for mut child in [self.cot.take(), self.api.take()].into_iter().flatten() {
            let _already_gone = child.kill();
            let _status = child.wait();
        }
    }
}

/// Runs a tool to its end.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|why| panic!("{command:?}: {why}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}{errors}");
    text
}
