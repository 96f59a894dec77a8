//! Reads a server's configuration where takpulse reaches it, and keeps what it says until the file
//! changes: parsing it in each round would cost more than looking at everything else.
//!
//! Everything here blocks.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

use super::Settings;
use super::fault::{SettingsFault, Syntax};
use super::find::{Source, source};
use crate::collect::tak::presence::TakProcess;
use crate::config::HostConfig;

/// A configuration is read up to here; large ones have 100 KiB.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// What was read in a round.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// The server's settings, or why they are not known; absent: there is no server to ask for them.
    pub settings: Option<Result<Arc<Settings>, SettingsFault>>,
    /// What it was read from.
    from: Option<Arc<From>>,
}

/// The same of all of these is the same configuration.
#[derive(Debug, PartialEq, Eq)]
struct From {
    source: Source,
    file: PathBuf,
    stamp: Stamp,
}

/// Device, inode, size, and times of change.
type Stamp = [i64; 7];

impl Reading {
    /// Reads the configuration of the server whose processes these are; without any, of the one that is
    /// installed in `/opt/tak`, if `opt_tak`. What has not changed since the `last` time is kept.
    pub fn read(
        host: &HostConfig,
        processes: &[TakProcess],
        opt_tak: bool,
        last: &Reading,
    ) -> Reading {
        match source(host, processes, opt_tak) {
            None => Reading::default(),
            Some(Err(fault)) => Reading { settings: Some(Err(fault)), from: None },
            Some(Ok(source)) => Reading::of(source, processes.is_empty(), last),
        }
    }

    /// `left_over`: nothing runs, so that a file that is not there is nothing to complain of.
    fn of(source: Source, left_over: bool, last: &Reading) -> Reading {
        let opened = source.files.iter().map(|file| (file, open(&source.reach.path(file))));
        let missing = |result: &io::Result<_>| matches!(result, Err(why) if why.kind() == io::ErrorKind::NotFound);
        let found = opened.into_iter().find(|(_, result)| !missing(result));
        let Some((file, opened)) = found.map(|(file, opened)| (file.clone(), opened)) else {
            return Reading::without_file(&source, left_over);
        };
        let (file_handle, stamp) = match opened {
            Ok(opened) => opened,
            Err(why) => {
                let fault = SettingsFault::unreadable(&source.reach.shown(&file), &why);
                return Reading { settings: Some(Err(fault)), from: None };
            }
        };
        let from = From { source, file, stamp };
        if let Some(known) = &last.from
            && **known == from
        {
            return last.clone();
        }
        let settings = from.parse(file_handle).map(Arc::new);
        Reading { settings: Some(settings), from: Some(Arc::new(from)) }
    }

    fn without_file(source: &Source, left_over: bool) -> Reading {
        let Some(file) = source.files.last().filter(|_| !left_over) else {
            return Reading::default();
        };
        let shown = source.reach.shown(file);
        let settings = if source.optional {
            let named = source.parse(file, None).map_err(|why| why.of(&shown));
            named.map(|settings| reached(settings, source, "its own defaults".into()))
        } else {
            Err(SettingsFault::unreadable(&shown, &io::ErrorKind::NotFound.into()))
        };
        Reading { settings: Some(settings.map(Arc::new)), from: None }
    }
}

impl From {
    fn parse(&self, file: File) -> Result<Settings, SettingsFault> {
        let shown = self.source.reach.shown(&self.file);
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|why| SettingsFault::unreadable(&shown, &why))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(SettingsFault::too_large(&shown, MAX_BYTES));
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| {
            let problem = "is no text in UTF-8";
            Syntax { at: None, problem, fix: "save it in UTF-8" }.of(&shown)
        })?;
        let text = text.trim_start_matches('\u{feff}');
        let settings = self.source.parse(&self.file, Some(text)).map_err(|why| why.of(&shown))?;
        Ok(reached(settings, &self.source, shown))
    }
}

/// With the paths that takpulse reaches.
fn reached(mut settings: Settings, source: &Source, shown: String) -> Settings {
    let reach = &source.reach;
    for place in &mut settings.places {
        place.shown = reach.shown(&place.path);
        place.path = reach.path(&place.path);
    }
    let socket = settings.management_socket.take();
    settings.management_socket = socket.map(|path| reach.path(&path));
    settings.logs.iter_mut().for_each(|path| *path = reach.path(path));
    settings.own_network = source.own_network;
    settings.source = shown;
    settings
}

