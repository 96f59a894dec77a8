//! Machines of every kind, with their files: whose figures are told, and whose never.

use super::fixture::{ID, Machine, running};
use super::*;
use crate::collect::docker::stats::{Counters, Source};

/// What is said of one container.
fn read(machine: &Machine, one: Running) -> (Told, Vec<Missing>) {
    again(&mut Groups::new(machine.host()), one)
}

fn again(groups: &mut Groups, one: Running) -> (Told, Vec<Missing>) {
    let (mut told, missing) = groups.read(&[(one, true)]);
    assert_eq!(told.len(), 1);
    (told.remove(0), missing)
}

fn sample(told: Told) -> Sample {
    match told {
        Told::Sample(sample) => sample,
        other => panic!("no figures: {other:?}"),
    }
}

/// What [`Machine::group1`] and [`Machine::group2`] say with this number, and [`Machine::process`]
/// with that.
fn expected(n: u64, network: Option<u64>) -> Sample {
    Sample {
        at: Instant::now(),
        source: Source::Kernel,
        counters: Counters {
            cpu_nanoseconds: Some(n * 1_000_000),
            rx_bytes: network,
            tx_bytes: network.map(|bytes| 2 * bytes),
            read_bytes: Some(n),
            write_bytes: Some(2 * n),
        },
        memory_bytes: Some(n * 1024),
        pids: Some(n),
    }
}

#[track_caller]
fn check(told: Told, n: u64, network: Option<u64>) {
    let sample = sample(told);
    assert_eq!(sample, Sample { at: sample.at, ..expected(n, network) });
}

fn messages(missing: &[Missing]) -> Vec<(&str, &str)> {
    missing.iter().map(|one| (one.figure, one.message.as_str())).collect()
}

#[test]
fn figures_are_those_of_the_containers_own_group_wherever_that_is() {
    let user = "/user.slice/user-1000.slice/user@1000.service";
    for (group, process) in [
        // The cgroupfs driver, the systemd driver, Podman, rootless, a parent of somebody's choice.
        (format!("/docker/{ID}"), String::new()),
        (format!("/system.slice/docker-{ID}.scope"), String::new()),
        (format!("/machine.slice/libpod-{ID}.scope"), "/container".into()),
        (format!("{user}/user.slice/docker-{ID}.scope"), String::new()),
        (format!("{user}/user.slice/libpod-{ID}.scope"), "/container".into()),
        (format!("/tak.slice/tak-db.slice/docker-{ID}.scope"), String::new()),
        // In a container in a container, whose first process has gone further down.
        (format!("/docker/{}/docker/{ID}", ID.replace('3', "4")), "/init/deeper".into()),
    ] {
        let inside = format!("{group}{process}");
        let v2 = Machine::v2();
        v2.group2(&group, 5);
        // Neither what is above it nor what is below it.
        v2.group2("", 900);
        v2.group2(&format!("{group}/init"), 1);
        v2.process(&inside, 70);
        let (told, missing) = read(&v2, running());
        check(told, 5, Some(70));
        assert_eq!(missing, []);
        let v1 = Machine::v1();
        v1.group1(&group, 6);
        v1.group1("", 900);
        v1.process(&inside, 80);
        let (told, missing) = read(&v1, running());
        check(told, 6, Some(80));
        assert_eq!(missing, []);
    }
}

#[test]
fn where_both_versions_are_mounted_a_controller_is_in_one_of_them() {
    let machine = Machine::new(&[
        ("/", "cpu,cpuacct", "cpu,cpuacct"),
        ("/", "memory", "memory"),
        ("/", "unified", ""),
        ("/", "blkio", "blkio"),
        ("/", "pids", "pids"),
    ]);
    let group = format!("/docker/{ID}");
    machine.group1(&group, 5);
    // v2 is there for systemd alone, without controllers.
    machine.write("sys/fs/cgroup/unified/cgroup.controllers", "\n");
    machine.write(&format!("sys/fs/cgroup/unified{group}/cpu.stat"), "usage_usec 999\n");
    machine.process(&group, 70);
    let (told, missing) = read(&machine, running());
    check(told, 5, Some(70));
    assert_eq!(missing, []);
}

