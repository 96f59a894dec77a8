//! A machine that isn't here: its `/proc`, `/sys` and root in a directory.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::super::readings::Running;
use crate::config::HostConfig;

/// A container's id.
pub const ID: &str = "3f2a9c1b7d5e3f2a9c1b7d5e3f2a9c1b7d5e3f2a9c1b7d5e3f2a9c1b7d5e0123";

/// Its files.
pub struct Machine {
    dir: TempDir,
}

impl Machine {
    /// With these hierarchies: the group that is seen, below which directory of `/sys/fs/cgroup`,
    /// and v1's controllers (none: v2).
    pub fn new(mounts: &[(&str, &str, &str)]) -> Machine {
        let machine = Machine { dir: tempfile::tempdir().expect("a temporary directory") };
        let line = |(root, below, controllers): &(&str, &str, &str)| {
            let point = machine.path("sys/fs/cgroup").join(below);
            let kind = if controllers.is_empty() { "cgroup2" } else { "cgroup" };
            format!("1 1 0:1 {root} {} rw - {kind} {kind} rw,{controllers}\n", point.display())
        };
        machine.write("proc/self/mountinfo", mounts.iter().map(line).collect::<String>());
        machine
    }

    /// One with cgroup v2 and all controllers.
    pub fn v2() -> Machine {
        let machine = Machine::new(&[("/", "", "")]);
        machine.write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
        machine
    }

    /// One with cgroup v1, as Debian 10 mounts it.
    pub fn v1() -> Machine {
        Machine::new(&[
            ("/", "cpu,cpuacct", "cpu,cpuacct"),
            ("/", "memory", "memory"),
            ("/", "blkio", "blkio"),
            ("/", "pids", "pids"),
        ])
    }

    /// Writes a file, by its path from the machine's root without the slash.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("inside the root")).expect("created");
        fs::write(&path, content).expect("written");
    }

    /// Removes a file or a directory with all that is in it.
    pub fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
            .expect("removed");
    }

    /// A path as this process sees it.
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// What the configuration says of it.
    pub fn host(&self) -> HostConfig {
        let at = |name: &str| self.path(name);
        HostConfig { proc: at("proc"), sys: at("sys"), root: self.dir.path().to_owned() }
    }

    /// Process 7 is in this group of every hierarchy, and has sent and received this much.
    pub fn process(&self, group: &str, bytes: u64) {
        let lines: String =
            ["9:name=systemd", "8:pids", "7:blkio", "4:memory", "2:cpu,cpuacct", "0:"]
                .map(|hierarchy| format!("{hierarchy}:{group}\n"))
                .concat();
        self.write("proc/7/cgroup", lines);
        let net = format!(
            "Inter-|   Receive\n face |bytes\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n  \
             eth0: {bytes} 1 0 0 0 0 0 0 {} 1 0 0 0 0 0 0\n",
            2 * bytes
        );
        self.write("proc/7/net/dev", net);
    }

    /// A group's files in v2: `n` ms of processor time, `n` KiB of memory and as much cache, `n`
    /// processes, `n` bytes read and twice that written.
    pub fn group2(&self, group: &str, n: u64) {
        let write = |name: &str, content: String| {
            self.write(&format!("sys/fs/cgroup{group}/{name}"), content);
        };
        write("cpu.stat", format!("usage_usec {}\nuser_usec 1\n", n * 1000));
        write("memory.current", format!("{}\n", n * 2048));
        write("memory.stat", format!("anon 1\nfile 2\ninactive_file {}\n", n * 1024));
        write("pids.current", format!("{n}\n"));
        write("io.stat", format!("8:0 rbytes={n} wbytes={} rios=1\n", 2 * n));
    }

    /// The same in v1, as [`Machine::v1`] has it mounted.
    pub fn group1(&self, group: &str, n: u64) {
        let write = |controller: &str, name: &str, content: String| {
            self.write(&format!("sys/fs/cgroup/{controller}{group}/{name}"), content);
        };
        write("cpu,cpuacct", "cpuacct.usage", format!("{}\n", n * 1_000_000));
        write("memory", "memory.usage_in_bytes", format!("{}\n", n * 2048));
        let cache = n * 1024;
        write("memory", "memory.stat", format!("inactive_file 1\ntotal_inactive_file {cache}\n"));
        write("pids", "pids.current", format!("{n}\n"));
        let block = format!("8:0 Read {n}\n8:0 Write {}\nTotal {}\n", 2 * n, 3 * n);
        write("blkio", "blkio.throttle.io_service_bytes_recursive", block);
    }
}

/// The container of [`ID`], whose first process is number 7, with a network of its own.
pub fn running() -> Running {
    Running {
        id: ID.to_owned(),
        pid: Some(7),
        started_at: Some(1.0),
        memory_limit_bytes: None,
        has_own_network: true,
    }
}
