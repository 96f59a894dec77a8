//! Who reads a configuration: paths, variables and switches mean what they mean to that process.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::collect::tak::presence::Component;

/// The variables that the servers read their settings from. Others are not even kept.
const WANTED: &[&str] = &[
    "HOME",
    // taky's data package server.
    "TAKY_CONFIG",
    // OpenTAKServer: its defaults, below its config.yml.
    "OTS_CA_FOLDER",
    "OTS_CA_PASSWORD",
    "OTS_DATA_FOLDER",
    "OTS_ENABLE_TCP_STREAMING_PORT",
    "OTS_LISTENER_ADDRESS",
    "OTS_LISTENER_PORT",
    "OTS_MARTI_HTTPS_PORT",
    "OTS_MARTI_HTTP_PORT",
    "OTS_RABBITMQ_SERVER_ADDRESS",
    "OTS_SSL_STREAMING_PORT",
    "OTS_STREAMING_INTERFACE",
    "OTS_TCP_STREAMING_PORT",
    "SQLALCHEMY_DATABASE_URI",
    // FreeTAKServer: above its FTSConfig.yaml.
    "FTS_CADIR",
    "FTS_CERTS_PATH",
    "FTS_CLIENT_CERT_PASSWORD",
    "FTS_CONFIG_PATH",
    "FTS_COT_PORT",
    "FTS_LOGFILE_PATH",
    "FTS_SERVER_P12DIR",
    "FTS_SERVER_PEMDIR",
    "FTS_SSLCOT_PORT",
];

/// The longest value of a variable that is kept, in bytes.
const MAX_VALUE_BYTES: usize = 4096;

/// The variables of a process that settings are read from. Shows none of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads a `/proc/<pid>/environ`: `NAME=value`, each ended by a NUL.
    pub fn parse(environ: &[u8]) -> Environment {
        let pairs = environ.split(|byte| *byte == 0).filter_map(|pair| {
            let (name, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
            (WANTED.contains(&name) && value.len() <= MAX_VALUE_BYTES)
                .then(|| (name.to_owned(), value.to_owned()))
        });
        Environment(pairs.collect())
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Whose configuration it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Owner {
    /// Relative names start here.
    pub folder: PathBuf,
    /// The variables that it was started with.
    pub environment: Environment,
    /// The parts of the server that run; none: it is stopped.
    pub runs: Vec<Component>,
    /// taky's second part is run by gunicorn, which is told on its command line where to listen.
    pub gunicorn: bool,
}

impl Owner {
    /// The path of a file or folder that the configuration names.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(Path::new(name))
    }

    /// Whether a part runs, or none does: then all of it should.
    pub fn has(&self, component: Component) -> bool {
        self.runs.is_empty() || self.runs.contains(&component)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_settings_are_read_from_is_kept_and_nothing_is_shown() {
        let environ =
            b"HOME=/home/ots\0AWS_SECRET_ACCESS_KEY=hush\0OTS_CA_PASSWORD=hush=hush\0\xff=1\0no\0";
        let environment = Environment::parse(environ);
        assert_eq!(environment.get("HOME"), Some("/home/ots"));
        assert_eq!(environment.get("OTS_CA_PASSWORD"), Some("hush=hush"));
        assert_eq!(environment.get("AWS_SECRET_ACCESS_KEY"), None);
        assert_eq!(format!("{environment:?}"), r#"{"HOME", "OTS_CA_PASSWORD"}"#);
        let long = format!("HOME={}\0", "x".repeat(MAX_VALUE_BYTES + 1));
        assert_eq!(Environment::parse(long.as_bytes()), Environment::default());
    }
}