/// Opens a file, and only that: a pipe in its place would hang.
fn open(path: &Path) -> io::Result<(File, Stamp)> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let stamp = [
        meta.dev().cast_signed(),
        meta.ino().cast_signed(),
        meta.size().cast_signed(),
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec(),
    ];
    Ok((file, stamp))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;
    use crate::collect::tak::presence::{Component, Network};
    use crate::collect::tak::settings::{core_config, open_tak, taky};

    /// A machine's files, made up, with one process.
    struct Machine {
        root: tempfile::TempDir,
        process: TakProcess,
    }

    impl Machine {
        fn new(component: Component) -> Machine {
            let root = tempfile::tempdir().expect("a directory");
            let machine = Machine { root, process: TakProcess::new(7, component) };
            machine.file("proc/7/cmdline", b"");
            machine.file("proc/7/environ", b"");
            machine
        }

        fn file(&self, path: &str, text: &[u8]) {
            let path = self.root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
            fs::write(path, text).expect("a file");
        }

        /// The process runs there.
        fn runs_in(&self, folder: &str) {
            symlink(folder, self.root.path().join("proc/7/cwd")).expect("a link");
        }

        fn host(&self) -> HostConfig {
            let root = self.root.path();
            HostConfig { proc: root.join("proc"), sys: root.join("sys"), root: root.into() }
        }

        fn read(&self, last: &Reading) -> Reading {
            Reading::read(&self.host(), std::slice::from_ref(&self.process), false, last)
        }

        fn settings(&self) -> Arc<Settings> {
            self.read(&Reading::default()).settings.expect("a server").expect("it is read")
        }

        fn fault(&self) -> String {
            let fault = self.read(&Reading::default()).settings.expect("a server");
            fault.expect_err("it is not read").to_string()
        }
    }

    fn shared(reading: &Reading) -> Option<*const Settings> {
        Some(Arc::as_ptr(reading.settings.as_ref()?.as_ref().ok()?))
    }

    #[test]
    fn a_core_config_is_read_where_its_server_reads_it() {
        let mut machine = Machine::new(Component::TakMessaging);
        let read = |machine: &Machine| machine.settings().source.clone();
        machine.file("opt/tak/CoreConfig.xml", core_config::tests::EXAMPLE.as_bytes());
        assert_eq!(read(&machine), "/opt/tak/CoreConfig.xml", "the directory is hidden");
        machine.runs_in("/srv/tak");
        machine.file("srv/tak/CoreConfig.xml", core_config::tests::EXAMPLE.as_bytes());
        assert_eq!(read(&machine), "/srv/tak/CoreConfig.xml");
        machine.file("srv/tak/data/CoreConfig.xml", core_config::tests::EXAMPLE.as_bytes());
        assert_eq!(read(&machine), "/srv/tak/data/CoreConfig.xml");
        let settings = machine.settings();
        let keystore = machine.root.path().join("srv/tak/certs/files/takserver.jks");
        assert_eq!(settings.places[0].path, keystore);
        assert_eq!(settings.places[0].shown, "/srv/tak/certs/files/takserver.jks");
        let log = machine.root.path().join("srv/tak/logs/takserver-messaging.log");
        assert_eq!((settings.logs.first(), settings.own_network), (Some(&log), false));
        machine.process.network = Network::made_up(&[], &[]);
        assert!(machine.settings().own_network);
    }

    #[test]
    fn in_a_container_it_is_read_through_the_process() {
        let mut machine = Machine::new(Component::TakApi);
        machine.runs_in("/opt/tak");
        machine.process.placement.container = Some("3f2a9c1b7d5e".into());
        assert!(machine.fault().contains("proc/7/root is out of sight (permission denied)"));
        let inside = "proc/7/root/opt/tak";
        machine
            .file(&format!("{inside}/data/CoreConfig.xml"), core_config::tests::EXAMPLE.as_bytes());
        machine.file(&format!("{inside}/data/certs/x"), b"");
        let certs = machine.root.path().join(inside).join("certs");
        symlink("/opt/tak/data/certs", certs).expect("a link");
        let settings = machine.settings();
        assert_eq!(settings.source, "/opt/tak/data/CoreConfig.xml in container 3f2a9c1b7d5e");
        let keystore = machine.root.path().join(inside).join("data/certs/files/takserver.jks");
        assert_eq!(settings.places[0].path, keystore);
    }

    #[test]
    fn a_server_that_is_stopped_is_read_where_it_is_installed() {
        let machine = Machine::new(Component::TakApi);
        let read = |opt_tak| {
            let reading = Reading::read(&machine.host(), &[], opt_tak, &Reading::default());
            reading.settings.map(|read| read.map(|settings| settings.ports.len()))
        };
        assert_eq!((read(false), read(true)), (None, None), "nothing but a directory");
        machine.file("opt/tak/CoreConfig.xml", core_config::tests::EXAMPLE.as_bytes());
        assert_eq!((read(false), read(true)), (None, Some(Ok(11))));
    }

    #[test]
    fn it_is_parsed_anew_only_when_it_has_changed() {
        let machine = Machine::new(Component::TakMessaging);
        let file = "opt/tak/CoreConfig.xml";
        machine.file(file, core_config::tests::EXAMPLE.as_bytes());
        let first = machine.read(&Reading::default());
        let second = machine.read(&first);
        assert_eq!(shared(&first), shared(&second));
        machine.file(file, b"<Configuration/>");
        let third = machine.read(&second);
        assert_ne!(shared(&second), shared(&third));
        assert!(third.settings.is_some_and(|read| read.is_ok_and(|read| read.ports.is_empty())));
        machine.file(file, b"<Configuration");
        let broken = machine.read(&second);
        let faults = [machine.read(&broken), broken].map(|reading| reading.settings);
        assert_eq!(faults[0], faults[1]);
        assert!(matches!(faults[0], Some(Err(_))));
    }

    #[test]
    fn what_keeps_it_from_being_read_is_told_with_the_fix() {
        let machine = Machine::new(Component::TakMessaging);
        let file = "opt/tak/CoreConfig.xml";
        let path = machine.root.path().join(file);
        assert_eq!(
            machine.fault(),
            "/opt/tak/CoreConfig.xml cannot be read (it is not there): look whether the server has been moved, or name its ports under collect.tak.servers"
        );
        for (content, want) in [
            (&b"\xff\xfe<"[..], "/opt/tak/CoreConfig.xml is no text in UTF-8: save it in UTF-8"),
            (
                b"\xef\xbb\xbf<a>\n<b></c></a>",
                "/opt/tak/CoreConfig.xml:2:4 is no XML: an element is not closed",
            ),
        ] {
            machine.file(file, content);
            assert!(machine.fault().starts_with(want), "{}", machine.fault());
        }
        machine.file(file, &vec![b' '; MAX_BYTES as usize + 1]);
        assert!(machine.fault().contains("is larger than 4 MiB"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).expect("changed");
        if !rustix::process::geteuid().is_root() {
            assert!(machine.fault().contains("permission denied"));
        }
        fs::remove_file(&path).expect("removed");
        mkfifoat(CWD, &path, Mode::from_raw_mode(0o600)).expect("what would hang its reader");
        assert!(machine.fault().contains("cannot be read (it is no file)"));
        let denied = io::ErrorKind::PermissionDenied.into();
        assert_eq!(
            SettingsFault::unreadable("/x", &denied).to_string(),
            "/x cannot be read (permission denied): run takpulse as root, or give its user permission to read the file"
        );
    }

    #[test]
    fn a_taky_is_read_as_it_was_started() {
        let machine = Machine::new(Component::TakyCot);
        assert!(machine.fault().contains("proc/7/cwd is out of sight"));
        machine.runs_in("/srv/tak");
        let port = |machine: &Machine| {
            let settings = machine.settings();
            (settings.ports[0].port, settings.source.clone())
        };
        assert_eq!(port(&machine), (8087, "its own defaults".into()));
        machine.file("etc/taky/taky.conf", b"[cot_server]\nport=1\n");
        assert_eq!(port(&machine), (1, "/etc/taky/taky.conf".into()));
        machine.file("srv/tak/taky.conf", b"[cot_server]\nport=2\n");
        assert_eq!(port(&machine), (2, "/srv/tak/taky.conf".into()));
        machine.file("proc/7/cmdline", b"python3\0/v/bin/taky\0-c\0site/my.conf\0");
        machine.file("srv/tak/site/my.conf", taky::tests::EXAMPLE.as_bytes());
        assert_eq!(port(&machine), (28089, "/srv/tak/site/my.conf".into()));
        let socket = machine.root.path().join("srv/tak/site/taky-mgmt.sock");
        assert_eq!(machine.settings().management_socket, Some(socket));
        assert_eq!(machine.settings().places[0].shown, "/srv/tak/site/ssl/server.crt");
        let machine = Machine::new(Component::TakyDps);
        machine.runs_in("/srv/tak");
        for (line, expected) in [
            (&b"python3\0/v/bin/taky_dps\0"[..], true),
            (b"python3\0/v/bin/gunicorn\0-b\0:9000\0taky.dps:app\0", false),
            (b"gunicorn: master [taky.dps:app]\0\0", false),
        ] {
            machine.file("proc/7/cmdline", line);
            let ports = machine.settings().ports.clone();
            assert_eq!(ports.last().map(|api| api.expected), Some(expected), "{line:?}");
        }
    }

    #[test]
    fn the_python_servers_are_read_where_their_variables_say() {
        let machine = Machine::new(Component::OtsEudHandler);
        machine.file("proc/7/environ", b"HOME=/home/ots\0");
        assert!(machine.fault().starts_with("/home/ots/ots/config.yml cannot be read"));
        machine.file("home/ots/ots/config.yml", open_tak::tests::EXAMPLE.as_bytes());
        assert_eq!(machine.settings().ports[0].port, 18088);
        fs::remove_file(machine.root.path().join("proc/7/environ")).expect("removed");
        assert!(machine.fault().contains("proc/7/environ is out of sight"));
        let machine = Machine::new(Component::Fts);
        assert_eq!(machine.settings().source, "its own defaults");
        machine.file("proc/7/environ", b"FTS_CONFIG_PATH=/srv/fts.yaml\0FTS_SSLCOT_PORT=7\0");
        machine.file("srv/fts.yaml", b"Addresses:\n  FTS_COT_PORT: 9\n");
        let settings = machine.settings();
        assert_eq!(settings.source, "/srv/fts.yaml");
        assert_eq!((settings.ports[0].port, settings.ports[1].port), (9, 7));
    }
}
