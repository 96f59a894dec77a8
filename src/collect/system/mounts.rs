//! Which of the many mounts are a user's disks.
//!
//! A machine with a few containers has a hundred mounts and one disk. Left out: what lives in
//! memory or on the network (asking a dead server hangs), read-only images, and all but one of the
//! places where the same file system is mounted. Never left out: the root.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use super::diskstats::DeviceNumber;

/// One line of `mountinfo`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mount {
    /// The device's number; its major is 0 for btrfs and for what has no device.
    pub(super) number: DeviceNumber,
    /// The directory inside the file system that is mounted; anything but `/` is a bind mount or a
    /// btrfs subvolume.
    pub(super) root: String,
    /// Where it is mounted on the host.
    pub(super) point: String,
    /// `ext4`, `overlay`.
    pub(super) filesystem: String,
    /// `/dev/sda1`, `tmpfs`.
    pub(super) source: String,
    /// The file system itself takes no writes. A mere view of it that takes none (a hardened
    /// service's own) does not count.
    pub(super) read_only: bool,
}

/// File systems on a disk that have no block device number of their own.
const DISKS_WITHOUT_NUMBER: [&str; 4] = ["bcachefs", "btrfs", "ubifs", "zfs"];

/// Images that are always full: snaps, live systems, CDs.
const IMAGES: [&str; 4] = ["cramfs", "erofs", "iso9660", "squashfs"];

/// Where container engines mount what belongs to single containers.
const ENGINES: [&str; 3] =
    ["/var/lib/containers/storage/", "/var/lib/docker/", "/var/lib/kubelet/"];

/// Reads `mountinfo`; lines that are none are left out.
pub(super) fn parse(text: &str) -> Vec<Mount> {
    text.lines().filter_map(parse_line).collect()
}

/// `36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/sda1 rw,errors=continue`: any number
/// of optional fields stands before the lone dash.
fn parse_line(line: &str) -> Option<Mount> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(2);
    let number = DeviceNumber::parse(place.next()?)?;
    let root = unescape(place.next()?);
    let point = unescape(place.next()?);
    let mut kind = kind.split(' ');
    Some(Mount {
        number,
        root,
        point,
        filesystem: kind.next()?.to_owned(),
        source: unescape(kind.next()?),
        read_only: kind.next()?.split(',').any(|option| option == "ro"),
    })
}

/// The kernel writes blanks, line breaks, `#` and backslashes as `\040`.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        match escaped(rest) {
            Some((value, after)) => {
                bytes.push(value);
                rest = after;
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The byte that an escape at the beginning stands for, and what follows it.
fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let [b'\\', digits @ ..] = text else {
        return None;
    };
    let (digits, after) = digits.split_at_checked(3)?;
    let digits = std::str::from_utf8(digits).ok()?;
    Some((u8::from_str_radix(digits, 8).ok()?, after))
}

/// Chooses the mounts that are the host's disks: the root first, then by mount point.
pub(super) fn choose(mounts: Vec<Mount>) -> Vec<Mount> {
    let visible = without_covered(mounts);
    let any_root = visible.iter().find(|mount| mount.point == "/").cloned();
    let mut chosen: HashMap<DeviceNumber, Mount> = HashMap::new();
    for mount in visible.into_iter().filter(is_disk) {
        let better =
            chosen.get(&mount.number).is_none_or(|other| preference(&mount) < preference(other));
        if better {
            chosen.insert(mount.number, mount);
        }
    }
    let mut chosen: Vec<Mount> = chosen.into_values().collect();
    if !chosen.iter().any(|mount| mount.point == "/") {
        // A container, a live system, a network boot: better this root than none.
        chosen.extend(any_root);
    }
    chosen.sort_by(|a, b| a.point.cmp(&b.point));
    chosen
}

/// Of several mounts on one directory only the last can be seen.
fn without_covered(mounts: Vec<Mount>) -> Vec<Mount> {
    let last: HashMap<String, usize> =
        mounts.iter().enumerate().map(|(index, mount)| (mount.point.clone(), index)).collect();
    mounts
        .into_iter()
        .enumerate()
        .filter(|(index, mount)| last.get(&mount.point) == Some(index))
        .map(|(_, mount)| mount)
        .collect()
}

