//! How takpulse reaches a path that a server speaks of: below `host.root`, or, for a process in a
//! container, through `/proc/<pid>/root`.
//!
//! A link to an absolute path (`/opt/tak/certs` to `/opt/tak/data/certs`, as TAK Server's own image has
//! it) would lead out of the container when the kernel follows it for us: it is followed here.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::collect::tak::presence::TakProcess;
use crate::config::HostConfig;

/// As the kernel gives up, too.
const MAX_LINKS: usize = 40;

/// The file system that a server sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reach {
    root: PathBuf,
    /// The container that it is in, for people.
    container: Option<String>,
}

impl Reach {
    /// The machine's own.
    pub fn host(host: &HostConfig) -> Reach {
        Reach { root: host.root.clone(), container: None }
    }

    /// That of a process.
    ///
    /// # Errors
    /// It is in a container that takpulse may not look into.
    pub fn of(host: &HostConfig, process: &TakProcess) -> io::Result<Reach> {
        let path = host.proc.join(process.pid.to_string());
        let mounts = |of: &Path| fs::read_link(of.join("ns/mnt")).ok();
        let own = mounts(&path);
        let machine = [mounts(Path::new("/proc/self")), mounts(&host.proc.join("1"))];
        let container = process.placement.container.clone();
        let is_apart = match &own {
            Some(_) => !machine.contains(&own),
            None => container.is_some(),
        };
        if !is_apart {
            return Ok(Reach::host(host));
        }
        let root = path.join("root");
        // Whether it may be entered; what is in it is no matter here.
        fs::metadata(root.join("."))?;
        Ok(Reach { root, container })
    }

    /// Where takpulse finds it. What is not there is returned as it would be.
    pub fn path(&self, owned: &Path) -> PathBuf {
        let mut rest: VecDeque<OsString> = parts(owned);
        if self.root == Path::new("/") {
            return owned.to_owned();
        }
        let mut found: Vec<OsString> = Vec::new();
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                found.pop();
                continue;
            }
            found.push(part);
            let Ok(target) = fs::read_link(self.below(&found)) else { continue };
            links += 1;
            if links > MAX_LINKS {
                continue;
            }
            found.pop();
            if target.is_absolute() {
                found.clear();
            }
            parts(&target).into_iter().rev().for_each(|part| rest.push_front(part));
        }
        self.below(&found)
    }

    fn below(&self, parts: &[OsString]) -> PathBuf {
        let mut path = self.root.clone();
        path.extend(parts);
        path
    }

    /// What people are told: the path as its owner knows it, and where that is.
    pub fn shown(&self, owned: &Path) -> String {
        let path = normal(owned).display().to_string();
        match &self.container {
            Some(id) => format!("{path} in container {id}"),
            None => path,
        }
    }
}

/// The names in a path, `..` among them.
fn parts(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    names.collect()
}

/// Without `.`, which only reads badly.
fn normal(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_within_the_container() {
        let root = tempfile::tempdir().expect("a directory");
        let make = |path: &str| fs::create_dir_all(root.path().join(path)).expect("made");
        let link = |to: &str, at: &str| symlink(to, root.path().join(at)).expect("linked");
        make("opt/tak/data/certs");
        link("/opt/tak/data/certs", "opt/tak/certs");
        link("../tak/data", "opt/tak/up");
        link("loop", "loop");
        link("/../../../etc/shadow", "opt/tak/out");
        let reach = Reach { root: root.path().to_owned(), container: Some("3f2a9c1b7d5e".into()) };
        for (path, want) in [
            ("/opt/tak/certs/files/ca.pem", "opt/tak/data/certs/files/ca.pem"),
            ("/opt/tak/./up/certs", "opt/tak/data/certs"),
            ("/opt/tak/out", "etc/shadow"),
            ("/../../x", "x"),
            ("/opt/missing/../x", "opt/x"),
            ("/loop/x", "loop/x"),
        ] {
            assert_eq!(reach.path(Path::new(path)), root.path().join(want), "{path}");
        }
        let shown = reach.shown(Path::new("/opt/tak/./certs/ca.pem"));
        assert_eq!(shown, "/opt/tak/certs/ca.pem in container 3f2a9c1b7d5e");
        let host = Reach { root: "/".into(), container: None };
        assert_eq!(host.path(Path::new("/opt/tak/x")), Path::new("/opt/tak/x"));
        assert_eq!(host.shown(Path::new("/srv/./x")), "/srv/x");
    }
}
