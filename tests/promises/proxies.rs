//! Real proxies, set up with what README.md tells its readers to write: its code blocks are read from
//! there, and only addresses are put into them.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::app::wait_for;
use crate::wire;

/// Where the tests and README.md show takpulse below a path.
pub const BASE_PATH: &str = "/ops/takpulse";
/// What README.md writes for takpulse's address.
const UPSTREAM: &str = "127.0.0.1:8480";
/// What README.md writes for the proxy's name.
const SITE: &str = "tak.example.org {";
/// Not 127.0.0.1, whose ports the other tests' connections use up.
const HOST: &str = "127.0.0.9";

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// nginx.
    Nginx,
    /// Caddy.
    Caddy,
}

/// A running proxy in a directory of its own; killed when dropped.
pub struct Proxy {
    child: Child,
    dir: TempDir,
    /// Where it listens.
    pub address: SocketAddr,
    /// The path below which it shows takpulse; empty: its root.
    pub base_path: &'static str,
}

impl Kind {
    /// Starts it for the takpulse at this address, and returns when it passes requests on.
    pub fn start(self, base_path: &'static str, upstream: SocketAddr) -> Proxy {
        let text = self.snippet(base_path);
        self.start_with(base_path, &replace(&text, UPSTREAM, &upstream.to_string()))
    }

    /// As [`Kind::start`], but it waits no longer for the next byte than this many seconds.
    pub fn start_impatient(self, upstream: SocketAddr, seconds: u64) -> Proxy {
        let (text, upstream) = (self.snippet(""), upstream.to_string());
        let text = match self {
            Kind::Nginx => replace(&text, "60s", &format!("{seconds}s")),
            Kind::Caddy => {
                let transport = format!("{{\ntransport http {{\nread_timeout {seconds}s\n}}\n}}");
                replace(&text, UPSTREAM, &format!("{UPSTREAM} {transport}"))
            }
        };
        self.start_with("", &replace(&text, UPSTREAM, &upstream))
    }

    /// Starts an nginx that was told nothing but where takpulse is.
    pub fn start_bare_nginx(upstream: SocketAddr) -> Proxy {
        Kind::Nginx.start_with("", &format!("location / {{\nproxy_pass http://{upstream};\n}}\n"))
    }

    /// What README.md says: first for the root, then for the path below.
    fn snippet(self, base_path: &str) -> String {
        let language = if self == Kind::Nginx { "nginx" } else { "caddyfile" };
        readme("Behind a proxy", language).swap_remove(usize::from(!base_path.is_empty()))
    }

    fn start_with(self, base_path: &'static str, text: &str) -> Proxy {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let address = free_address();
        let config = match self {
            Kind::Nginx => nginx_conf(address, text),
            Kind::Caddy => caddyfile(address, text),
        };
        fs::write(dir.path().join("proxy.conf"), config).expect("the configuration is written");
        let log = File::create(dir.path().join("log")).expect("a log file");
        let child = self
            .command(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|why| panic!("{self:?} starts (apt-get install it): {why}"));
        let mut proxy = Proxy { child, dir, address, base_path };
        wait_for("the proxy to pass requests on", || {
            let ended = proxy.child.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "the proxy has ended: {}", proxy.log());
            std::net::TcpStream::connect(address).ok()?;
            (proxy.get("/healthz").status == 200).then_some(())
        });
        proxy
    }

    fn command(self, dir: &Path) -> Command {
        let (program, arguments) = match self {
            Kind::Nginx => ("nginx", &["-c", "proxy.conf", "-e", "stderr", "-p"][..]),
            Kind::Caddy => {
                ("caddy", &["run", "--adapter", "caddyfile", "--config", "proxy.conf"][..])
            }
        };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(dir);
        if self == Kind::Nginx {
            command.arg(dir);
        }
        command.env("HOME", dir).env("XDG_DATA_HOME", dir).env("XDG_CONFIG_HOME", dir);
        command
    }
}

impl Proxy {
    /// `GET` this path below the base path.
    pub fn get(&self, path: &str) -> wire::Answer {
        wire::get(self.address, &format!("{}{path}", self.base_path))
    }

    /// Opens `/stream` below the base path, with these header lines, each ended by CRLF.
    pub fn stream(&self, headers: &str) -> wire::Stream {
        let target = format!("{}/stream", self.base_path);
        wire::Stream::open_at(wire::connect(self.address), &target, headers)
    }

    /// What it has complained about so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _status = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the proxy's log:\n{}", self.log());
        }
    }
}

/// One process in the foreground, which writes nowhere but into its directory.
fn nginx_conf(address: SocketAddr, locations: &str) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {what};\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}server {{\nlisten {address};\n{locations}}}\n}}\n"
    )
}

/// Without its own port for orders, and without certificates, which the box could not get.
fn caddyfile(address: SocketAddr, text: &str) -> String {
    let site = replace(text, SITE, &format!("http://:{} {{", address.port()));
    let ip = address.ip();
    format!("{{\nadmin off\nauto_https off\ndefault_bind {ip}\n}}\n{site}")
}

/// README.md's code blocks in this language, in the section of this heading.
pub fn readme(heading: &str, language: &str) -> Vec<String> {
    let readme = include_str!("../../README.md");
    let section = readme.split("\n## ").find(|section| section.lines().next() == Some(heading));
    let blocks = section.expect("the section").split("\n```").skip(1).step_by(2);
    let found: Vec<String> = blocks
        .filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'))
        .map(|text| format!("{text}\n"))
        .collect();
    assert!(!found.is_empty(), "README.md shows {language}");
    found
}

/// Replaces what must be there exactly once.
pub fn replace(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "README.md has changed: {old:?} in\n{text}");
    text.replace(old, new)
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((HOST, 0)).expect("a port");
    listener.local_addr().expect("an address")
}
