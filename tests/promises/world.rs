//! A network and a process table of a test's own, so that a server found there is the test's server
//! and the customary ports are free.

use std::process::Command;

/// Set in the inner run of the test.
const INSIDE: &str = "TAKPULSE_TEST_WORLD";

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
    let status = unshare
        .args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"])
        .arg(std::env::current_exe().expect("the test knows its binary"))
        .args(["--exact", name, "--include-ignored", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .expect("unshare starts");
    assert!(status.success(), "{name} failed in its own world, see above");
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout == b"0\n"
}
