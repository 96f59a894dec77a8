//! A network and a process table of a test's own, so that a server found there is the test's server
//! and the customary ports are free.

use std::path::PathBuf;
use std::process::Command;

/// Set in the inner run of the test.
const INSIDE: &str = "TEST_TAKPULSE_WORLD";

/// Runs the body of the test `name` (its path below the binary, `module::function`) in new network
/// and process namespaces: the test binary is started again there, for this one test. Everything
/// the test started ends with it.
pub fn in_own_world(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
        assert!(up.is_ok_and(|status| status.success()), "the loopback interface comes up");
        return body();
    }
    let mut unshare = Command::new("unshare");
    if !is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    run_again(unshare.arg(this_binary()), name);
}

/// Runs the body of the test `name` in a process that no other test shares, so that what is measured
/// of the process is the test's.
pub fn in_own_process(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    run_again(&mut Command::new(this_binary()), name);
}

fn this_binary() -> PathBuf {
    std::env::current_exe().expect("the test knows its binary")
}

fn run_again(command: &mut Command, name: &str) {
    command.args(["--exact", name, "--include-ignored", "--nocapture"]).env(INSIDE, "1");
    let status = command.status().expect("it starts");
    assert!(status.success(), "{name} failed in its own process, see above");
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout == b"0\n"
}
