//! Tells from a command line whether a process belongs to a TAK server, and which part of it.

use crate::collect::tak::report::Flavor;

/// A part of a TAK server that runs as a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// `taky`: CoT.
    TakyCot,
    /// `taky_dps`, or gunicorn with `taky.dps`: the Marti API.
    TakyDps,
    /// TAK Server's configuration service.
    TakConfig,
    /// TAK Server's CoT router.
    TakMessaging,
    /// TAK Server's API and web pages.
    TakApi,
    /// TAK Server's plugin manager.
    TakPlugins,
    /// TAK Server's retention service.
    TakRetention,
    /// `opentakserver`: API.
    OtsServer,
    /// `eud_handler`: plain CoT.
    OtsEudHandler,
    /// `eud_handler --ssl`, or `eud_handler_ssl` as its unit is called: CoT over TLS.
    OtsEudHandlerSsl,
    /// `eud_handler --udp`: CoT without connections.
    OtsEudHandlerUdp,
    /// `cot_parser`: writes CoT into the database.
    OtsCotParser,
    /// FreeTAKServer, all of it.
    Fts,
}

impl Component {
    /// Whose part it is.
    pub fn flavor(self) -> Flavor {
        use Component::*;
        match self {
            TakyCot | TakyDps => Flavor::Taky,
            TakConfig | TakMessaging | TakApi | TakPlugins | TakRetention => Flavor::TakServer,
            OtsServer | OtsEudHandler | OtsEudHandlerSsl | OtsEudHandlerUdp | OtsCotParser => {
                Flavor::OpenTakServer
            }
            Fts => Flavor::FreeTakServer,
        }
    }

    /// What its own documentation calls it.
    pub fn name(self) -> &'static str {
        match self {
            Component::TakyCot => "taky",
            Component::TakyDps => "taky_dps",
            Component::TakConfig => "config",
            Component::TakMessaging => "messaging",
            Component::TakApi => "api",
            Component::TakPlugins => "plugins",
            Component::TakRetention => "retention",
            Component::OtsServer => "opentakserver",
            Component::OtsEudHandler => "eud_handler",
            Component::OtsEudHandlerSsl => "eud_handler_ssl",
            Component::OtsEudHandlerUdp => "eud_handler --udp",
            Component::OtsCotParser => "cot_parser",
            Component::Fts => "FreeTAKServer",
        }
    }

    /// Whether clients connect to it by TCP: without it nobody can work.
    pub fn serves_cot(self) -> bool {
        use Component::*;
        matches!(self, TakyCot | TakMessaging | OtsEudHandler | OtsEudHandlerSsl | Fts)
    }
}

/// Recognises a process by its `/proc/<pid>/cmdline` (arguments, each ended by a NUL).
///
/// Arguments decide, never a name that merely contains "tak": an editor with `takserver.war` open
/// or a `tail` of its log is not a server.
pub fn identify(cmdline: &[u8]) -> Option<Component> {
    let mut args =
        cmdline.split(|&byte| byte == 0).map(|arg| std::str::from_utf8(arg).unwrap_or_default());
    let program = args.next()?;
    match base(program) {
        "java" => from_java(args),
        // With setproctitle all of it is one argument: `gunicorn: master [taky.dps:app]`.
        name if name.starts_with("gunicorn") && program.contains("taky.dps") => {
            Some(Component::TakyDps)
        }
        name if name.starts_with("gunicorn") => from_gunicorn(args),
        name if name.starts_with("python") => from_python(args),
        _ => from_script(program, args),
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `java ... -Dspring.profiles.active=messaging,... -jar takserver.war`
fn from_java<'a>(args: impl Iterator<Item = &'a str>) -> Option<Component> {
    let (mut archive, mut profile) = (None, None);
    for arg in args {
        // As an option of Java's, or as an argument of Spring's.
        let profiles = ["-Dspring.profiles.active=", "--spring.profiles.active="];
        if let Some(profiles) = profiles.iter().find_map(|option| arg.strip_prefix(option)) {
            profile = profiles.split(',').find_map(|name| from_profile(name.trim())).or(profile);
        } else if is_archive(base(arg)) {
            archive = Some(base(arg));
        }
    }
    match archive? {
        name if name.starts_with("takserver-pm") => Some(Component::TakPlugins),
        name if name.starts_with("takserver-retention") => Some(Component::TakRetention),
        _ => profile,
    }
}

/// `takserver.war`, `takserver-core-5.4.jar`, `takserver-pm.jar`; other programs that TAK Server brings
/// along (`SchemaManager.jar`) are not it.
fn is_archive(name: &str) -> bool {
    let stem = name.strip_suffix(".war").or(name.strip_suffix(".jar"));
    stem.and_then(|stem| stem.strip_prefix("takserver"))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', '_']))
}

fn from_profile(profile: &str) -> Option<Component> {
    match profile {
        "config" => Some(Component::TakConfig),
        "messaging" => Some(Component::TakMessaging),
        "api" => Some(Component::TakApi),
        _ => None,
    }
}

fn from_gunicorn<'a>(mut args: impl Iterator<Item = &'a str>) -> Option<Component> {
    args.any(|arg| arg.starts_with("taky.dps")).then_some(Component::TakyDps)
}