#[test]
fn a_process_of_somebody_else_never_gives_figures() {
    let group = format!("/docker/{ID}");
    for elsewhere in [
        // Of another container, by a number that was used again; a remote engine's number.
        &*format!("/docker/{}", ID.replace('3', "4")),
        "/system.slice/cron.service",
        // A rootless engine on v1 has no groups of its own.
        "/user.slice/user-1000.slice/session-3.scope",
        "/",
    ] {
        let machine = Machine::v1();
        machine.group1(elsewhere, 900);
        machine.process(elsewhere, 900);
        assert_eq!(read(&machine, running()), (Told::Nothing, vec![]), "{elsewhere}");
        // The container itself is here all the same: its group is found, its network is not.
        machine.group1(&group, 5);
        check(read(&machine, running()).0, 5, None);
    }
    // What is no full id would be found in any path.
    let machine = Machine::v2();
    machine.group2("/docker/a", 900);
    machine.process("/docker/a", 900);
    for id in ["a", "", "docker", "../../../docker/a"] {
        let one = Running { id: id.into(), ..running() };
        assert_eq!(read(&machine, one).0, Told::Nothing, "{id:?}");
    }
}

#[test]
fn a_container_whose_process_cannot_be_seen_is_found_by_its_id() {
    for group in [
        format!("/docker/{ID}"),
        format!("/{ID}"),
        format!("/system.slice/docker-{ID}.scope"),
        format!("/machine.slice/libpod-{ID}.scope"),
        format!("/libpod_parent/libpod-{ID}"),
        format!("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope"),
    ] {
        let machine = Machine::v2();
        machine.group2(&group, 5);
        let (told, missing) = read(&machine, running());
        check(told, 5, None);
        let [("network", message)] = messages(&missing)[..] else { panic!("{missing:?}") };
        assert!(message.contains("--pid=host"), "{message}");
        // One that has no network of its own misses none.
        let hosts = Running { has_own_network: false, pid: None, ..running() };
        assert_eq!(read(&machine, hosts).1, []);
    }
}

#[test]
fn a_takpulse_in_a_container_reads_what_certainly_is_the_same_group() {
    let machine = Machine::new(&[("/../..", "", "")]);
    machine.group2(&format!("/system.slice/docker-{ID}.scope"), 5);
    machine.process(&format!("/../../system.slice/docker-{ID}.scope"), 70);
    check(read(&machine, running()).0, 5, Some(70));
    // A neighbour, below a name that is not told: by its id. Its process is seen all the same.
    machine.process(&format!("/../docker-{ID}.scope"), 80);
    check(read(&machine, running()).0, 5, Some(80));
    // Only its own group is to be seen.
    let machine = Machine::new(&[("/", "", "")]);
    machine.group2("", 900);
    machine.process(&format!("/../{ID}"), 80);
    assert_eq!(read(&machine, running()).0, Told::Nothing);
}

#[test]
fn only_a_container_with_a_network_of_its_own_has_traffic() {
    let machine = Machine::v2();
    let group = format!("/docker/{ID}");
    machine.group2(&group, 5);
    machine.process(&group, 70);
    let hosts = Running { has_own_network: false, ..running() };
    check(read(&machine, hosts).0, 5, None);
    machine.write("proc/7/net/dev", "Inter-|\n face |\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n");
    let (told, missing) = read(&machine, running());
    check(told, 5, None);
    assert_eq!(missing, [], "that there is no network is no fault");
}

