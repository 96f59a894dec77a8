//! Where the hierarchies of control groups are mounted, from `/proc/self/mountinfo`. Pure.
//!
//! takpulse may run in a container itself. Then the mounts that it sees may show only a part of a
//! hierarchy, and paths may be told from the place of its own group (`/../..`): a path is followed
//! below a mount only where it certainly leads to the same group.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The hierarchies that are mounted.
#[derive(Debug, Default, PartialEq)]
pub struct Mounts {
    /// Controllers of cgroup v1, each with its mount; several may share one (`cpu,cpuacct`).
    v1: Vec<(String, Mount)>,
    /// cgroup v2.
    v2: Option<Mount>,
}

/// One mounted hierarchy, or a part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    /// Where it is mounted.
    pub point: PathBuf,
    /// Which group is seen there, as `/proc/<pid>/cgroup` would call it.
    root: String,
}

impl Mounts {
    /// Reads a `mountinfo`. Of several mounts of a hierarchy the one below `sys` counts, because
    /// that is the machine's where takpulse runs in a container; then the one that shows the most.
    pub fn parse(mountinfo: &[u8], sys: &Path) -> Mounts {
        let mut found: Vec<_> = mountinfo.split(|byte| *byte == b'\n').filter_map(line).collect();
        let is_elsewhere = |mount: &Mount| !mount.point.starts_with(sys);
        found.sort_by_key(|(mount, _)| (is_elsewhere(mount), mount.hidden()));
        let mut mounts = Mounts::default();
        for (mount, controllers) in found {
            let Some(controllers) = controllers else {
                mounts.v2.get_or_insert(mount);
                continue;
            };
            for controller in controllers {
                if mounts.v1(&controller).is_none() {
                    mounts.v1.push((controller, mount.clone()));
                }
            }
        }
        mounts
    }

    /// The mount of this controller of cgroup v1.
    pub fn v1(&self, controller: &str) -> Option<&Mount> {
        self.v1.iter().find(|(name, _)| name == controller).map(|(_, mount)| mount)
    }

    /// The mount of cgroup v2.
    pub fn v2(&self) -> Option<&Mount> {
        self.v2.as_ref()
    }
}

impl Mount {
    /// The directory of a group, when it can be reached from here.
    pub fn dir(&self, path: &str) -> Option<PathBuf> {
        let below = path.strip_prefix(self.root.trim_end_matches('/'))?;
        let below = below.strip_prefix('/').or_else(|| below.is_empty().then_some(""))?;
        let leads_down = below.split('/').all(|name| name != "..");
        leads_down.then(|| self.point.join(below))
    }

    /// How much of the hierarchy it hides: the depth of its root. Each `..` leads further up.
    fn hidden(&self) -> i64 {
        let names = self.root.split('/').filter(|name| !name.is_empty());
        names.map(|name| if name == ".." { -1 } else { 1 }).sum()
    }
}

/// The mount in a line, with the words that may name v1 controllers; `None` instead of them: v2.
///
/// `36 31 0:34 / /sys/fs/cgroup/blkio rw,nosuid shared:12 - cgroup cgroup rw,blkio` (proc(5)).
fn line(line: &[u8]) -> Option<(Mount, Option<Vec<String>>)> {
    let mut words = line.split(|byte| *byte == b' ');
    let root = String::from_utf8(unescape(words.nth(3)?)).ok()?;
    let point = PathBuf::from(OsString::from_vec(unescape(words.next()?)));
    words.find(|word| *word == b"-")?;
    let mount = Mount { point, root };
    match words.next()? {
        b"cgroup2" => Some((mount, None)),
        b"cgroup" => {
            let options = std::str::from_utf8(words.nth(1)?).ok()?;
            Some((mount, Some(options.split(',').map(str::to_owned).collect())))
        }
        _ => None,
    }
}

