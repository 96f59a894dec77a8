//! How much each block device has read and written.

use std::collections::HashMap;

/// A block device as the kernel numbers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct DeviceNumber {
    /// Which driver; 0 for file systems without a block device of their own.
    pub(super) major: u32,
    /// Which of the driver's devices.
    pub(super) minor: u32,
}

impl DeviceNumber {
    /// Reads `259:2`.
    pub(super) fn parse(text: &str) -> Option<DeviceNumber> {
        let (major, minor) = text.split_once(':')?;
        Some(DeviceNumber { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

/// One device's line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Traffic {
    /// The kernel's name for it: `mmcblk0p2`, `dm-0`.
    pub(super) name: String,
    /// Bytes read and bytes written.
    pub(super) bytes: [u64; 2],
}

/// The kernel counts in sectors of this size, whatever the disk's own are.
const SECTOR_BYTES: u64 = 512;

/// Reads `/proc/diskstats`; lines that are none are left out.
pub(super) fn parse(text: &str) -> HashMap<DeviceNumber, Traffic> {
    text.lines().filter_map(parse_line).collect()
}

/// `major minor name reads merged sectors-read ms writes merged sectors-written ms ...`
fn parse_line(line: &str) -> Option<(DeviceNumber, Traffic)> {
    let mut fields = line.split_whitespace();
    let number =
        DeviceNumber { major: fields.next()?.parse().ok()?, minor: fields.next()?.parse().ok()? };
    let name = fields.next()?.to_owned();
    let read: u64 = fields.nth(2)?.parse().ok()?;
    let written: u64 = fields.nth(3)?.parse().ok()?;
    let bytes = [read, written].map(|sectors| sectors.saturating_mul(SECTOR_BYTES));
    Some((number, Traffic { name, bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_are_read_in_their_columns() {
        let cases = [
            (
                " 254       0 vda 44170 8551 5159994 68773 11470 51201 12713760 85211 0 29280 155109 4898 62 647296 1029 1106 94",
                Some((254, 0, "vda", [5_159_994 * 512, 12_713_760 * 512])),
            ),
            // Before Linux 4.18 there were eleven figures.
            (
                "179 2 mmcblk0p2 1 2 3 4 5 6 7 8 9 10 11",
                Some((179, 2, "mmcblk0p2", [3 * 512, 7 * 512])),
            ),
            ("179 2 mmcblk0p2 1 2 3 4 5 6 7", Some((179, 2, "mmcblk0p2", [1536, 3584]))),
            ("179 2 mmcblk0p2 1 2 3 4 5 6", None),
            ("179 2", None),
            ("a b c d e f g h i j k", None),
            ("179 2 x 1 2 -3 4 5 6 7", None),
            ("", None),
        ];
        for (line, expected) in cases {
            let found = parse_line(line);
            let found = found.as_ref().map(|(n, t)| (n.major, n.minor, t.name.as_str(), t.bytes));
            assert_eq!(found, expected, "{line:?}");
        }
    }

    #[test]
    fn a_truncated_line_costs_only_itself() {
        let devices = parse("8 0 sda 1 2 3 4 5 6 7 8\n8 1 sda1 1 2");
        assert_eq!(devices.len(), 1);
    }
}
