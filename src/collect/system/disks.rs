//! The disks: how full, how busy.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::diskstats::{self, DeviceNumber, Traffic};
use super::mounts::{self, Mount};
use super::rates::Rates;
use super::report::{Disk, percent};
use super::waiting::Waiting;
use crate::config::HostConfig;

/// Reads the disks and remembers their counters for the rates.
#[derive(Debug)]
pub(super) struct Disks {
    /// Bytes read and written.
    rates: Rates<DeviceNumber, 2>,
}

/// How full a file system is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Space {
    total_bytes: u64,
    available_bytes: u64,
    percent: f64,
}

/// What the devices did: their counters by number, and since the previous reading.
struct Devices {
    traffic: HashMap<DeviceNumber, Traffic>,
    per_s: HashMap<DeviceNumber, [u64; 2]>,
}

impl Disks {
    pub(super) fn new() -> Disks {
        Disks { rates: Rates::new() }
    }

    /// Takes the counters, so that the next reading has rates.
    pub(super) fn prime(&mut self, proc: &Path) {
        self.devices(proc);
    }

    /// Reads the host's disks, all but those at the mounts to `avoid`.
    pub(super) fn read(
        &mut self,
        host: &HostConfig,
        waiting: &Waiting,
        avoid: &[String],
    ) -> Option<Vec<Disk>> {
        let devices = self.devices(&host.proc);
        let mut spaces = Vec::new();
        for mount in mounts::choose(read_mounts(host)?) {
            if avoid.contains(&mount.point) {
                continue;
            }
            let path = mounts::reachable(&host.root, &mount.point);
            if let Some(space) = waiting.during(&mount.point, || space(&path)) {
                spaces.push((mount, space));
            }
        }
        let disks = name_the_disk_behind_an_overlay(spaces)
            .into_iter()
            .map(|(mount, space)| describe(mount, space, &devices, &host.root))
            .collect();
        Some(disks)
    }

    fn devices(&mut self, proc: &Path) -> Devices {
        let text = fs::read_to_string(proc.join("diskstats")).unwrap_or_default();
        let now = Instant::now();
        let traffic = diskstats::parse(&text);
        let counters = traffic.iter().map(|(number, device)| (*number, device.bytes)).collect();
        Devices { per_s: self.rates.advance(now, counters), traffic }
    }
}

/// Reads the host's mounts: those of its first process, or else takpulse's own. An ordinary user
/// may not read the former, and outside of containers the latter are the same.
fn read_mounts(host: &HostConfig) -> Option<Vec<Mount>> {
    let text = ["1/mountinfo", "self/mountinfo"]
        .into_iter()
        .find_map(|file| fs::read(host.proc.join(file)).ok())?;
    let mounts = mounts::parse(&String::from_utf8_lossy(&text));
    Some(mounts::as_the_host_sees_them(mounts, &host.root))
}

/// Asks the file system; absent when it cannot be reached, or has no size.
fn space(path: &PathBuf) -> Option<Space> {
    let stat = rustix::fs::statvfs(path).ok()?;
    let blocks = stat.f_blocks;
    measure(stat.f_frsize, blocks, stat.f_bfree, stat.f_bavail)
}

/// The percentage is `df`'s: what root keeps for itself counts neither as used nor as available.
fn measure(block_bytes: u64, blocks: u64, free: u64, available: u64) -> Option<Space> {
    let used = blocks.saturating_sub(free);
    Some(Space {
        total_bytes: Some(blocks.saturating_mul(block_bytes)).filter(|bytes| *bytes > 0)?,
        available_bytes: available.saturating_mul(block_bytes),
        percent: percent(used, used.saturating_add(available))?,
    })
}

/// Inside a container the root is an overlay, and the disk below it shows only where single files
/// and volumes of it are mounted: calls that disk the root instead.
fn name_the_disk_behind_an_overlay(mut disks: Vec<(Mount, Space)>) -> Vec<(Mount, Space)> {
    let overlay =
        disks.iter().position(|(mount, _)| mount.point == "/" && mount.filesystem == "overlay");
    let Some(overlay) = overlay else { return disks };
    let total_bytes = disks[overlay].1.total_bytes;
    let behind = disks.iter().position(|(mount, space)| {
        mount.point != "/" && mount.root != "/" && space.total_bytes == total_bytes
    });
    if let Some(behind) = behind {
        let (mut mount, space) = disks.remove(behind);
        mount.point = "/".to_owned();
        disks[overlay] = (mount, space);
    }
    disks
}

