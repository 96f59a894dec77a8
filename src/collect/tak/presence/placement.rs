//! How a process was started: which systemd unit or container it is in, and which units of a TAK
//! server are installed. It decides what a message tells the user to type.

use crate::collect::tak::report::Flavor;

/// Where a process lives, from its `/proc/<pid>/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// The first 12 digits of the container's id, as `docker ps` shows it.
    pub container: Option<String>,
    /// The systemd unit, when its name is one of a TAK server.
    pub unit: Option<String>,
}

/// Reads a `/proc/<pid>/cgroup`, of cgroup v1 or v2.
pub fn placement(cgroup: &str) -> Placement {
    let segments = || {
        cgroup
            .lines()
            .filter_map(|line| line.splitn(3, ':').nth(2))
            .flat_map(|path| path.split('/'))
    };
    Placement {
        container: segments().find_map(container_id),
        unit: segments().find(|name| is_unit(name)).map(str::to_owned),
    }
}

/// `docker-<id>.scope`, `libpod-<id>.scope` or the bare 64 digits.
fn container_id(segment: &str) -> Option<String> {
    let scope = segment.strip_suffix(".scope").unwrap_or(segment);
    let id = scope.rsplit('-').next()?;
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| id[..12].to_owned())
}

/// A service that somebody named after a TAK server; others (cron, ssh) only happened to start it.
fn is_unit(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    name.ends_with(".service")
        && !lower.starts_with("takpulse")
        && ["tak", "fts", "eud_handler", "cot_parser"].iter().any(|part| lower.contains(part))
}

/// Which server a service's unit belongs to, by the names that the installers give. Others begin
/// alike and are no server: `takserver-backup.service`.
pub fn unit_flavor(file: &str) -> Option<Flavor> {
    let stem = file.strip_suffix(".service")?.to_ascii_lowercase();
    match stem.as_str() {
        "takserver"
        | "takserver-config"
        | "takserver-messaging"
        | "takserver-api"
        | "takserver-plugins"
        | "takserver-retention"
        | "takserver-noplugins" => Some(Flavor::TakServer),
        "opentakserver" | "eud_handler" | "eud_handler_ssl" | "cot_parser" => {
            Some(Flavor::OpenTakServer)
        }
        "freetakserver" | "fts" => Some(Flavor::FreeTakServer),
        "taky" => Some(Flavor::Taky),
        // `takyctl systemd` names them `taky-cot` and `taky-dps`, for a site `taky-<host>-cot`.
        name if name.starts_with("taky-") && (name.ends_with("-cot") || name.ends_with("-dps")) => {
            Some(Flavor::Taky)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f2a9c1b7d5e3f2a9c1b7d5e3f2a9c1b7d5e3f2a9c1b7d5e3f2a9c1b7d5e0123";

    #[test]
    fn a_cgroup_tells_the_container_and_the_unit() {
        let docker = format!("0::/system.slice/docker-{ID}.scope\n");
        let v1 = format!("12:pids:/docker/{ID}\n1:name=systemd:/docker/{ID}\n");
        let cases: [(&str, Option<&str>, Option<&str>); 9] = [
            (&docker, Some("3f2a9c1b7d5e"), None),
            (&v1, Some("3f2a9c1b7d5e"), None),
            ("0::/system.slice/taky-cot.service\n", None, Some("taky-cot.service")),
            ("1:name=systemd:/system.slice/takserver.service", None, Some("takserver.service")),
            ("0::/system.slice/cron.service", None, None),
            ("0::/system.slice/takpulse.service", None, None),
            ("0::/user.slice/user-0.slice/session-1.scope", None, None),
            ("", None, None),
            ("::\n\u{fffd}:/", None, None),
        ];
        for (text, container, unit) in cases {
            let found = placement(text);
            assert_eq!(
                (found.container.as_deref(), found.unit.as_deref()),
                (container, unit),
                "{text}"
            );
        }
    }

    #[test]
    fn a_unit_is_known_by_its_name() {
        let cases = [
            ("takserver.service", Some(Flavor::TakServer)),
            ("takserver-messaging.service", Some(Flavor::TakServer)),
            ("takserver", None),
            ("takserver-backup.service", None),
            ("takserver-backup.timer", None),
            ("takserver.socket", None),
            ("taky.service", Some(Flavor::Taky)),
            ("taky-dps.service", Some(Flavor::Taky)),
            ("taky-localhost-cot.service", Some(Flavor::Taky)),
            ("taky-backup.service", None),
            ("opentakserver.service", Some(Flavor::OpenTakServer)),
            ("eud_handler_ssl.service", Some(Flavor::OpenTakServer)),
            ("cot_parser.service", Some(Flavor::OpenTakServer)),
            ("FreeTAKServer.service", Some(Flavor::FreeTakServer)),
            ("takpulse.service", None),
            ("fts-backup.service", None),
            ("ssh.service", None),
        ];
        for (name, flavor) in cases {
            assert_eq!(unit_flavor(name), flavor, "{name}");
        }
    }
}
