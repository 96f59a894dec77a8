//! Where a container's group is: by the paths of its first process, or else by its id, where engines
//! usually put groups.

use std::fs;
use std::path::{Path, PathBuf};

use super::controller::{Controller, Version};
use super::membership::own_group;
use super::mounts::{Mount, Mounts};

/// So many groups of a directory are looked through.
const MOST: usize = 512;

/// The directory of a container's group for each controller, in the order of [`Controller::ALL`];
/// absent where that hierarchy has none for it.
pub type Place = [Option<Dir>; 4];

/// A group's directory in one hierarchy. It may not exist.
#[derive(Clone, Debug, PartialEq)]
pub struct Dir {
    /// Where it is.
    pub path: PathBuf,
    /// How its files are called and written.
    pub version: Version,
}

/// The place of a process that belongs to this container, from its `/proc/<pid>/cgroup`.
pub fn by_process(mounts: &Mounts, cgroup: &str, id: &str) -> Place {
    place(mounts, |mount, controller| mount.dir(own_group(cgroup, controller, id)?))
}

/// The place of this container when its process cannot be seen.
pub fn by_id(mounts: &Mounts, id: &str) -> Place {
    // Of Docker and Podman with the cgroupfs driver, and with systemd's.
    let names = [
        id.to_owned(),
        format!("libpod-{id}"),
        format!("docker-{id}.scope"),
        format!("libpod-{id}.scope"),
    ];
    place(mounts, |mount, _| search(&mount.point, &names))
}

/// A controller is where v1 has it mounted, if the container has a group there, else in v2.
fn place(mounts: &Mounts, dir: impl Fn(&Mount, Option<&'static str>) -> Option<PathBuf>) -> Place {
    let unified = mounts.v2().and_then(|mount| dir(mount, None));
    let unified = unified.map(|path| Dir { path, version: Version::V2 });
    Controller::ALL.map(|controller| {
        let name = controller.name(Version::V1);
        let own = mounts.v1(name).and_then(|mount| dir(mount, Some(name)));
        own.map(|path| Dir { path, version: Version::V1 }).or_else(|| unified.clone())
    })
}

/// A group of one of these names right below the mount, below one of its groups (`docker`,
/// `system.slice`, `machine.slice`, `libpod_parent`, one that somebody chose), or below a user's.
fn search(point: &Path, names: &[String]) -> Option<PathBuf> {
    let users = below(&point.join("user.slice")).into_iter().filter_map(|user| {
        let number = user.file_name()?.to_str()?.strip_prefix("user-")?.strip_suffix(".slice")?;
        Some(user.join(format!("user@{number}.service/user.slice")))
    });
    std::iter::once(point.to_owned())
        .chain(below(point))
        .chain(users)
        .flat_map(|parent| names.iter().map(move |name| parent.join(name)))
        .find(|group| group.is_dir())
}

fn below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().take(MOST).flatten();
    let is_dir = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.filter(is_dir).map(|entry| entry.path()).collect()
}
