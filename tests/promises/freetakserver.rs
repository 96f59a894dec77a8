//! A real FreeTAKServer. Customary ports and folder: start it only in a world of the test's own.

use std::process::Command;

use tempfile::TempDir;

use crate::program::{Program, bin, listens};
use crate::taky::run;

/// Plain CoT.
pub const COT_PORT: u16 = 8087;

/// CoT over TLS, the two ports of the Marti API, and its own REST API.
const OTHER_PORTS: [u16; 4] = [8089, 8080, 8443, 19023];

/// At its first start several of its processes make the database at the same time, and those that come
/// too late end: it is made before.
const MAKE_DATABASE: &str = "
import FreeTAKServer.controllers.services.FTS as server
import FreeTAKServer.core.enterprise_sync.persistence.sqlalchemy.enterprise_sync_data_object
server.DatabaseController()
";

/// The server; it ends when dropped.
pub struct FreeTakServer {
    server: Program,
    _dir: TempDir,
}

impl FreeTakServer {
    /// Starts it and waits until each port accepts connections.
    pub fn start() -> FreeTakServer {
        let dir = tempfile::tempdir().expect("a temporary directory");
        lay_over_opt(&dir);
        let python = |arguments: &[&str]| {
            let mut python = Command::new(bin("TEST_TAKPULSE_FREETAKSERVER").join("python"));
            python.args(arguments).current_dir(dir.path()).env("HOME", dir.path());
            // Else it asks questions on the terminal.
            python.env("FTS_FIRST_START", "false");
            python
        };
        run(&mut python(&["-c", MAKE_DATABASE]));
        let mut command = python(&["-m", "FreeTAKServer.controllers.services.FTS"]);
        let mut server = Program::start(&mut command, "freetakserver", dir.path());
        for port in [COT_PORT].into_iter().chain(OTHER_PORTS) {
            server.wait_until(&format!("port {port}"), || listens(port));
        }
        FreeTakServer { server, _dir: dir }
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.server.kill();
    }
}

/// It keeps its files in /opt/fts, whatever it is told: what is written there is kept in memory, and
/// only this world sees it.
fn lay_over_opt(dir: &TempDir) {
    let layer = dir.path().join("opt");
    std::fs::create_dir(&layer).expect("a directory");
    run(Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&layer));
    let (upper, work) = (layer.join("upper"), layer.join("work"));
    for part in [&upper, &work] {
        std::fs::create_dir(part).expect("a directory");
    }
    let parts = format!("lowerdir=/opt,upperdir={},workdir={}", upper.display(), work.display());
    run(Command::new("mount").args(["-t", "overlay", "overlay", "-o", &parts, "/opt"]));
}
