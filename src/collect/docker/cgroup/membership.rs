//! Which group is the container's, from a process's `/proc/<pid>/cgroup`. Pure.
//!
//! The path must contain the container's full id. That proves two things at once: that the process
//! which the engine named is this one here (and not one of the same number on the engine's machine,
//! in another namespace, or one that came later), and that the group is the container's own (and not
//! a whole session's, as it is for a rootless engine on cgroup v1).

/// An id's digits are as good as random: so many prove it, and less is no id of an engine's.
const LEAST_DIGITS: usize = 32;

/// Whether this is a container's full id, fit to be looked for in paths.
pub fn is_full_id(id: &str) -> bool {
    id.len() >= LEAST_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The path of the container's own group in the hierarchy of this v1 controller, or in that of v2
/// (`None`): up to the part that contains its id, as a process may have moved into a group below it
/// (`/docker/<id>/init`).
pub fn own_group<'a>(cgroup: &'a str, controller: Option<&str>, id: &str) -> Option<&'a str> {
    let path = cgroup.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let is_it = match controller {
            Some(name) => controllers.split(',').any(|one| one == name),
            None => controllers.is_empty(),
        };
        is_it.then_some(path)
    })?;
    let at = path.find(id)?;
    let end = path[at..].find('/').map_or(path.len(), |slash| at + slash);
    Some(&path[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f2a9c1b7d5e3f2a9c1b7d5e3f2a9c1b7d5e3f2a9c1b7d5e3f2a9c1b7d5e0123";

    #[test]
    fn the_group_is_the_containers_own_and_whole() {
        let other = ID.replace("0123", "0124");
        let user = "/user.slice/user-1000.slice/user@1000.service";
        for (path, expected) in [
            (format!("/docker/{ID}"), Some(format!("/docker/{ID}"))),
            (format!("/docker/{ID}/init"), Some(format!("/docker/{ID}"))),
            (
                format!("/docker/{other}/docker/{ID}/a/b"),
                Some(format!("/docker/{other}/docker/{ID}")),
            ),
            (
                format!("/system.slice/docker-{ID}.scope"),
                Some(format!("/system.slice/docker-{ID}.scope")),
            ),
            (
                format!("/machine.slice/libpod-{ID}.scope/container"),
                Some(format!("/machine.slice/libpod-{ID}.scope")),
            ),
            (
                format!("{user}/user.slice/docker-{ID}.scope"),
                Some(format!("{user}/user.slice/docker-{ID}.scope")),
            ),
            (format!("/../../a:b/{ID}"), Some(format!("/../../a:b/{ID}"))),
            // A rootless engine on v1, a process that came later, one of another machine.
            ("/user.slice/user-1000.slice/session-3.scope".into(), None),
            (format!("/docker/{other}"), None),
            ("/".into(), None),
        ] {
            let v2 = format!("0::{path}\n");
            assert_eq!(own_group(&v2, None, ID), expected.as_deref(), "{path}");
            assert_eq!(own_group(&v2, Some("memory"), ID), None, "{path}");
            let v1 = format!("9:name=systemd:/\n4:cpu,cpuacct:{path}\n3:memory:/x\n0::/\n");
            assert_eq!(own_group(&v1, Some("cpuacct"), ID), expected.as_deref(), "{path}");
            assert_eq!(own_group(&v1, Some("memory"), ID), None);
            assert_eq!(own_group(&v1, None, ID), None);
        }
        for nonsense in ["", "::", "4", "4:memory", "\n\n:::::"] {
            assert_eq!(own_group(nonsense, Some("memory"), ID), None, "{nonsense:?}");
        }
    }

    #[test]
    fn only_a_full_id_is_looked_for() {
        assert!(is_full_id(ID));
        for bad in ["", "a", "3f2a9c1b7d5e", "../../etc", &ID.replace('3', "/"), &"é".repeat(32)] {
            assert!(!is_full_id(bad), "{bad}");
        }
    }
}
