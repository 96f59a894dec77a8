//! A Podman of our own: its service in a private directory, without a registry, without systemd, and
//! without a trace of it afterwards.
//!
//! Containers run on the network `none`. Podman leaves health checks to systemd's timers: here they are
//! run by hand.

use std::fs;
use std::process::{Child, Command, Stdio};

use crate::app::wait_for;
use crate::place::Place;

/// A Podman service; it and all that it started are gone when this is dropped.
pub struct Podman {
    place: Place,
    service: Option<Child>,
}

impl Podman {
    /// A running service with the image `probe` (busybox).
    pub fn start() -> Podman {
        let mut podman = Podman { place: Place::new(), service: None };
        // A machine may not let us raise the limits that Podman gives each container.
        let settings = "[containers]\ndefault_ulimits = []\n";
        fs::write(podman.place.path("conf"), settings).expect("settings");
        podman.run();
        podman.podman(&["import", &podman.place.probe().to_string_lossy(), "probe"]);
        podman
    }

    /// Starts the service and waits until it answers; again after [`Podman::stop`].
    pub fn run(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.place.path("log"));
        let log = log.expect("a log file");
        // It ends with the test's process, even when that is killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "podman"]);
        let child = self
            .settled(&mut command)
            .args(["system", "service", "--time=0", &self.host()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("podman starts: apt-get install podman");
        self.service = Some(child);
        wait_for("podman to answer", || {
            let ended = self.service.as_mut()?.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "podman has ended: {}", self.log());
            let mut remote = Command::new("podman");
            remote.args(["--remote", "--url", &self.host(), "version"]);
            remote.output().ok()?.status.success().then_some(())
        });
    }

    /// Ends the service; its containers go on.
    pub fn stop(&mut self) {
        let mut service = self.service.take().expect("it runs");
        let _gone_already = service.kill();
        let _status = service.wait();
        let _not_there = fs::remove_file(self.place.path("s"));
    }

    /// What goes into `collect.docker.host`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.place.path("s").display())
    }

    /// Runs Podman's CLI in this place; returns what it printed.
    pub fn podman(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the podman CLI runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "podman {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Starts a container of this name from `probe` with these options and this shell script.
    pub fn container(&self, name: &str, options: &[&str], script: &str) -> String {
        let parent = format!("/{}", self.place.name());
        let fixed = ["run", "-d", "--network", "none", "--cgroup-parent", &parent, "--name", name];
        self.podman(&[&fixed[..], options, &["probe", "sh", "-c", script]].concat())
    }

    /// Has the container's health checked once.
    pub fn check(&self, name: &str) {
        // It fails when the container is sick.
        let _sick = self.command(&["healthcheck", "run", name]).output().expect("it runs");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("podman");
        self.settled(&mut command).args(arguments);
        command
    }

    /// Everything here, and nothing of systemd's.
    fn settled<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let at = |name: &str| self.place.path(name).display().to_string();
        command
            .env("CONTAINERS_CONF", at("conf"))
            .args(["--cgroup-manager=cgroupfs", "--events-backend=file", "--storage-driver=vfs"])
            .args(["--root", &at("root-of-all"), "--runroot", &at("run"), "--tmpdir", &at("tmp")])
    }

    fn log(&self) -> String {
        fs::read_to_string(self.place.path("log")).unwrap_or_default()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("podman's log:\n{}", self.log());
        }
        let _best_effort = self.command(&["rm", "-fa", "-t", "0"]).output();
        if self.service.is_some() {
            self.stop();
        }
        self.place.leave();
    }
}
