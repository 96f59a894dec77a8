//! A Docker Engine of our own: dockerd in a private directory, without a registry and without a
//! trace of it afterwards.
//!
//! Containers run on the network `none` unless they name one; several engines may run side by side.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::app::{signal, wait_for};
use crate::place::{GRACE, Place};

/// A Docker Engine; it and all that it started are gone when this is dropped.
pub struct Engine {
    place: Place,
    dockerd: Option<Child>,
}

impl Engine {
    /// Only a place for one: nothing listens there yet.
    pub fn prepare() -> Engine {
        Engine { place: Place::new(), dockerd: None }
    }

    /// A running engine with the image `probe` (busybox).
    pub fn start() -> Engine {
        let mut engine = Engine::prepare();
        engine.run();
        engine
    }

    /// Starts dockerd and waits until it answers; again after [`Engine::kill`].
    pub fn run(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.place.path("log"));
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
            .arg(format!("--cgroup-parent=/{}", self.place.name()))
            .arg(format!("--host=unix://{}", self.place.path("s").display()))
            .arg(format!("--data-root={}", self.place.path("data").display()))
            .arg(format!("--exec-root={}", self.place.path("exec").display()))
            .arg(format!("--pidfile={}", self.place.path("pid").display()))
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
            self.docker(&["import", &self.place.probe().to_string_lossy(), "probe"]);
        }
    }

    /// Kills dockerd alone, as the kernel does when memory runs out.
    pub fn kill(&mut self) {
        let mut dockerd = self.dockerd.take().expect("it runs");
        dockerd.kill().expect("it can be killed");
        dockerd.wait().expect("it has ended");
        // Its containerd ends with it. Where nobody reaps orphans it stays as a zombie, and the
        // next dockerd would take it for alive.
        let _not_there = fs::remove_file(self.place.path("exec/containerd/containerd.pid"));
    }

    /// Sends dockerd a signal by its name without SIG, such as `STOP`.
    pub fn signal(&self, name: &str) {
        signal(self.dockerd.as_ref().expect("it runs").id(), name);
    }

    /// What goes into `collect.docker.host`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.place.path("s").display())
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

    /// Creates containers of these names that sleep, and then starts all of them at once, by so many
    /// clients.
    pub fn start_all(&self, names: &[String], clients: usize) {
        let share = names.len().div_ceil(clients);
        let by_all = |work: &(dyn Fn(&[String]) + Sync)| {
            std::thread::scope(|scope| {
                names.chunks(share).for_each(|some| drop(scope.spawn(move || work(some))));
            });
        };
        by_all(&|some| {
            for name in some {
                let sleeper = ["--network", "none", "probe", "sleep", "9999"];
                self.docker(&[&["create", "--name", name], &sleeper[..]].concat());
            }
        });
        by_all(&|some| {
            let names = some.iter().map(String::as_str);
            self.docker(&["start"].into_iter().chain(names).collect::<Vec<_>>());
        });
    }

    /// A bridge network that no other engine has; returns its name.
    pub fn network(&self) -> &'static str {
        // Beside the host's own networks: 198.18.0.0/15 is for tests such as this.
        let number = std::process::id() % 256;
        let bridge = format!("com.docker.network.bridge.name={}", self.place.name());
        let subnet = format!("198.18.{number}.0/24");
        self.docker(&["network", "create", "-o", &bridge, "--subnet", &subnet, "probes"]);
        "probes"
    }

    /// Gives the socket to a stranger, so that one without root's powers may not open it.
    pub fn forbid(&self) {
        let socket = self.place.path("s");
        chown(&socket, Some(65534), Some(65534)).expect("the socket has another owner");
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).expect("and is his alone");
    }

    /// Takes back [`Engine::forbid`].
    pub fn permit(&self) {
        chown(self.place.path("s"), Some(0), Some(0)).expect("the socket is ours again");
    }

    /// What dockerd said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.place.path("log")).unwrap_or_default()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_CONFIG", self.place.path("cli"));
        command.args(["-H", &self.host()]).args(arguments);
        command
    }

    /// Asks the engine to remove all that it runs.
    fn remove_containers(&self) {
        let all = self.command(&["ps", "-aq"]).output();
        let all = all.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let all = all.unwrap_or_default();
        let ids = all.split_whitespace();
        let _best_effort = self.command(&["rm", "-f"]).args(ids).output();
        let _best_effort = self.command(&["network", "rm", "probes"]).output();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("dockerd's log:\n{}", self.log());
        }
        if let Some(dockerd) = &self.dockerd {
            // One that a test has stopped answers nothing.
            let _gone_already =
                Command::new("kill").args(["-CONT", &dockerd.id().to_string()]).output();
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
        self.place.leave();
        let bridge = ["link", "delete", &self.place.name()];
        let _gone_already = Command::new("ip").args(bridge).output();
    }
}
