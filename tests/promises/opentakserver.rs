//! A real OpenTAKServer with its database and its broker, laid out as its installer does it. Customary
//! ports: start it only in a world of the test's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::postgres::Postgres;
use crate::program::{Program, bin, listens};
use crate::rabbitmq::RabbitMq;
use crate::taky::run;

/// Plain CoT.
pub const COT_PORT: u16 = 8088;
/// CoT over TLS, for clients whose certificate names one of its users.
pub const COT_TLS_PORT: u16 = 8089;
/// The API, for the machine itself; an installation has nginx in front.
pub const API_PORT: u16 = 8081;

/// The administrator whom it makes at its first start, and the password.
pub const ADMINISTRATOR: (&str, &str) = ("administrator", "password");

/// Which of the programs it is.
const COT_PARSER: usize = 1;

/// The server; all of it ends when dropped, the programs first.
pub struct OpenTakServer {
    programs: Vec<Program>,
    database: Postgres,
    broker: RabbitMq,
    home: TempDir,
}

impl OpenTakServer {
    /// Starts all of it and waits until each port accepts connections.
    pub fn start() -> OpenTakServer {
        let mut broker = RabbitMq::start();
        let database = Postgres::start("ots");
        broker.wait();
        let home = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(home.path().join("ots")).expect("its data folder");
        let mut server = OpenTakServer { programs: Vec::new(), database, broker, home };
        // The first start makes the configuration and the certificates that the others read.
        server.spawn("opentakserver", &[]).wait_until("its API", || listens(API_PORT));
        for (program, arguments) in
            [("cot_parser", &[][..]), ("eud_handler", &[]), ("eud_handler", &["--ssl"])]
        {
            server.spawn(program, arguments);
        }
        for port in [COT_PORT, COT_TLS_PORT] {
            let last = server.programs.last_mut().expect("started above");
            last.wait_until(&format!("port {port}"), || listens(port));
        }
        server
    }

    /// Ends RabbitMQ as a crash would.
    pub fn kill_broker(&mut self) {
        self.broker.kill();
    }

    /// Ends `cot_parser`, which passes messages on, as a crash would.
    pub fn kill_cot_parser(&mut self) {
        self.programs[COT_PARSER].kill();
    }

    /// Ends PostgreSQL as a crash would.
    pub fn kill_database(&mut self) {
        self.database.kill();
    }

    /// Makes a certificate for one of its users, in PEM files: it lets nobody else in.
    pub fn client(&self, user: &str) -> (PathBuf, PathBuf) {
        let at = |name: &str| self.home.path().join(name);
        std::fs::write(at("extensions"), "extendedKeyUsage = clientAuth").expect("written");
        for arguments in [
            &format!(
                "req -new -newkey rsa:2048 -nodes -subj /CN={user} -keyout {user}.key -out csr"
            ),
            &format!(
                "x509 -req -in csr -out {user}.pem -days 30 -extfile extensions -CA ots/ca/ca.pem \
                 -CAkey ots/ca/ca-do-not-share.key -passin pass:atakatak -CAcreateserial"
            ),
        ] {
            let mut openssl = Command::new("openssl");
            run(openssl.args(arguments.split_whitespace()).current_dir(self.home.path()));
        }
        (at(&format!("{user}.pem")), at(&format!("{user}.key")))
    }

    fn spawn(&mut self, program: &str, arguments: &[&str]) -> &mut Program {
        let home: &Path = self.home.path();
        let mut command = Command::new(bin("TEST_TAKPULSE_OPENTAKSERVER").join(program));
        // It keeps everything in `ots` below HOME, and that is where its units run it. The settings are
        // for the first start, which writes them to config.yml.
        command
            .args(arguments)
            .current_dir(home.join("ots"))
            .env("HOME", home)
            .env("OTS_MEDIAMTX_ENABLE", "False")
            .env("SQLALCHEMY_DATABASE_URI", Postgres::url("ots"));
        let name = [&[program], arguments].concat().join("");
        let started = Program::start(&mut command, &name, home);
        self.programs.push(started);
        self.programs.last_mut().expect("just added")
    }
}
