use std::os::unix::fs::symlink;

use super::*;

const LISTENS: &str = "0: 0100007F:6DB7 00000000:0000 0A 0 0 0 0 0 81\n";

/// A machine's files, made up.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Machine {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("proc")).expect("proc");
        Machine(dir)
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(path, text).expect("a file");
    }

    fn read(&self) -> Presence {
        Presence::read(
            &HostConfig {
                proc: self.0.path().join("proc"),
                sys: self.0.path().join("sys"),
                root: self.0.path().into(),
            },
            &Presence::default(),
        )
    }
}

#[test]
fn a_taky_is_found_with_its_port_and_without_its_workers() {
    let machine = Machine::new();
    machine.file("proc/7/cmdline", "python3\0/v/bin/taky\0");
    let stat = "7 (taky (x) y) T 1 7 7 0 -1 4194560 9 0 0 0 5 1 0 0 20 0 1 0 12345 9 9";
    machine.file("proc/7/stat", stat);
    machine.file("proc/7/cgroup", "0::/system.slice/taky-cot.service\n");
    machine.file("proc/7/net/tcp", LISTENS);
    fs::create_dir(machine.0.path().join("proc/7/fd")).expect("fd");
    symlink("socket:[81]", machine.0.path().join("proc/7/fd/4")).expect("a link");
    machine.file("proc/8/cmdline", "/v/bin/taky_dps\0");
    machine.file("proc/8/stat", "8 (taky_dps) S 1 8");
    machine.file("proc/9/cmdline", "/v/bin/taky_dps\0");
    machine.file("proc/9/stat", "9 (taky_dps) S 8 8");
    machine.file("proc/10/cmdline", "bash\0");
    machine.file("proc/uptime", "3725.50 1");
    machine.file("proc/stat", "cpu 1\nbtime 1700000000\n");

    let presence = machine.read();
    assert_eq!(presence.uptime, Some(Duration::from_millis(3_725_500)));
    let found = presence.processes;
    assert_eq!(found.iter().map(|p| p.pid).collect::<Vec<_>>(), [7, 8]);
    assert!(found[0].suspended && !found[1].suspended);
    assert_eq!(found[0].placement.unit.as_deref(), Some("taky-cot.service"));
    let at = "127.0.0.1:28087".parse().expect("an address");
    assert_eq!(found[0].listeners, Some(vec![Listener { at, inside: 28087, own: true }]));
    assert_eq!((found[0].started, found[1].started), (Some(1_700_000_123.45), None));
    assert_eq!(found[1].listeners, None, "no fd directory: not permitted");
}

#[test]
fn ports_are_listed_seldom_while_the_processes_stay_the_same() {
    let machine = Machine::new();
    machine.file("proc/7/cmdline", "taky\0");
    machine.file("proc/7/net/tcp", LISTENS);
    fs::create_dir(machine.0.path().join("proc/7/fd")).expect("fd");
    symlink("socket:[81]", machine.0.path().join("proc/7/fd/4")).expect("a link");
    let proc = machine.0.path().join("proc");
    let start = Instant::now();
    let mut last = Presence::default();
    let mut listed = Vec::new();
    // A round each 20 s; another process joins before the last.
    for round in 0..9 {
        if round == 8 {
            machine.file("proc/8/cmdline", "taky_dps\0");
        }
        let mut now = Presence { processes: processes(&proc).0, ..Presence::default() };
        now.list_ports(&proc, &[], &last, start + Duration::from_secs(20 * round));
        listed.push(now.ports.is_some_and(|ports| Some(ports.at) != last.ports.map(|p| p.at)));
        assert_eq!(now.processes[0].listeners.as_ref().map(Vec::len), Some(1));
        last = now;
    }
    assert_eq!(listed, [true, true, true, true, false, false, true, false, true]);
}

#[test]
fn units_and_the_directory_tell_that_a_server_is_installed() {
    let machine = Machine::new();
    assert_eq!(machine.read().installed_flavor(), None);
    machine.file("etc/systemd/system/takserver-api.service", "");
    machine.file("etc/systemd/system/takpulse.service", "");
    assert_eq!(machine.read().units, ["takserver-api.service"]);
    assert_eq!(machine.read().installed_flavor(), Some(Flavor::TakServer));
    machine.file("etc/init.d/takserver", "");
    machine.file("opt/tak/CoreConfig.xml", "");
    assert_eq!(machine.read().units, ["takserver.service", "takserver-api.service"]);
}

#[test]
fn what_cannot_be_started_as_a_server_does_not_count_as_one() {
    let machine = Machine::new();
    for left_over in [
        "etc/init.d/takserver",
        "run/systemd/generator.late/takserver.service",
        "etc/systemd/system/takserver-backup.timer",
        "etc/systemd/system/takserver-backup.service",
        "etc/systemd/system/taky-backup.service",
        "etc/systemd/system/taky.socket",
        "etc/systemd/system/takserver",
        "lib/systemd/system/opentakserver.service",
    ] {
        machine.file(left_over, "");
    }
    let mask = machine.0.path().join("etc/systemd/system/opentakserver.service");
    symlink("/dev/null", mask).expect("a masked unit");
    assert_eq!(machine.read().units, Vec::<String>::new());
    assert_eq!(machine.read().installed_flavor(), None);
}

#[test]
fn the_unit_that_starts_all_parts_of_a_taky_site_comes_first() {
    let machine = Machine::new();
    for name in ["taky-edge-cot", "taky-edge-dps", "taky-edge", "taky-backup"] {
        machine.file(&format!("etc/systemd/system/{name}.service"), "");
    }
    let units = machine.read().units;
    assert_eq!(units, ["taky-edge.service", "taky-edge-cot.service", "taky-edge-dps.service"]);
    assert_eq!(machine.read().installed_flavor(), Some(Flavor::Taky));
}

#[test]
fn a_directory_alone_tells_it_too() {
    let machine = Machine::new();
    machine.file("opt/tak/CoreConfig.xml", "");
    assert_eq!(machine.read().installed_flavor(), Some(Flavor::TakServer));
}

#[test]
fn a_stat_is_read_whatever_the_process_is_called() {
    let cases = [
        ("7 (a) R 1 7", Some(('R', 1))),
        ("7 (a) b) T 12 7", Some(('T', 12))),
        ("7 (a) T", None),
        ("7 (a", None),
        ("", None),
    ];
    for (stat, want) in cases {
        assert_eq!(state_and_parent(stat), want, "{stat}");
    }
}