fn is_disk(mount: &Mount) -> bool {
    let filesystem = mount.filesystem.as_str();
    let on_a_device = mount.number.major != 0 || DISKS_WITHOUT_NUMBER.contains(&filesystem);
    on_a_device
        && !IMAGES.contains(&filesystem)
        && !ENGINES.iter().any(|dir| mount.point.starts_with(dir))
}

/// The smaller, the better known is the place: the root, then a whole file system rather than a
/// part of it, then the shorter path.
fn preference(mount: &Mount) -> (bool, bool, usize, &str) {
    let not_root = mount.point != "/";
    let part = mount.root != "/";
    (not_root, part, mount.point.len(), &mount.point)
}

/// Tells a container's list of mounts from the host's: it has a mount at `root`, the directory
/// where the host's files are, and only what lies there is the host's.
pub(super) fn as_the_host_sees_them(mounts: Vec<Mount>, root: &Path) -> Vec<Mount> {
    let from_inside = mounts.iter().any(|mount| Path::new(&mount.point) == root);
    if !from_inside {
        return mounts;
    }
    mounts.into_iter().filter_map(|mount| under(mount, root)).collect()
}

fn under(mut mount: Mount, root: &Path) -> Option<Mount> {
    let inside = Path::new(&mount.point).strip_prefix(root).ok()?;
    mount.point = Path::new("/").join(inside).to_str()?.to_owned();
    Some(mount)
}

