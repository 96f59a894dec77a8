//! What a `system_metrics` event says.
//!
//! Every field carries its unit in its name. Absent means "not known": the box has no such thing,
//! the file could not be read, or a rate has nothing to compare with yet. Nothing here is ever a
//! made-up 0.

use serde::Serialize;

use crate::collect::figures::tenths;

/// The report of one reading of the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SystemMetrics {
    /// Who and what the machine is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// How busy the processor is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Cpu>,
    /// Memory and swap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// The real file systems, each once; the root first, then by mount point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disks: Option<Vec<Disk>>,
    /// The interfaces that lead out of the box, in the kernel's order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Vec<Interface>>,
    /// The sensors that show a plausible value; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperatures: Option<Vec<Temperature>>,
    /// Pressure stall information; absent on kernels without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pressure: Option<Pressure>,
    /// What feeds the box; absent where it cannot tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
    /// Whether the wall clock can be trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
    /// What could not be read, where, and what to do. Beside other fields: only that part is
    /// missing. Alone: the whole reading failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Who and what the machine is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Host {
    /// Its hostname.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The operating system as it calls itself: `Debian GNU/Linux 12 (bookworm)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// The running kernel's release: `6.12.34+rpt-rpi-v8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// The machine's architecture: `x86_64`, `aarch64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// Since boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime_seconds: Option<u64>,
}

/// How busy the processor is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cpu {
    /// Busy share of all cores together since the previous reading, 0 to 100; waiting for a disk
    /// counts as idle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// The same for each core, 0 to 100, in the kernel's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub per_core_percent: Vec<f64>,
    /// Logical cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<usize>,
    /// Runnable tasks, averaged over 1, 5 and 15 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_average: Option<[f64; 3]>,
}

/// Memory and swap.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// What the kernel manages: `MemTotal`.
    pub total_bytes: u64,
    /// Total less available, so that page cache does not count as used.
    pub used_bytes: u64,
    /// What programs could still get without swapping: `MemAvailable`, or an estimate of it where
    /// the kernel is too old to say.
    pub available_bytes: u64,
    /// Used share of the total, 0 to 100.
    pub percent: f64,
    /// Size of all swap together; 0 without swap.
    pub swap_total_bytes: u64,
    /// Swap in use.
    pub swap_used_bytes: u64,
    /// Used share of the swap, 0 to 100; absent without swap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_percent: Option<f64>,
}

/// A mounted file system on a real disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Disk {
    /// Where it is mounted on the host.
    pub mount: String,
    /// What is mounted: `/dev/mmcblk0p2`, `rpool/data`.
    pub device: String,
    /// Its type: `ext4`, `vfat`.
    pub filesystem: String,
    /// Its size.
    pub total_bytes: u64,
    /// What an ordinary user can still write; less than what is free where root has a reserve.
    pub available_bytes: u64,
    /// Used share of used plus available, 0 to 100, as `df` has it.
    pub percent: f64,
    /// The file system takes no writes: mounted so, or put there by the kernel after errors.
    pub read_only: bool,
    /// Read from the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_bytes_per_s: Option<u64>,
    /// Written to the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_bytes_per_s: Option<u64>,
}

/// A network interface. Totals count since it came up and start over when it is made anew.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Interface {
    /// Its name: `eth0`, `wlan0`, `wg0`.
    pub interface: String,
    /// Whether it is up and has a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<bool>,
    /// The interface that counts the same bytes too, the next on their way in or out: the bond of
    /// its member, the one below a VLAN, the (first) port of a bridge. Sums leave out whatever has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_of: Option<String>,
    /// Received; absent in the reading after the counters started over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_bytes_per_s: Option<u64>,
    /// Sent; absent in the reading after the counters started over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_bytes_per_s: Option<u64>,
    /// Bytes received.
    pub rx_bytes_total: u64,
    /// Bytes sent.
    pub tx_bytes_total: u64,
    /// Packets received broken.
    pub rx_errors_total: u64,
    /// Packets that could not be sent.
    pub tx_errors_total: u64,
    /// Packets received and thrown away, for want of room or of anybody who wanted them.
    pub rx_dropped_total: u64,
    /// Packets thrown away before they were sent.
    pub tx_dropped_total: u64,
}

/// What a sensor shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Temperature {
    /// The chip and what it measures: `coretemp Package id 0`, `cpu_thermal`; unique in a report.
    pub label: String,
    /// Degrees Celsius.
    pub celsius: f64,
}

