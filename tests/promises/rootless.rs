//! Promise: a Docker Engine without root's powers is found and followed like any other, and what it
//! cannot tell is said.
//!
//! dockerd runs as the user nobody, with the network of the machine (containers have none): RootlessKit
//! gives it a user namespace, as Docker's own script does it.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{App, wait_for};
use crate::asker;

/// The user `nobody`, who is everywhere.
const NOBODY: u32 = 65534;

/// How long it has to end.
const GRACE: Duration = Duration::from_secs(15);

/// Runs it in mounts of its own, where `nobody` has ids to give away and may enter the directory.
const SCRIPT: &str = r#"
set -e
cp -a /etc "$1/etc"
echo nobody:3000000:65536 >"$1/etc/subuid"
echo nobody:3000000:65536 >"$1/etc/subgid"
mount --bind "$1/etc" /etc
mount --bind "$1" /mnt
cd /mnt
exec setpriv --reuid=65534 --regid=65534 --clear-groups env -i \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/mnt/home XDG_RUNTIME_DIR=/mnt/run \
    TEST_RUN_MARK="$TEST_RUN_MARK" \
    rootlesskit --net=host --copy-up=/etc --copy-up=/run --propagation=rslave \
    --state-dir=/mnt/run/kit sh -c '
        rm -f /run/docker /run/containerd /run/xtables.lock
        exec dockerd --rootless --bridge=none --iptables=false --ip6tables=false \
            --storage-driver=vfs --log-level=warn --shutdown-timeout=1 \
            --host=unix:///mnt/run/docker.sock --data-root=/mnt/home/data \
            --exec-root=/mnt/run/exec --pidfile=/mnt/run/pid --label="dir=$1"' sh "$1"
"#;

/// An engine of nobody's; it and all that it started are gone when this is dropped.
struct Rootless {
    dir: TempDir,
    kit: Child,
}

impl Rootless {
    fn start() -> Rootless {
        // Short, because a socket's path must be.
        let dir = tempfile::Builder::new().prefix("tpr").tempdir().expect("a directory");
        for name in ["home", "run"] {
            let path = dir.path().join(name);
            fs::create_dir(&path).expect("a directory");
            chown(&path, Some(NOBODY), Some(NOBODY)).expect("nobody's");
        }
        chown(dir.path(), Some(NOBODY), Some(NOBODY)).expect("nobody's");
        let log = fs::File::create(dir.path().join("log")).expect("a log file");
        let kit = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--", "sh", "-c", SCRIPT, "sh"])
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("unshare starts");
        let mut rootless = Rootless { dir, kit };
        wait_for("the rootless dockerd to answer", || {
            let ended = rootless.kit.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "it has ended: {}", rootless.log());
            rootless.command(&["version"]).output().ok()?.status.success().then_some(())
        });
        rootless.import_probe();
        rootless
    }

    fn run_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        let host = format!("unix://{}", self.run_dir().join("docker.sock").display());
        command.env("DOCKER_CONFIG", self.dir.path().join("cli")).args(["-H", &host]);
        command.args(arguments);
        command
    }

    #[track_caller]
    fn docker(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the docker CLI runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn import_probe(&self) {
        let root = self.dir.path().join("root");
        fs::create_dir_all(root.join("bin")).expect("a root file system");
        fs::copy("/bin/busybox", root.join("bin/busybox"))
            .expect("a static busybox: apt-get install busybox-static");
        for applet in ["sh", "sleep"] {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).expect("a link");
        }
        let archive = self.dir.path().join("probe.tar");
        let packed =
            Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(&root).arg(".").status();
        assert!(packed.expect("tar runs").success());
        self.docker(&["import", &archive.to_string_lossy(), "probe"]);
    }

    /// What names the directory, and what nobody runs below it.
    fn processes(&self) -> Vec<u32> {
        let dir = self.dir.path().to_string_lossy();
        let ours = |process: &Path| {
            let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
            let arguments = String::from_utf8_lossy(&arguments).into_owned();
            let is_nobodys = fs::metadata(process).is_ok_and(|process| process.uid() == NOBODY);
            arguments.contains(&*dir) || (is_nobodys && arguments.contains("/mnt/run/exec/"))
        };
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        all.filter(|process| ours(&process.path()))
            .filter_map(|process| process.file_name().to_string_lossy().parse().ok())
            .collect()
    }
}

