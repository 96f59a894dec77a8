//! A Docker Engine of our own: dockerd in a private directory, without a registry and without a
//! trace of it afterwards.
//!
//! Containers run on the network `none` unless they name one; several engines may run side by side.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::app::wait_for;

/// What `busybox` is called by in the image.
const APPLETS: [&str; 8] = ["sh", "sleep", "dd", "rm", "touch", "test", "true", "cat"];

/// How long processes get to end before they are killed.
const GRACE: Duration = Duration::from_secs(15);

/// A Docker Engine; it and all that it started are gone when this is dropped.
pub struct Engine {
    dir: tempfile::TempDir,
    dockerd: Option<Child>,
}

impl Engine {
    /// Only a place for one: nothing listens there yet.
    pub fn prepare() -> Engine {
        // Short, because a socket's path has 107 bytes at the most.
        let dir = tempfile::Builder::new().prefix("tpd").tempdir();
        Engine { dir: dir.expect("a temporary directory"), dockerd: None }
    }

    /// A running engine with the image `probe` (busybox).
    pub fn start() -> Engine {
        let mut engine = Engine::prepare();
        engine.run();
        engine
    }

    /// Starts dockerd and waits until it answers; again after [`Engine::kill`].
    pub fn run(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.path("log"));
        let log = log.expect("a log file");
        // It ends with the test's process, even when that is killed.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "dockerd", "--iptables=false", "--ip6tables=false"])
            .args([
                "--bridge=none",
                "--storage-driver=vfs",
                "--shutdown-timeout=1",
                "--log-level=warn",
            ])
            .args(["--exec-opt", "native.cgroupdriver=cgroupfs"])
            .arg(format!("--cgroup-parent=/{}", self.name()))
            .arg(format!("--host=unix://{}", self.path("s").display()))
            .arg(format!("--data-root={}", self.path("data").display()))
            .arg(format!("--exec-root={}", self.path("exec").display()))
            .arg(format!("--pidfile={}", self.path("pid").display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("dockerd starts: apt-get install docker.io");
        self.dockerd = Some(child);
        wait_for("dockerd to answer", || {
            let ended = self.dockerd.as_mut()?.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "dockerd has ended: {}", self.log());
            self.command(&["version"]).output().ok()?.status.success().then_some(())
        });
        if self.docker(&["images", "-q", "probe"]).is_empty() {
            self.import_probe();
        }
    }

    /// Kills dockerd alone, as the kernel does when memory runs out.
    pub fn kill(&mut self) {
        let mut dockerd = self.dockerd.take().expect("it runs");
        dockerd.kill().expect("it can be killed");
        dockerd.wait().expect("it has ended");
        // Its containerd ends with it. Where nobody reaps orphans it stays as a zombie, and the
        // next dockerd would take it for alive.
        let _not_there = fs::remove_file(self.path("exec/containerd/containerd.pid"));
    }

    /// What goes into `collect.docker.host`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.path("s").display())
    }

    /// Runs Docker's CLI against this engine; returns what it printed.
    pub fn docker(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the docker CLI runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Starts a container of this name from `probe` with these options and this shell script.
    pub fn container(&self, name: &str, options: &[&str], script: &str) -> String {
        let mut all = vec!["run", "-d", "--name", name];
        if !options.contains(&"--network") {
            all.extend(["--network", "none"]);
        }
        all.extend(options);
        all.extend(["probe", "sh", "-c", script]);
        self.docker(&all)
    }

    /// A bridge network that no other engine has; returns its name.
    pub fn network(&self) -> &'static str {
        // Beside the host's own networks: 198.18.0.0/15 is for tests such as this.
        let number = std::process::id() % 256;
        let bridge = format!("com.docker.network.bridge.name={}", self.name());
        let subnet = format!("198.18.{number}.0/24");
        self.docker(&["network", "create", "-o", &bridge, "--subnet", &subnet, "probes"]);
        "probes"
    }

    /// Gives the socket to a stranger, so that one without root's powers may not open it.
    pub fn forbid(&self) {
        let socket = self.path("s");
        chown(&socket, Some(65534), Some(65534)).expect("the socket has another owner");
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).expect("and is his alone");
    }

    /// Takes back [`Engine::forbid`].
    pub fn permit(&self) {
        chown(self.path("s"), Some(0), Some(0)).expect("the socket is ours again");
    }

    /// What dockerd said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Unique on this machine, and short enough for a network interface.
    fn name(&self) -> String {
        let name = self.dir.path().file_name().expect("it has a name");
        name.to_string_lossy().to_lowercase()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_CONFIG", self.path("cli")).args(["-H", &self.host()]).args(arguments);
        command
    }

    fn import_probe(&self) {
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
        self.docker(&["import", &archive.to_string_lossy(), "probe"]);
    }

    /// Asks the engine to remove all that it runs.
    fn remove_containers(&self) {
        let all = self.command(&["ps", "-aq"]).output();
        let all = all.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        for id in all.unwrap_or_default().split_whitespace() {
            let _best_effort = self.command(&["rm", "-f", id]).output();
        }
        let _best_effort = self.command(&["network", "rm", "probes"]).output();
    }

    /// The processes that are ours: started with our directory, or in our control group.
    fn processes(&self) -> Vec<u32> {
        let (dir, group) = (self.dir.path().to_string_lossy(), format!("/{}", self.name()));
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
        let dir = self.dir.path().to_string_lossy();
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
        let bridge = ["link", "delete", &self.name()];
        let _gone_already = Command::new("ip").args(bridge).output();
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

impl Drop for Engine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("dockerd's log:\n{}", self.log());
        }
        self.remove_containers();
        if let Some(mut dockerd) = self.dockerd.take() {
            let _gone_already = Command::new("kill").arg(dockerd.id().to_string()).output();
            let deadline = Instant::now() + GRACE;
            while Instant::now() < deadline && matches!(dockerd.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ended_already = dockerd.kill();
            let _status = dockerd.wait();
        }
        self.end_processes();
        self.unmount();
        self.remove_groups();
    }
}
