//! A real PostgreSQL with PostGIS, in a directory of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::program::Program;
use crate::taky::run;

/// Where it listens: the customary port, so start it only in a world of the test's own.
const PORT: u16 = 5432;

/// The password in its address: nobody asks for it, and nobody may show it.
pub const PASSWORD: &str = "not-for-anybodys-eyes";

/// A running database server; it ends when dropped.
pub struct Postgres {
    server: Program,
    _dir: TempDir,
}

impl Postgres {
    /// Starts it with one database `NAME` of the user `NAME`.
    pub fn start(name: &str) -> Postgres {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data = dir.path().join("data");
        let made = ["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"];
        run(database_user("initdb")
            .args(made)
            .args(["--username", name, "--pgdata"])
            .arg(&data)
            .current_dir(dir.path()));
        let mut command = database_user("postgres");
        command.arg("-D").arg(&data).arg("-k").arg(dir.path()).current_dir(dir.path());
        // What a crash of the machine would do to the data is no matter here.
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        let mut server = Program::start(&mut command, "postgres", dir.path());
        let socket = dir.path();
        server.wait_until("PostgreSQL to answer", || {
            let mut ready = Command::new(program("pg_isready"));
            ready.args(["-q", "-U", name, "-d", "postgres", "-h"]).arg(socket);
            ready.status().is_ok_and(|status| status.success())
        });
        sql(socket, name, "postgres", &format!("CREATE DATABASE {name}"));
        sql(socket, name, name, "CREATE EXTENSION postgis");
        Postgres { server, _dir: dir }
    }

    /// Its address in SQLAlchemy's words.
    pub fn url(name: &str) -> String {
        format!("postgresql+psycopg://{name}:{PASSWORD}@127.0.0.1:{PORT}/{name}")
    }

    /// Ends it at once, as a crash would: its processes end with the first one.
    pub fn kill(&mut self) {
        self.server.kill();
    }
}

/// One statement.
fn sql(socket: &Path, user: &str, database: &str, statement: &str) {
    let mut psql = Command::new(program("psql"));
    psql.arg("-h").arg(socket).args(["-U", user, "-d", database, "-qc", statement]);
    run(&mut psql);
}

/// One of its programs as the user `postgres`, because it refuses to be run by root. The user exists
/// in a namespace only, so that root's own directories serve.
fn database_user(name: &str) -> Command {
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-user=postgres", "--map-group=postgres", "--"]);
    unshare.arg(program(name));
    unshare
}

/// Debian keeps its programs off the PATH, by version: the latest one that has PostGIS.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/share/postgresql").into_iter().flatten().flatten();
    let with = versions.filter(|version| version.path().join("extension/postgis.control").exists());
    let latest = with.map(|version| version.file_name()).max();
    let latest = latest.expect("PostgreSQL with PostGIS is installed (tests/run does it)");
    Path::new("/usr/lib/postgresql").join(latest).join("bin").join(name)
}