impl Drop for Rootless {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the rootless dockerd's log:\n{}", self.log());
        }
        let _best_effort = self.command(&["rm", "-f", "web"]).output();
        let started = Instant::now();
        loop {
            let left = self.processes();
            if left.is_empty() || started.elapsed() > 2 * GRACE {
                break;
            }
            let signal = if started.elapsed() < GRACE { "-TERM" } else { "-KILL" };
            let ids = left.iter().map(u32::to_string);
            let _gone_meanwhile = Command::new("kill").arg(signal).args(ids).output();
            let _ended = self.kit.try_wait();
            std::thread::sleep(Duration::from_millis(100));
        }
        let _already_gone = self.kit.kill();
        let _status = self.kit.wait();
    }
}

fn container(report: &Value) -> Option<&Value> {
    report["containers"].as_array()?.iter().find(|container| container["name"] == "web")
}

#[test]
#[ignore = "needs a rootless Docker Engine, run tests/run"]
fn a_rootless_engine_is_found_and_followed_and_what_it_cannot_tell_is_said() {
    let engine = Rootless::start();
    // Where no engine of the system's hides it.
    let script = "mount -t tmpfs none /run && export XDG_RUNTIME_DIR=\"$0\" && exec \"$@\"";
    let run_dir = engine.run_dir();
    let run_dir = run_dir.to_str().expect("text");
    let app = App::start_through(
        "unshare",
        &["--mount", "--propagation", "private", "--", "sh", "-c", script, run_dir],
        "[collect.system]\nenabled = false\n[collect.tak]\nenabled = false\n[collect.docker]\n\
         interval = \"1h\"\nunwatched_interval = \"1h\"\n",
    );
    let mut stream = app.stream("?topics=docker_status");
    stream.until("the engine", |report| report["engine"]["status"] == "ok");
    let wait = "trap 'exit 3' TERM; while :; do sleep 0.05; done";
    engine.docker(&["run", "-d", "--name", "web", "--network", "none", "probe", "sh", "-c", wait]);
    stream.until("the container, although nobody asks for an hour", |report| {
        container(report).is_some_and(|web| web["running"] == true)
    });
    let socket = format!("unix://{run_dir}/docker.sock");
    fs::write(app.dir().join("config.toml"), format!("[collect.docker]\nhost = \"{socket}\"\n"))
        .expect("written");
    let said = asker::run(app.dir(), &["check"], "");
    for says in [
        &format!(
            "reached: {run_dir}/docker.sock, of an engine without root's powers (user 65534's)"
        ),
        "events: followed",
        "logs: told",
    ] {
        assert!(said.contains(says), "{said}\nshould say {says:?}");
    }
    let driver = engine.docker(&["info", "-f", "{{.CgroupDriver}}"]);
    if driver == "none" {
        // What it says of the container is the whole machine's.
        let report = stream.until("what is missing", |report| report["missing"].is_array());
        let web = container(&report).expect("it is there");
        assert!(web["memory_bytes"].is_null() && web["cpu_percent"].is_null(), "{web}");
    }
    let figures = if driver == "none" {
        "figures: unknown: this engine puts no container into a control group of its own"
    } else {
        "figures: from the kernel's files"
    };
    assert!(said.contains(figures), "{said}\nshould say {figures:?}");
    engine.docker(&["stop", "web"]);
    let report = stream
        .until("its end", |report| container(report).is_some_and(|web| web["state"] == "exited"));
    assert_eq!(container(&report).map(|web| &web["exit_code"]), Some(&json!(3)));
}
