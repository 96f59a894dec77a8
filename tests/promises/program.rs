//! A program that a real server consists of: what it prints is kept, its end is noticed, and it ends
//! with the test.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A machine under load takes half a minute for a server in Python.
const PATIENCE: Duration = Duration::from_secs(120);

/// A started program.
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it, in a process group of its own; what it prints goes to `NAME.log` in `dir`.
    pub fn start(command: &mut Command, name: &str, dir: &Path) -> Program {
        let log = dir.join(format!("{name}.log"));
        let file = File::create(&log).expect("a log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("the log file"))
            .stderr(file)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|why| panic!("{command:?}: {why}"));
        Program { child, log }
    }

    /// Asks until the answer is yes; panics with its last words when it has ended, or patience does.
    pub fn wait_until(&mut self, what: &str, mut ask: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !ask() {
            let ended = self.child.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "{what}: it has ended ({ended:?}): {}", self.last_words());
            assert!(Instant::now() < deadline, "waited in vain for {what}: {}", self.last_words());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it and what it started in its group at once, as a crash would.
    pub fn kill(&mut self) {
        let group = format!("-{}", self.pid());
        let _already_gone = Command::new("kill").args(["-KILL", "--", &group]).output();
        let _status = self.child.wait();
    }

    /// The end of what it printed.
    fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(4000)..]).into_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("{}:\n{}", self.log.display(), self.last_words());
        }
    }
}

/// The directory that holds a real server's programs; `tests/run` installs it and sets the variable.
pub fn bin(variable: &str) -> PathBuf {
    let dir = std::env::var_os(variable);
    dir.unwrap_or_else(|| panic!("{variable} is the bin directory of a venv (tests/run sets it)"))
        .into()
}

/// Whether somebody accepts connections there.
pub fn listens(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}
