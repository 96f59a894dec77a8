//! The collector as a whole: on this machine, on one in a directory, and when a disk hangs.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};
use tokio::time::{sleep, timeout};

use super::*;
use fixture::tree;

fn host_at(root: &Path) -> HostConfig {
    HostConfig { proc: root.join("proc"), sys: root.join("sys"), root: root.to_owned() }
}

/// A value of `/proc/meminfo` in bytes.
fn meminfo(key: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// What `df` says of the root: device, total bytes, percentage rounded up.
fn df() -> Option<(String, u64, f64)> {
    let output = Command::new("df").args(["-Pk", "/"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let fields: Vec<_> = text.lines().last()?.split_whitespace().collect();
    let [device, total, _, _, percent, ..] = fields[..] else {
        return None;
    };
    Some((
        device.to_owned(),
        total.parse::<u64>().ok()? * 1024,
        percent.strip_suffix('%')?.parse().ok()?,
    ))
}

#[tokio::test]
async fn this_machine_is_described_as_its_own_tools_describe_it() {
    let mut collector = SystemCollector::new(&host_at(Path::new("/")));
    let first = collector.collect().await.expect("a report");
    let report = collector.collect().await.expect("a report");
    println!("{}", serde_json::to_string_pretty(&report).expect("json"));

    for cpu in [&first.cpu, &report.cpu] {
        let cpu = cpu.as_ref().expect("a processor");
        assert!(cpu.percent.is_some_and(|percent| percent <= 100.0));
        assert_eq!(cpu.cores, Some(cpu.per_core_percent.len()));
    }
    let memory = report.memory.expect("memory");
    assert_eq!(Some(memory.total_bytes), meminfo("MemTotal:"));
    assert_eq!(memory.used_bytes + memory.available_bytes, memory.total_bytes);
    let (device, total, percent) = df().expect("df");
    let disks = report.disks.expect("disks");
    let roots: Vec<_> = disks.iter().filter(|disk| disk.mount == "/").collect();
    assert_eq!(roots.len(), 1, "{disks:?}");
    assert_eq!(roots[0].total_bytes, total);
    assert!((roots[0].percent - percent).abs() <= 1.5, "{percent} %");
    if device.starts_with("/dev/") && device != "/dev/root" {
        assert_eq!(roots[0].device, device);
    }
    assert_eq!(report.message, None);
}

#[tokio::test]
async fn a_box_of_which_nothing_can_be_read_still_gets_its_report() {
    let empty = tree(&[]);
    let mut collector = SystemCollector::new(&host_at(empty.path()));
    let report = collector.collect().await.expect("a report");
    assert_eq!(report.disks, None);
    assert_eq!(report.network, None);
    assert_eq!(report.temperatures, None);
    assert_eq!(report.pressure, None);
    assert_eq!(report.power, None);
    assert_eq!(report.message, None);
}

/// Leaves the collector with a reading that was given up and hangs at `mount` (or elsewhere) until
/// the sender is dropped.
async fn hang(collector: &mut SystemCollector, mount: Option<&str>) -> mpsc::Sender<()> {
    let current = collector.current.as_mut().expect("primed");
    let waiting = current.waiting.clone();
    let mount = mount.map(str::to_owned);
    let (release, released) = mpsc::channel::<()>();
    let (started, has_started) = mpsc::channel();
    let reading = current.reading.read(move || {
        let until_released = || {
            started.send(()).expect("the test waits");
            released.recv().ok();
        };
        match mount {
            Some(mount) => waiting.during(&mount, until_released),
            None => until_released(),
        }
        SystemMetrics::default()
    });
    timeout(Duration::from_millis(10), reading).await.expect_err("it hangs");
    has_started.recv().expect("the thread runs");
    release
}

/// Collects until it goes as wanted: a reading that was released ends a moment later.
async fn until(
    collector: &mut SystemCollector,
    wanted: impl Fn(&Result<SystemMetrics, CollectError>) -> bool,
) {
    let rounds = async {
        while !wanted(&collector.collect().await) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), rounds).await.expect("it goes on");
}

fn mounts(report: &SystemMetrics) -> Vec<&str> {
    let disks = report.disks.iter().flatten();
    disks.map(|disk| disk.mount.as_str()).collect()
}

#[tokio::test]
async fn a_disk_that_hangs_is_left_out_named_and_taken_back() {
    let root = tree(&[
        (
            "proc/1/mountinfo",
            "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:17 / /usb rw - vfat /dev/sdb1 rw\n",
        ),
        ("usb/file", ""),
    ]);
    let mut collector = SystemCollector::new(&host_at(root.path()));
    let before = collector.collect().await.expect("a report");
    assert_eq!(mounts(&before), ["/", "/usb"]);

    let hanging = hang(&mut collector, Some("/usb")).await;
    for _ in 0..2 {
        let meanwhile = collector.collect().await.expect("a report all the same");
        assert_eq!(mounts(&meanwhile), ["/"]);
        assert!(meanwhile.cpu.is_some());
        let message = meanwhile.message.clone().expect("a message");
        assert!(message.starts_with("the file system at /usb does not answer "), "{message}");
        assert_eq!(collector.complaint(&meanwhile), Some(message), "for the log");
    }
    drop(hanging);
    until(&mut collector, |after| {
        after
            .as_ref()
            .is_ok_and(|report| mounts(report) == ["/", "/usb"] && report.message.is_none())
    })
    .await;
}

#[tokio::test]
async fn a_reading_that_hangs_elsewhere_is_reported_and_waited_for() {
    let empty = tree(&[]);
    let mut collector = SystemCollector::new(&host_at(empty.path()));
    collector.collect().await.expect("a report");
    let hanging = hang(&mut collector, None).await;
    let why = collector.collect().await.expect_err("it still runs");
    assert!(why.0.starts_with("the previous reading of /proc and /sys still runs:"), "{why}");
    sleep(Duration::from_millis(1100)).await;
    let later = collector.collect().await.expect_err("it still runs");
    assert_eq!(later, why, "a text that grows would be logged each round");
    assert_eq!(collector.failed(&why).message, Some(why.0));
    drop(hanging);
    until(&mut collector, Result::is_ok).await;
}

#[test]
fn a_first_look_that_hangs_takes_no_threads_from_the_others() {
    let root = tree(&[("proc/net/dev", "")]);
    let fifo = root.path().join("proc/diskstats");
    mkfifoat(CWD, &fifo, Mode::from_raw_mode(0o600)).expect("a file that hangs its reader");
    let few = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .build()
        .expect("a runtime");
    let answer = few.block_on(async {
        let mut collector = SystemCollector::new(&host_at(root.path()));
        for _ in 0..3 {
            let round = timeout(Duration::from_millis(50), collector.collect());
            round.await.expect_err("it hangs");
        }
        let other = tokio::task::spawn_blocking(|| ());
        timeout(Duration::from_secs(5), other).await
    });
    // Before the assertion: a runtime that is dropped waits for its threads.
    few.shutdown_background();
    answer.expect("a thread is free").expect("no panic");
}

#[tokio::test]
async fn a_collector_whose_reading_was_dropped_can_be_used_again() {
    let empty = tree(&[]);
    let mut collector = SystemCollector::new(&host_at(empty.path()));
    for _ in 0..3 {
        let mut dropped = Box::pin(collector.collect());
        std::future::poll_fn(|context| {
            let _ = dropped.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
    }
    collector.collect().await.expect("a report");
}

/// What one reading costs; run it with `--ignored --nocapture` when something is added.
#[tokio::test]
#[ignore = "a measurement, run tests/run"]
async fn cost_of_a_reading() {
    use rustix::time::{ClockId, clock_gettime};
    let spent = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let mut sampler = Sampler::prime(host_at(Path::new("/")), Waiting::default());
    let before = spent();
    for _ in 0..200 {
        sampler.sample(&[]);
    }
    println!("{:?} of CPU time a reading", (spent() - before) / 200);
}
