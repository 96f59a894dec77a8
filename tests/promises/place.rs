//! A private place for an engine of containers, and how to leave it as it was found: an engine starts
//! processes that outlive it, mounts file systems and makes control groups.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What `busybox` is called by in the image.
const APPLETS: [&str; 8] = ["sh", "sleep", "dd", "rm", "touch", "test", "true", "cat"];

/// How long processes get to end before they are killed.
pub const GRACE: Duration = Duration::from_secs(15);

/// A directory, and a control group of the same name.
pub struct Place(tempfile::TempDir);

impl Place {
    /// An empty one. `tests/run` knows it by how its name begins.
    pub fn new() -> Place {
        // Short, because a socket's path has 107 bytes at the most.
        let dir = tempfile::Builder::new().prefix("tpd").tempdir();
        Place(dir.expect("a temporary directory"))
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        self.0.path()
    }

    /// Something in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Unique on this machine, and short enough for a network interface.
    pub fn name(&self) -> String {
        let name = self.dir().file_name().expect("it has a name");
        name.to_string_lossy().to_lowercase()
    }

    /// An archive of a root file system with nothing but busybox, to make the image `probe` of.
    pub fn probe(&self) -> PathBuf {
        let root = self.path("root");
        for folder in ["bin", "tmp"] {
            fs::create_dir_all(root.join(folder)).expect("a root file system");
        }
        fs::copy("/bin/busybox", root.join("bin/busybox"))
            .expect("a static busybox: apt-get install busybox-static");
        for applet in APPLETS {
            let link = root.join("bin").join(applet);
            std::os::unix::fs::symlink("busybox", link).expect("an applet");
        }
        let archive = self.path("probe.tar");
        let packed =
            Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(&root).arg(".").status();
        assert!(packed.expect("tar runs").success());
        archive
    }

    /// Ends all processes that are left here, unmounts what is mounted, and removes the control group.
    pub fn leave(&self) {
        self.end_processes();
        self.unmount();
        self.remove_groups();
    }

    /// The processes that are ours: started with our directory, or in our control group.
    fn processes(&self) -> Vec<u32> {
        let (dir, group) = (self.dir().to_string_lossy(), format!("/{}", self.name()));
        let ours = |process: &Path| {
            let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
            let groups = fs::read_to_string(process.join("cgroup")).unwrap_or_default();
            String::from_utf8_lossy(&arguments).contains(&*dir) || groups.contains(&group)
        };
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        all.filter(|process| ours(&process.path()))
            .filter_map(|process| process.file_name().to_string_lossy().parse().ok())
            .filter(|id| *id != std::process::id())
            .collect()
    }

    /// Ends what is left, first with this signal, and after the grace with the one that cannot be
    /// refused.
    fn end_processes(&self) {
        let started = Instant::now();
        loop {
            let left = self.processes();
            if left.is_empty() || started.elapsed() > 2 * GRACE {
                return;
            }
            let signal = if started.elapsed() < GRACE { "-TERM" } else { "-KILL" };
            let ids = left.iter().map(u32::to_string);
            let _gone_meanwhile = Command::new("kill").arg(signal).args(ids).output();
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn unmount(&self) {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let dir = self.dir().to_string_lossy();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        let mut ours: Vec<&str> = points.filter(|point| point.starts_with(&*dir)).collect();
        ours.sort_by_key(|point| std::cmp::Reverse(point.len()));
        for point in ours {
            let _best_effort = Command::new("umount").args(["-l", point]).output();
        }
    }

    fn remove_groups(&self) {
        let root = Path::new("/sys/fs/cgroup");
        let controllers = fs::read_dir(root).into_iter().flatten().flatten();
        let parents = controllers.map(|one| one.path()).chain([root.to_owned()]);
        for group in parents.map(|parent| parent.join(self.name())) {
            remove_tree_of_groups(&group);
        }
    }
}

/// A control group is removed as a directory, its children first; the files in it are not real.
fn remove_tree_of_groups(group: &Path) {
    let children = fs::read_dir(group).into_iter().flatten().flatten();
    for child in children.filter(|child| child.path().is_dir()) {
        remove_tree_of_groups(&child.path());
    }
    let _not_there = fs::remove_dir(group);
}