/// `python3 [-u] /path/to/script ...` or `python3 -m module ...`
fn from_python<'a>(mut args: impl Iterator<Item = &'a str>) -> Option<Component> {
    let script = loop {
        match args.next()? {
            "-m" => {
                let module = args.next()?;
                return from_module(module, args);
            }
            // The two options of python whose value is an argument of its own.
            "-W" | "-X" => drop(args.next()),
            option if option.starts_with('-') => {}
            script => break script,
        }
    };
    match base(script) {
        name if name.starts_with("gunicorn") => from_gunicorn(args),
        _ => from_script(script, args),
    }
}

fn from_module<'a>(module: &str, args: impl Iterator<Item = &'a str>) -> Option<Component> {
    match module.strip_suffix(".__main__").unwrap_or(module) {
        "taky.cot" => Some(Component::TakyCot),
        "taky.dps" => Some(Component::TakyDps),
        "opentakserver.app" => Some(Component::OtsServer),
        "opentakserver.eud_handler.eud_handler" => from_eud_handler(args),
        "opentakserver.cot_parser.cot_parser" => Some(Component::OtsCotParser),
        _ if module.split('.').next() == Some("FreeTAKServer") => Some(Component::Fts),
        _ => None,
    }
}

/// One program, told what to be: plain CoT, unless it is told otherwise.
fn from_eud_handler<'a>(mut args: impl Iterator<Item = &'a str>) -> Option<Component> {
    match args.find(|arg| matches!(*arg, "--ssl" | "--udp")) {
        Some("--ssl") => Some(Component::OtsEudHandlerSsl),
        Some(_) => Some(Component::OtsEudHandlerUdp),
        None => Some(Component::OtsEudHandler),
    }
}