/// The kernel writes space, tab, line feed and backslash as `\040` and the like.
fn unescape(word: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&byte, behind)) = rest.split_first() {
        let code = behind.get(..3).filter(|code| byte == b'\\' && code.iter().all(is_octal));
        match code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 8).ok()) {
            Some(escaped) => {
                plain.push(escaped);
                rest = &behind[3..];
            }
            None => {
                plain.push(byte);
                rest = behind;
            }
        }
    }
    plain
}

fn is_octal(byte: &u8) -> bool {
    (b'0'..=b'7').contains(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &[u8] = include_bytes!("../fixtures/mountinfo-hybrid");

    fn parse(text: &str, sys: &str) -> Mounts {
        Mounts::parse(text.as_bytes(), Path::new(sys))
    }

    fn point(mount: Option<&Mount>) -> Option<&str> {
        mount.and_then(|mount| mount.point.to_str())
    }

    #[test]
    fn each_controller_is_found_where_it_is_mounted() {
        let mounts = Mounts::parse(HYBRID, Path::new("/sys"));
        for controller in ["cpuacct", "memory", "blkio", "pids"] {
            let expected = format!("/sys/fs/cgroup/{controller}");
            assert_eq!(point(mounts.v1(controller)), Some(&*expected));
        }
        assert_eq!(point(mounts.v1("net_cls")), None);
        assert_eq!(point(mounts.v2()), Some("/sys/fs/cgroup/unified"));
    }

    #[test]
    fn controllers_may_share_a_mount_and_names_may_be_escaped() {
        let mounts = parse(
            "33 31 0:30 / /sys/fs/my\\040groups/cpu,cpuacct rw shared:9 master:1 - cgroup cgroup rw,cpu,cpuacct\n\
             garbage\n34 31 0:31 / /x\n35 31 0:31 / /y - cgroup\n- - - - - - - - -\n",
            "/sys",
        );
        assert_eq!(point(mounts.v1("cpuacct")), Some("/sys/fs/my groups/cpu,cpuacct"));
        assert_eq!(mounts.v2(), None);
        assert_eq!(unescape(b"a\\134b\\04\\777\\"), b"a\\b\\04\\777\\");
    }

    #[test]
    fn in_a_container_the_machines_own_mount_counts() {
        let text = "1 1 0:1 /docker/own /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
                    2 1 0:2 / /host/sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
                    3 1 0:3 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n\
                    4 1 0:3 /../.. /host/sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        let mounts = parse(text, "/host/sys");
        assert_eq!(point(mounts.v1("memory")), Some("/host/sys/fs/cgroup/memory"));
        assert_eq!(point(mounts.v2()), Some("/host/sys/fs/cgroup"));
        let alike = "1 1 0:1 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n\
                     2 1 0:2 / /host/sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(point(parse(alike, "/host/sys").v2()), Some("/host/sys/fs/cgroup"));
        // Where no other is named, the one that shows the most.
        let mounts = parse(text, "/nowhere");
        assert_eq!(point(mounts.v1("memory")), Some("/host/sys/fs/cgroup/memory"));
        assert_eq!(point(mounts.v2()), Some("/host/sys/fs/cgroup"));
    }

    #[test]
    fn a_path_is_followed_only_where_it_leads_to_the_same_group() {
        for (root, path, expected) in [
            ("/", "/docker/a", Some("/m/docker/a")),
            ("/", "/", Some("/m/")),
            ("/docker", "/docker/a", Some("/m/a")),
            ("/docker", "/docker", Some("/m/")),
            ("/docker", "/dockers/a", None),
            ("/docker/own", "/docker/a", None),
            ("/../..", "/../../docker/a", Some("/m/docker/a")),
            // A neighbour: the names above our own group are not told.
            ("/../..", "/../a", None),
            ("/", "/../a", None),
            ("/", "/docker/../a", None),
            ("/", "", Some("/m/")),
        ] {
            let mount = Mount { point: "/m".into(), root: root.into() };
            let found = mount.dir(path);
            assert_eq!(found.as_deref(), expected.map(Path::new), "{path} below {root}");
        }
    }
}