#[test]
fn memory_that_the_kernel_does_not_count_is_absent_and_the_way_out_is_told() {
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str);
    let off = "memory\t0\t120\t0\n";
    let cases: [Case; 5] = [
        // Raspberry Pi OS: its firmware adds cgroup_disable=memory before its cmdline.txt.
        (
            &[
                ("boot/firmware/cmdline.txt", "quiet"),
                ("proc/cmdline", "cgroup_disable=memory quiet"),
            ],
            "The containers' memory is not known: the kernel's memory controller is switched off; add \
             `cgroup_enable=memory` to the one line of /boot/firmware/cmdline.txt and reboot.",
        ),
        (
            &[("boot/cmdline.txt", "quiet")],
            "The containers' memory is not known: the kernel's memory controller is switched off; add \
             `cgroup_enable=memory` to the one line of /boot/cmdline.txt and reboot.",
        ),
        (
            &[("proc/cmdline", "root=/dev/sda1 cgroup_disable=pids,memory quiet\n")],
            "The containers' memory is not known: the kernel is started with \
             `cgroup_disable=pids,memory`; take that out of the boot loader's settings and reboot.",
        ),
        (
            &[("proc/cmdline", "quiet")],
            "The containers' memory is not known: this machine's kernel has no memory controller, or \
             does not show it.",
        ),
        (
            // It is there, but not for them.
            &[("sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n")],
            "The containers' memory is not known: the memory controller is not switched on for their \
             groups.",
        ),
    ];
    let group = format!("/system.slice/docker-{ID}.scope");
    for (files, message) in cases {
        let machine = Machine::new(&[("/", "", "")]);
        machine.write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n");
        machine.write("proc/cgroups", format!("#subsys_name\nblkio\t0\t1\t1\n{off}"));
        machine.group2(&group, 5);
        machine.remove(&format!("sys/fs/cgroup{group}/memory.current"));
        machine.remove(&format!("sys/fs/cgroup{group}/memory.stat"));
        machine.process(&group, 70);
        files.iter().for_each(|(path, content)| machine.write(path, content));
        let (told, missing) = read(&machine, running());
        let sample = sample(told);
        let all_else = Sample { at: sample.at, memory_bytes: None, ..expected(5, Some(70)) };
        assert_eq!(sample, all_else);
        assert_eq!(messages(&missing), [("memory", message)]);
    }
}

#[test]
fn a_raspberry_pi_with_v1_lacks_memory_too() {
    let machine = Machine::new(&[
        ("/", "cpu,cpuacct", "cpu,cpuacct"),
        ("/", "blkio", "blkio"),
        ("/", "pids", "pids"),
    ]);
    let group = format!("/docker/{ID}");
    machine.group1(&group, 5);
    machine.process(&group, 70);
    machine.write("boot/cmdline.txt", "console=tty1");
    machine.write("proc/cgroups", "memory\t0\t120\t0\n");
    let (told, missing) = read(&machine, running());
    assert_eq!(sample(told).memory_bytes, None);
    assert!(messages(&missing)[0].1.contains("/boot/cmdline.txt"), "{missing:?}");
}

#[test]
fn controllers_that_a_users_engine_was_not_given_are_told_with_the_way_out() {
    let machine = Machine::v2();
    let group =
        format!("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope");
    machine.group2(&group, 5);
    machine.remove(&format!("sys/fs/cgroup{group}/io.stat"));
    machine.process(&group, 70);
    let (told, missing) = read(&machine, running());
    assert_eq!(sample(told).counters.read_bytes, None);
    let [("block", message)] = messages(&missing)[..] else { panic!("{missing:?}") };
    assert!(message.contains("Delegate=cpu cpuset io memory pids"), "{message}");
}

#[test]
fn what_one_container_lacks_is_missing_only_when_no_other_has_it() {
    let machine = Machine::v2();
    let (lacks, has) = (format!("/docker/{ID}"), ID.replace('3', "4"));
    machine.group2(&lacks, 5);
    machine.remove(&format!("sys/fs/cgroup{lacks}/io.stat"));
    machine.process(&lacks, 70);
    let mut groups = Groups::new(machine.host());
    let other = || Running { id: has.clone(), pid: None, ..running() };
    assert_eq!(messages(&groups.read(&[(running(), true)]).1)[0].0, "block");
    machine.group2(&format!("/docker/{has}"), 6);
    assert_eq!(groups.read(&[(running(), true), (other(), true)]).1, []);
    // Also while only the other one is read, and no longer when it has gone.
    assert_eq!(groups.read(&[(running(), true), (other(), false)]).1, []);
    assert_eq!(messages(&groups.read(&[(running(), true)]).1)[0].0, "block");
    assert_eq!(groups.read(&[]).1, []);
}