fn from_script<'a>(path: &str, args: impl Iterator<Item = &'a str>) -> Option<Component> {
    match base(path) {
        "taky" => Some(Component::TakyCot),
        "taky_dps" => Some(Component::TakyDps),
        "opentakserver" => Some(Component::OtsServer),
        "eud_handler" | "eud_handler.py" => from_eud_handler(args),
        "eud_handler_ssl" => Some(Component::OtsEudHandlerSsl),
        "cot_parser" | "cot_parser.py" => Some(Component::OtsCotParser),
        // FreeTAKServer's own scripts; the name alone is that of its web page's, too.
        "fts" | "FreeTAKServer" if path.contains("/bin/") => Some(Component::Fts),
        _ if path.split('/').any(|part| part == "FreeTAKServer") && path.ends_with(".py") => {
            Some(Component::Fts)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_recognised_by_its_arguments() {
        let cases: [(&str, Option<Component>); 43] = [
            ("/v/bin/python3 /v/bin/taky -c taky.conf", Some(Component::TakyCot)),
            ("python3 -u /v/bin/taky", Some(Component::TakyCot)),
            ("python3 -X dev -m taky.cot", Some(Component::TakyCot)),
            ("/usr/bin/taky_dps -c taky.conf", Some(Component::TakyDps)),
            ("python3 /v/bin/gunicorn -b :8443 taky.dps:app", Some(Component::TakyDps)),
            ("gunicorn -w 4 taky.dps", Some(Component::TakyDps)),
            ("python3 /v/bin/gunicorn shop:app", None),
            (
                "java -Xmx4g -Dspring.profiles.active=messaging,duplicatelogs -jar takserver.war",
                Some(Component::TakMessaging),
            ),
            (
                "/usr/lib/jvm/bin/java -jar -Dspring.profiles.active=consolelog,api /opt/tak/takserver.war",
                Some(Component::TakApi),
            ),
            ("java -Dspring.profiles.active=config -jar takserver.war", Some(Component::TakConfig)),
            ("java -jar takserver-pm.jar", Some(Component::TakPlugins)),
            ("java -jar takserver-retention.jar", Some(Component::TakRetention)),
            ("java -Dspring.profiles.active=api -jar shop.jar", None),
            ("java -jar takserver.war", None),
            ("vi takserver.war", None),
            ("tail -f /opt/tak/logs/takserver-messaging.log", None),
            ("/v/bin/python /v/bin/opentakserver", Some(Component::OtsServer)),
            ("/v/bin/python /v/bin/eud_handler --ssl", Some(Component::OtsEudHandlerSsl)),
            ("/v/bin/python /v/bin/eud_handler --no-ssl", Some(Component::OtsEudHandler)),
            ("/v/bin/python /v/bin/eud_handler", Some(Component::OtsEudHandler)),
            ("/v/bin/python /v/bin/eud_handler --udp", Some(Component::OtsEudHandlerUdp)),
            (
                "python3 -m opentakserver.eud_handler.eud_handler --ssl",
                Some(Component::OtsEudHandlerSsl),
            ),
            ("python3 -m opentakserver.cot_parser.cot_parser", Some(Component::OtsCotParser)),
            ("python3 -m taky.cot.__main__", Some(Component::TakyCot)),
            (
                "java -jar -Xmx9m -Dspring.profiles.active=messaging,consolelog -Dkeystore.pkcs12.legacy takserver.war",
                Some(Component::TakMessaging),
            ),
            (
                "java -jar /opt/tak/takserver-core-5.4-RELEASE-19.jar --spring.profiles.active=api",
                Some(Component::TakApi),
            ),
            (
                "java -Xmx1m -Dloader.path=WEB-INF/lib,file:lib/ takserver-pm.jar",
                Some(Component::TakPlugins),
            ),
            ("java -jar /opt/tak/db-utils/SchemaManager.jar upgrade", None),
            ("java -Dspring.profiles.active=api -jar takserverless.jar", None),
            ("/v/bin/python3 /v/bin/FreeTAKServer", Some(Component::Fts)),
            ("/usr/bin/python3 /usr/local/bin/fts", Some(Component::Fts)),
            ("fts", None),
            ("vi FreeTAKServer", None),
            ("python3 -m FreeTAKServer.controllers.services.FTS -CoTPort 9", Some(Component::Fts)),
            ("/v/bin/python /v/bin/eud_handler_ssl", Some(Component::OtsEudHandlerSsl)),
            (
                "/root/.opentakserver_venv/bin/python /root/.opentakserver_venv/bin/cot_parser",
                Some(Component::OtsCotParser),
            ),
            ("vi cot_parser.py", None),
            ("python3 -m FreeTAKServer.controllers.services.FTS", Some(Component::Fts)),
            (
                "python3 /usr/lib/python3/dist-packages/FreeTAKServer/controllers/services/FTS.py",
                Some(Component::Fts),
            ),
            ("python3 /usr/lib/FreeTAKServer-UI/run.py", None),
            ("vi /v/bin/taky", None),
            ("takpulse --config taky.conf", None),
            ("", None),
        ];
        for (line, want) in cases {
            let cmdline = line.replace(' ', "\0") + "\0";
            assert_eq!(identify(cmdline.as_bytes()), want, "{line}");
        }
    }

    #[test]
    fn a_process_that_renamed_itself_is_recognised() {
        let title = b"gunicorn: master [taky.dps:app]\0\0\0";
        assert_eq!(identify(title), Some(Component::TakyDps));
    }

    #[test]
    fn garbage_is_nobody() {
        for garbage in
            [&b"\0\0\0"[..], b"\xff\xfe", b"java\0\xff\0", b"python3\0-m\0", b"python3\0-W"]
        {
            assert_eq!(identify(garbage), None, "{garbage:?}");
        }
    }
}
