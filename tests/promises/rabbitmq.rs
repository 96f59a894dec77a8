//! A real RabbitMQ, in a directory of its own.

use std::process::Command;

use tempfile::TempDir;

use crate::program::{Program, listens};

/// Where it listens: the customary port, so start it only in a world of the test's own.
const PORT: u16 = 5672;

/// A running broker; it ends when dropped.
pub struct RabbitMq {
    server: Program,
    _dir: TempDir,
}

impl RabbitMq {
    /// Starts it; [`RabbitMq::wait`] tells when it is ready.
    pub fn start() -> RabbitMq {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str| dir.path().join(name);
        let mut command = Command::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
        command
            .current_dir(dir.path())
            // The cookie is kept in HOME.
            .env("HOME", dir.path())
            .env("RABBITMQ_NODENAME", "test@localhost")
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_MNESIA_BASE", at("mnesia"))
            .env("RABBITMQ_LOG_BASE", at("log"))
            .env("RABBITMQ_PID_FILE", at("pid"))
            // None of these exists: the machine's own settings are left alone.
            .env("RABBITMQ_CONFIG_FILE", at("settings"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", at("settings"))
            .env("RABBITMQ_CONF_ENV_FILE", at("environment"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins"));
        RabbitMq { server: Program::start(&mut command, "rabbitmq", dir.path()), _dir: dir }
    }

    /// Waits until it accepts connections.
    pub fn wait(&mut self) {
        self.server.wait_until("RabbitMQ to listen", || listens(PORT));
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.server.kill();
    }
}