#[test]
fn a_group_is_found_once_for_a_run_and_its_files_stay_open() {
    let machine = Machine::v2();
    let group = format!("/docker/{ID}");
    machine.group2(&group, 5);
    machine.process(&group, 70);
    let mut groups = Groups::new(machine.host());
    check(again(&mut groups, running()).0, 5, Some(70));
    assert_eq!(groups.held(), 6);
    // Nothing is looked for again: neither what is mounted nor whose process it is.
    machine.remove("proc/self/mountinfo");
    machine.remove("proc/7/cgroup");
    machine.group2(&group, 6);
    check(again(&mut groups, running()).0, 6, Some(70));
    // Another run is another matter.
    let anew = || Running { started_at: Some(2.0), ..running() };
    assert_eq!(again(&mut groups, anew()).0, Told::Nothing);
    assert_eq!(groups.held(), 0);
    machine.write(
        "proc/self/mountinfo",
        format!("1 1 0:1 / {} - cgroup2 x x", machine.path("sys/fs/cgroup").display()),
    );
    machine.process(&group, 80);
    let later = Running { started_at: Some(3.0), ..running() };
    check(again(&mut groups, later).0, 6, Some(80));
    // It has ended, and the next reading is told so by the list.
    groups.read(&[]);
    assert_eq!(groups.held(), 0);
}

/// Nothing that has not run can have taken memory, and to read it costs most.
#[tokio::test(start_paused = true)]
async fn a_group_in_which_nothing_ran_is_taken_for_what_it_was_but_not_for_ever() {
    let group = format!("/docker/{ID}");
    let v2 = Machine::v2();
    v2.group2(&group, 5);
    v2.process(&group, 70);
    let mut groups = Groups::new(v2.host());
    check(again(&mut groups, running()).0, 5, Some(70));
    // The kernel took memory back; what came over the network needs no process of the container's.
    v2.group2(&group, 3);
    v2.write(&format!("sys/fs/cgroup{group}/cpu.stat"), "usage_usec 5000\n");
    v2.process(&group, 90);
    tokio::time::advance(Duration::from_secs(29)).await;
    let still = sample(again(&mut groups, running()).0);
    assert_eq!((still.memory_bytes, still.pids), (Some(5 * 1024), Some(5)));
    assert_eq!((still.counters.rx_bytes, still.counters.read_bytes), (Some(90), Some(3)));
    tokio::time::advance(Duration::from_secs(1)).await;
    let later = sample(again(&mut groups, running()).0);
    assert_eq!((later.memory_bytes, later.pids), (Some(3 * 1024), Some(3)));
    // It ran.
    v2.group2(&group, 8);
    check(again(&mut groups, running()).0, 8, Some(90));
}

#[test]
fn where_no_more_files_may_stay_open_they_are_opened_each_time() {
    let machine = Machine::v2();
    let ids: Vec<String> = ["4", "5", "6"].map(|digit| ID.replace('3', digit)).into();
    for id in &ids {
        machine.group2(&format!("/docker/{id}"), 5);
    }
    let mut groups = Groups::new(machine.host());
    groups.most_held = 11;
    let one = |id: &String| (Running { id: id.clone(), pid: None, ..running() }, true);
    let running: Vec<_> = ids.iter().map(one).collect();
    for n in [5, 6] {
        ids.iter().for_each(|id| machine.group2(&format!("/docker/{id}"), n));
        for told in groups.read(&running).0 {
            check(told, n, None);
        }
        assert_eq!(groups.held(), 10);
    }
    // Room is used again.
    for told in groups.read(&running[1..]).0 {
        check(told, 6, None);
    }
    assert_eq!(groups.held(), 10);
}