/// Pressure stall information: for how much of the last ten seconds work waited.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pressure {
    /// Waiting for a core. Without `full`, which the kernel does not define here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Stall>,
    /// Waiting for memory: swapping, reclaiming.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Stall>,
    /// Waiting for disks: an SD card at its limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io: Option<Stall>,
}

/// How long work waited for one resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stall {
    /// Share of the last 10 s in which at least one task waited, 0 to 100.
    pub some_avg10_percent: f64,
    /// Share of the last 10 s in which all tasks waited at once, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_avg10_percent: Option<f64>,
}

/// What feeds the box.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Power {
    /// Where the power comes from now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<PowerSource>,
    /// Charge, 0 to 100; the mean where there are several batteries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub battery_percent: Option<f64>,
    /// A battery is being charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charging: Option<bool>,
    /// A Raspberry Pi's supply fell below 4.63 V within the last seconds: a weak power supply or
    /// cable, which corrupts SD cards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub under_voltage: Option<bool>,
}

/// Where the power comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerSource {
    /// A mains, vehicle or USB supply.
    Ac,
    /// The box's own battery.
    Battery,
}

/// Whether the wall clock can be trusted: certificates and CoT timestamps depend on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Clock {
    /// Somebody (NTP, GPS) disciplines it, and did so recently.
    pub synchronized: bool,
    /// How far off it may be at most, as its discipliner reckons; absent when nobody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_error_ms: Option<f64>,
    /// What the kernel still has to correct; absent with daemons that correct it on their own
    /// (chrony).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset_ms: Option<f64>,
}

/// `part` of `whole` in percent, to one decimal; nothing of nothing is not known.
pub(super) fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| tenths(part as f64 * 100.0 / whole as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_only_knows_a_message_says_nothing_else() {
        let report =
            SystemMetrics { message: Some("out of order".into()), ..SystemMetrics::default() };
        let json = serde_json::to_string(&report).expect("a plain struct");
        assert_eq!(json, r#"{"message":"out of order"}"#);
    }

    #[test]
    fn every_field_is_on_the_wire_under_its_contracted_name() {
        let stall = || Some(Stall { some_avg10_percent: 1.5, full_avg10_percent: Some(0.5) });
        let report = SystemMetrics {
            host: Some(Host {
                name: Some("van-1".into()),
                os: Some("Debian".into()),
                kernel: Some("6.12".into()),
                arch: Some("aarch64".into()),
                uptime_seconds: Some(60),
            }),
            cpu: Some(Cpu {
                percent: Some(12.5),
                per_core_percent: vec![10.0, 15.0],
                cores: Some(2),
                load_average: Some([0.5, 0.25, 0.1]),
            }),
            memory: Some(Memory {
                total_bytes: 4,
                used_bytes: 1,
                available_bytes: 3,
                percent: 25.0,
                swap_total_bytes: 2,
                swap_used_bytes: 1,
                swap_percent: Some(50.0),
            }),
            disks: Some(vec![Disk {
                mount: "/".into(),
                device: "/dev/mmcblk0p2".into(),
                filesystem: "ext4".into(),
                total_bytes: 4,
                available_bytes: 1,
                percent: 75.0,
                read_only: false,
                read_bytes_per_s: Some(1),
                write_bytes_per_s: Some(2),
            }]),
            network: Some(vec![Interface {
                interface: "eth0".into(),
                up: Some(true),
                part_of: Some("bond0".into()),
                rx_bytes_per_s: Some(1),
                tx_bytes_per_s: Some(2),
                ..Interface::default()
            }]),
            temperatures: Some(vec![Temperature { label: "cpu_thermal".into(), celsius: 48.3 }]),
            pressure: Some(Pressure { cpu: stall(), memory: stall(), io: stall() }),
            power: Some(Power {
                source: Some(PowerSource::Battery),
                battery_percent: Some(80.0),
                charging: Some(false),
                under_voltage: Some(false),
            }),
            clock: Some(Clock {
                synchronized: true,
                max_error_ms: Some(250.5),
                offset_ms: Some(-1.25),
            }),
            message: Some("out of order".into()),
        };
        insta::assert_snapshot!(serde_json::to_string_pretty(&report).expect("a plain struct"));
    }

    #[test]
    fn a_percentage_is_rounded_and_never_made_up() {
        for (part, whole, expected) in
            [(1, 3, Some(33.3)), (0, 5, Some(0.0)), (5, 5, Some(100.0)), (0, 0, None), (3, 0, None)]
        {
            assert_eq!(percent(part, whole), expected, "{part} of {whole}");
        }
    }
}