/// Where takpulse finds a mount point of the host whose files are under `root`.
pub(super) fn reachable(root: &Path, point: &str) -> PathBuf {
    let inside = Path::new(point).components().filter(|part| matches!(part, Component::Normal(_)));
    root.join(inside.collect::<PathBuf>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mount points (and devices) that are chosen from a mountinfo.
    fn check(mountinfo: &str, expected: &[&str]) {
        let chosen: Vec<_> = choose(parse(mountinfo))
            .iter()
            .map(|mount| format!("{} {}", mount.point, mount.source))
            .collect();
        assert_eq!(chosen, expected, "{mountinfo}");
    }

    #[test]
    fn a_line_is_read_or_left_out() {
        let line = r"36 35 98:1 /a\040b /mnt/my\040disk\134\011x ro,noatime shared:1 master:2 - ext3 /dev/my\040dev rw,errors=continue";
        assert_eq!(
            parse_line(line),
            Some(Mount {
                number: DeviceNumber { major: 98, minor: 1 },
                root: "/a b".into(),
                point: "/mnt/my disk\\\tx".into(),
                filesystem: "ext3".into(),
                source: "/dev/my dev".into(),
                read_only: false,
            })
        );
        let broken = "36 35 98:1 / / rw - ext4 /dev/sda1 ro,errors=remount-ro";
        assert!(parse_line(broken).is_some_and(|mount| mount.read_only));
        for garbage in [
            "",
            " - ",
            "36 35 98:1 / / rw ext4 /dev/sda1 rw",
            "36 35 98 / / rw - ext4 /dev/sda1 rw",
            "36 35 x:y / / rw - ext4 /dev/sda1 rw",
            "36 35 98:1 / - ext4 /dev/sda1 rw",
            "36 35 98:1 / / rw - ext4",
            "36 35 98:1 / / rw - ext4 /dev/sda1",
        ] {
            assert_eq!(parse_line(garbage), None, "{garbage:?}");
        }
    }

    #[test]
    fn an_escape_that_is_none_stays_as_it_is() {
        for (text, expected) in [
            (r"/a\040b", "/a b"),
            (r"\134", "\\"),
            (r"/a\04", r"/a\04"),
            (r"/a\", r"/a\"),
            (r"/a\999", r"/a\999"),
            (r"/a\777", r"/a\777"),
            (r"/\303\251", "/é"),
            (r"/\é", r"/\é"),
            (r"/\303", "/\u{fffd}"),
            ("", ""),
        ] {
            assert_eq!(unescape(text), expected);
        }
    }

    #[test]
    fn virtual_and_network_file_systems_and_images_are_left_out() {
        check(
            "22 27 0:21 / /proc rw - proc proc rw
23 27 0:22 / /sys rw - sysfs sysfs rw
24 27 0:6 / /dev rw - devtmpfs udev rw
25 24 0:23 / /dev/shm rw - tmpfs tmpfs rw
27 1 179:2 / / rw - ext4 /dev/mmcblk0p2 rw
31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
32 27 179:1 / /boot/firmware rw - vfat /dev/mmcblk0p1 rw
33 27 0:50 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw
34 27 7:0 / /snap/core/1 ro - squashfs /dev/loop0 ro
35 27 0:51 / /mnt/nas rw - nfs4 nas:/share rw
36 27 0:52 / /mnt/win rw - cifs //nas/share rw
37 27 0:53 / /home/me/ssh rw - fuse.sshfs host: rw
38 27 8:1 / /media/me/My\\040Stick rw - fuseblk /dev/sda1 rw
39 27 11:0 / /media/cdrom ro - iso9660 /dev/sr0 ro
40 27 0:60 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
41 27 253:5 / /var/lib/docker/devicemapper/mnt/x rw - ext4 /dev/dm-5 rw",
            &["/ /dev/mmcblk0p2", "/boot/firmware /dev/mmcblk0p1", "/media/me/My Stick /dev/sda1"],
        );
    }

    #[test]
    fn a_file_system_is_listed_once_at_its_best_known_place() {
        // Bind mounts, before and after; a shorter path does not beat the whole file system.
        check(
            "1 0 8:1 /srv /d rw - ext4 /dev/sda1 rw
2 0 8:1 / /data/disk rw - ext4 /dev/sda1 rw
3 0 8:1 / /mnt/long/disk rw - ext4 /dev/sda1 rw
4 0 8:2 /x /z rw - ext4 /dev/sda2 rw
5 0 8:2 / / rw - ext4 /dev/sda2 rw",
            &["/ /dev/sda2", "/data/disk /dev/sda1"],
        );
        // btrfs: subvolumes share a number, and none of them is the whole.
        check(
            "1 0 0:33 /@home /home rw - btrfs /dev/sda1 rw
2 0 0:33 /@ / rw - btrfs /dev/sda1 rw",
            &["/ /dev/sda1"],
        );
        // zfs: every dataset is its own.
        check(
            "1 0 0:40 / / rw - zfs rpool/root rw
2 0 0:41 / /data rw - zfs rpool/data rw",
            &["/ rpool/root", "/data rpool/data"],
        );
    }

    #[test]
    fn a_mount_that_another_covers_is_not_listed() {
        check(
            "1 0 8:1 / / rw - rootfs rootfs rw
2 0 8:2 / / rw - ext4 /dev/sda2 rw
3 0 8:3 / /mnt rw - ext4 /dev/sda3 rw
4 0 0:9 / /mnt rw - tmpfs tmpfs rw",
            &["/ /dev/sda2"],
        );
    }

    #[test]
    fn there_is_always_a_root() {
        check(
            "1 0 0:60 / / rw - overlay overlay rw
2 0 254:1 /containers/x/hosts /etc/hosts rw - ext4 /dev/vda1 rw",
            &["/ overlay", "/etc/hosts /dev/vda1"],
        );
        check("1 0 0:61 / / rw - nfs server:/root rw", &["/ server:/root"]);
        check("", &[]);
        check("\0garbage\n\n - - -", &[]);
    }

    #[test]
    fn the_hosts_mounts_are_found_from_inside_a_container() {
        let seen = |points: &[&str]| {
            let line = |point| format!("1 0 8:1 / {point} rw - ext4 /dev/sda1 rw\n");
            let list: String = points.iter().map(line).collect();
            as_the_host_sees_them(parse(&list), Path::new("/host"))
                .into_iter()
                .map(|mount| mount.point)
                .collect::<Vec<_>>()
        };
        let from_inside = ["/", "/etc/hosts", "/host", "/host/boot", "/hostile"];
        assert_eq!(seen(&from_inside), ["/", "/boot"]);
        assert_eq!(seen(&["/", "/boot"]), ["/", "/boot"], "the host's own list");
        for (root, point, expected) in [
            ("/", "/", "/"),
            ("/", "/boot", "/boot"),
            ("/host", "/", "/host"),
            ("/host", "/boot/x", "/host/boot/x"),
            ("/host", "/../etc", "/host/etc"),
        ] {
            assert_eq!(reachable(Path::new(root), point), Path::new(expected));
        }
    }
}