#[test]
fn files_that_may_not_be_opened_leave_the_container_to_the_engine() {
    let machine = Machine::v2();
    let group = format!("/docker/{ID}");
    machine.group2(&group, 5);
    machine.process(&group, 70);
    machine.remove(&format!("sys/fs/cgroup{group}/memory.current"));
    let itself = machine.path(&format!("sys/fs/cgroup{group}/memory.current"));
    std::os::unix::fs::symlink(&itself, &itself).expect("a link to itself");
    assert_eq!(read(&machine, running()), (Told::Nothing, vec![]));
}

#[test]
fn nonsense_in_files_is_not_known_and_nothing_worse() {
    let seed = 6;
    let mut random = fastrand::Rng::with_seed(seed);
    let group = format!("/docker/{ID}");
    let files = ["cpu.stat", "memory.current", "memory.stat", "pids.current", "io.stat"];
    let machine = Machine::v2();
    machine.group2(&group, 5);
    machine.process(&group, 70);
    let mut groups = Groups::new(machine.host());
    for _ in 0..2000 {
        let path = match random.usize(0..7) {
            5 => "proc/7/net/dev".to_owned(),
            6 => "proc/cgroups".to_owned(),
            file => format!("sys/fs/cgroup{group}/{}", files[file]),
        };
        machine.write(&path, nonsense(&mut random));
        assert!(matches!(again(&mut groups, running()).0, Told::Sample(_)), "seed {seed}");
    }
    // What cannot be read at all is not known, either.
    files.iter().for_each(|file| {
        machine.write(&format!("sys/fs/cgroup{group}/{file}"), vec![b'1'; 70_000]);
    });
    machine.write("proc/7/net/dev", vec![b':'; 70_000]);
    let sample = sample(again(&mut groups, running()).0);
    assert_eq!(sample.counters, Counters::default());
    assert_eq!((sample.memory_bytes, sample.pids), (None, None));
}

#[test]
fn nonsense_about_where_groups_are_finds_nothing_and_nothing_worse() {
    let seed = 7;
    let mut random = fastrand::Rng::with_seed(seed);
    let machine = Machine::v1();
    machine.group1(&format!("/docker/{ID}"), 5);
    let mountinfo = fs::read(machine.path("proc/self/mountinfo")).expect("text");
    for _ in 0..1000 {
        machine.process(&format!("/docker/{ID}"), 70);
        let cgroup = fs::read(machine.path("proc/7/cgroup")).expect("text");
        machine.write("proc/self/mountinfo", damaged(&mountinfo, &mut random));
        machine.write("proc/7/cgroup", damaged(&cgroup, &mut random));
        if let Told::Sample(sample) = read(&machine, running()).0 {
            let cpu = sample.counters.cpu_nanoseconds;
            assert!(cpu.is_none_or(|cpu| cpu == 5_000_000), "seed {seed}: {cpu:?}");
        }
    }
}

/// Numbers, names, separators and bytes of the files, in any order.
fn nonsense(random: &mut fastrand::Rng) -> Vec<u8> {
    const PARTS: [&[u8]; 14] = [
        b"usage_usec ",
        b"inactive_file ",
        b"18446744073709551615",
        b"18446744073709551616",
        b"-1",
        b"0",
        b"7",
        b"8:0",
        b" rbytes=",
        b" wbytes=",
        b"eth0:",
        b"\n",
        b" ",
        b"\xff\0",
    ];
    let length = random.usize(0..40);
    (0..length).flat_map(|_| PARTS[random.usize(0..PARTS.len())]).copied().collect()
}

/// The text with a few bytes changed, left out or repeated.
fn damaged(text: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut text = text.to_owned();
    for _ in 0..random.usize(0..4) {
        let at = random.usize(0..text.len());
        match random.usize(0..3) {
            0 => text[at] = random.u8(..),
            1 => drop(text.remove(at)),
            _ => text.insert(at, text[at]),
        }
    }
    text
}