fn describe(mount: Mount, space: Space, devices: &Devices, root: &Path) -> Disk {
    let number = number_of(&mount, devices, root);
    let rate = number.and_then(|number| devices.per_s.get(&number));
    // Without an initramfs the kernel calls the root's device /dev/root, which does not exist.
    let device = match number.and_then(|number| devices.traffic.get(&number)) {
        Some(traffic) if mount.source == "/dev/root" => format!("/dev/{}", traffic.name),
        _ => mount.source,
    };
    Disk {
        mount: mount.point,
        device,
        filesystem: mount.filesystem,
        total_bytes: space.total_bytes,
        available_bytes: space.available_bytes,
        percent: space.percent,
        read_only: mount.read_only,
        read_bytes_per_s: rate.map(|[read, _]| *read),
        write_bytes_per_s: rate.map(|[_, written]| *written),
    }
}

/// The number under which the kernel counts a mount's traffic: its own, or for btrfs that of the
/// device it was mounted from, whose name may be a link (`/dev/mapper/root` to `../dm-0`).
fn number_of(mount: &Mount, devices: &Devices, root: &Path) -> Option<DeviceNumber> {
    if devices.traffic.contains_key(&mount.number) {
        return Some(mount.number);
    }
    let source = mount.source.strip_prefix("/dev/")?;
    let target = fs::read_link(root.join("dev").join(source));
    let name = match &target {
        Ok(target) => target.file_name()?.to_str()?,
        Err(_) => source,
    };
    devices.traffic.iter().find(|(_, device)| device.name == name).map(|(number, _)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::system::fixture::tree;

    const MOUNTS: &str = "1 0 179:2 / / rw - ext4 /dev/root rw\n\
                          2 1 179:1 / /boot/firmware rw - vfat /dev/mmcblk0p1 ro\n\
                          3 1 0:35 / /data rw - btrfs /dev/mapper/data rw\n\
                          4 1 8:1 / /gone rw - ext4 /dev/sda1 rw\n\
                          5 1 0:21 / /proc rw - proc proc rw\n";

    fn diskstats(read: u64) -> String {
        format!(
            "179 2 mmcblk0p2 1 0 {read} 0 1 0 200 0 0 0 0\n179 1 mmcblk0p1 1 0 2 0 1 0 4\n253 0 dm-0 1 0 8 0 1 0 8 0 0 0 0\n"
        )
    }

    /// A host in a directory, with `/boot/firmware` and `/data` but without `/gone`.
    fn host(mountinfo: &str) -> (tempfile::TempDir, HostConfig) {
        let dir = tree(&[
            (mountinfo, MOUNTS),
            ("proc/diskstats", &diskstats(100)),
            ("boot/firmware/config.txt", ""),
            ("data/file", ""),
            ("dev/mapper/control", ""),
        ]);
        std::os::unix::fs::symlink("../dm-0", dir.path().join("dev/mapper/data")).expect("linked");
        let host = HostConfig {
            proc: dir.path().join("proc"),
            sys: dir.path().join("sys"),
            root: dir.path().to_owned(),
        };
        (dir, host)
    }

    fn summary(disks: &[Disk]) -> Vec<String> {
        disks
            .iter()
            .map(|disk| {
                format!(
                    "{} {} {} ro={} read={:?}",
                    disk.mount, disk.device, disk.filesystem, disk.read_only, disk.read_bytes_per_s
                )
            })
            .collect()
    }

    #[test]
    fn a_host_in_a_directory_is_described() {
        let (dir, host) = host("proc/1/mountinfo");
        let mut disks = Disks::new();
        let waiting = Waiting::default();
        let first = disks.read(&host, &waiting, &[]).expect("mounts");
        assert_eq!(
            summary(&first),
            [
                "/ /dev/mmcblk0p2 ext4 ro=false read=None",
                "/boot/firmware /dev/mmcblk0p1 vfat ro=true read=None",
                "/data /dev/mapper/data btrfs ro=false read=None",
            ]
        );
        assert!(first[0].total_bytes > 0 && first[0].available_bytes <= first[0].total_bytes);

        fs::write(dir.path().join("proc/diskstats"), diskstats(u64::MAX / 1024)).expect("written");
        let second = disks.read(&host, &waiting, &[]).expect("mounts");
        assert!(second[0].read_bytes_per_s.is_some_and(|rate| rate > 0));
        assert_eq!(second[0].write_bytes_per_s, Some(0));
        assert_eq!(second[2].read_bytes_per_s, Some(0), "by the link's target");

        fs::write(dir.path().join("proc/diskstats"), diskstats(0)).expect("written");
        let third = disks.read(&host, &waiting, &[]).expect("mounts");
        assert_eq!(third[0].read_bytes_per_s, None, "the counter started over");
        assert_eq!(third[2].read_bytes_per_s, Some(0));
    }

    #[test]
    fn what_cannot_be_read_is_absent() {
        let (dir, host) = host("proc/1/mountinfo");
        let mut disks = Disks::new();
        fs::remove_file(dir.path().join("proc/diskstats")).expect("removed");
        let without_traffic = disks.read(&host, &Waiting::default(), &[]).expect("mounts");
        assert_eq!(without_traffic.len(), 3);
        assert_eq!(without_traffic[0].device, "/dev/root");
        fs::remove_file(dir.path().join("proc/1/mountinfo")).expect("removed");
        assert_eq!(disks.read(&host, &Waiting::default(), &[]), None);
    }

    #[test]
    fn own_mounts_stand_in_for_those_of_the_first_process() {
        let (dir, host) = host("proc/self/mountinfo");
        let own = MOUNTS.replace(" / /", &format!(" / {}/", dir.path().display()));
        fs::write(dir.path().join("proc/self/mountinfo"), own).expect("written");
        let disks = Disks::new().read(&host, &Waiting::default(), &[]);
        let mounts: Vec<_> = disks.iter().flatten().map(|disk| disk.mount.as_str()).collect();
        assert_eq!(mounts, ["/", "/boot/firmware", "/data"]);
    }

    #[test]
    fn a_mount_to_avoid_is_not_asked() {
        let (_dir, host) = host("proc/1/mountinfo");
        let disks = Disks::new().read(&host, &Waiting::default(), &["/data".into()]);
        let mounts: Vec<_> = disks.iter().flatten().map(|disk| disk.mount.as_str()).collect();
        assert_eq!(mounts, ["/", "/boot/firmware"]);
    }

    #[test]
    fn a_disk_is_as_full_as_df_says() {
        // 100 blocks, 40 free of which 5 are root's: 60 used of 95.
        let space = measure(4096, 100, 40, 35).expect("a size");
        assert_eq!(space.total_bytes, 409_600);
        assert_eq!(space.available_bytes, 143_360);
        assert_eq!(space.percent, 63.2);
        let full = measure(512, 10, 0, 0).expect("a size");
        assert_eq!(full.percent, 100.0);
        assert_eq!(measure(4096, 0, 0, 0), None);
        assert_eq!(measure(0, 100, 40, 35), None);
        assert!(measure(u64::MAX, u64::MAX, 0, u64::MAX).is_some());
        assert_eq!(measure(1, 10, 99, 5).map(|space| space.percent), Some(0.0));
    }

    #[test]
    fn inside_a_container_the_disk_below_is_called_the_root() {
        let space = |total_bytes| Space { total_bytes, available_bytes: 1, percent: 50.0 };
        let named = |mountinfo: &str, sizes: &[u64]| {
            let disks = mounts::choose(mounts::parse(mountinfo));
            let disks = disks.into_iter().zip(sizes.iter().map(|size| space(*size)));
            name_the_disk_behind_an_overlay(disks.collect())
                .into_iter()
                .map(|(mount, _)| format!("{} {}", mount.point, mount.source))
                .collect::<Vec<_>>()
        };
        let container = "1 0 0:60 / / rw - overlay overlay rw\n\
                         2 1 8:1 /docker/x/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n\
                         3 1 8:2 / /data rw - ext4 /dev/sdb1 rw\n";
        assert_eq!(
            named(container, &[700, 700, 700]),
            ["/ /dev/sda1", "/data /dev/sdb1"],
            "/data is a whole disk, not a part of one"
        );
        assert_eq!(
            named(container, &[700, 800, 900]),
            ["/ overlay", "/data /dev/sdb1", "/etc/hosts /dev/sda1"]
        );
    }
}
