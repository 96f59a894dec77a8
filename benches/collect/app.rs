//! What the tests' engine asks of the program that it is part of.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// For the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until there is an answer; panics when patience ends.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Sends a signal to a process that the engine started.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "signal {name} to {pid}");
}
