//! What feeds the box: mains or battery, how full, and whether a Raspberry Pi gets enough.

use std::path::Path;

use super::report::{Power, PowerSource};
use super::sysfs;
use crate::collect::figures::tenths;

/// What one entry of `<sys>/class/power_supply` says.
#[derive(Clone, Debug, Default, PartialEq)]
struct Supply {
    /// A battery or a UPS, rather than something that feeds the box from outside.
    battery: bool,
    /// A supply from outside delivers.
    online: Option<bool>,
    /// `Charging`, `Discharging`, `Full`, `Not charging` or `Unknown`.
    status: Option<String>,
    /// 0 to 100.
    capacity_percent: Option<f64>,
}

/// Reads `<sys>/class/power_supply` and the Raspberry Pi's voltage alarm; absent when the box can
/// tell nothing.
pub(super) fn read(sys: &Path) -> Option<Power> {
    let supplies: Vec<_> = sysfs::entries(sys.join("class/power_supply"), "")
        .into_iter()
        .filter_map(|(_, dir)| read_supply(&dir))
        .collect();
    let power = Power { under_voltage: under_voltage(sys), ..judge(&supplies) };
    (power != Power::default()).then_some(power)
}

/// One supply of the box itself; the battery of a mouse or of a phone is not one.
fn read_supply(dir: &Path) -> Option<Supply> {
    let text = |file: &str| sysfs::text(dir.join(file));
    let number = |file: &str| sysfs::number(dir.join(file));
    let kind = text("type")?;
    let of_a_device = text("scope").is_some_and(|scope| scope == "Device");
    let removed = number("present") == Some(0);
    if of_a_device || removed {
        return None;
    }
    Some(Supply {
        battery: kind == "Battery" || kind == "UPS",
        online: number("online").map(|online| online > 0),
        status: text("status"),
        capacity_percent: number("capacity")
            .map(|percent| percent as f64)
            .filter(|percent| (0.0..=100.0).contains(percent)),
    })
}

fn judge(supplies: &[Supply]) -> Power {
    let (batteries, outside): (Vec<&Supply>, Vec<&Supply>) =
        supplies.iter().partition(|supply| supply.battery);
    let any_is =
        |status: &str| batteries.iter().any(|battery| battery.status.as_deref() == Some(status));
    let known = batteries
        .iter()
        .any(|battery| battery.status.as_deref().is_some_and(|status| status != "Unknown"));
    Power {
        source: source(&batteries, &outside, any_is("Discharging"), any_is("Charging")),
        battery_percent: mean(batteries.iter().filter_map(|battery| battery.capacity_percent)),
        charging: known.then(|| any_is("Charging")),
        under_voltage: None,
    }
}

/// A supply that delivers settles it; else what the batteries do; else that no supply delivers.
fn source(
    batteries: &[&Supply],
    outside: &[&Supply],
    discharging: bool,
    charging: bool,
) -> Option<PowerSource> {
    let delivers = |online| outside.iter().any(|supply| supply.online == Some(online));
    if delivers(true) || (charging && !discharging) {
        Some(PowerSource::Ac)
    } else if discharging || (!batteries.is_empty() && delivers(false)) {
        Some(PowerSource::Battery)
    } else {
        None
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| tenths(values.iter().sum::<f64>() / values.len() as f64))
}

/// The alarm of the Raspberry Pi's `rpi_volt` chip, which its firmware raises below 4.63 V.
fn under_voltage(sys: &Path) -> Option<bool> {
    let (_, chip) = sysfs::entries(sys.join("class/hwmon"), "hwmon")
        .into_iter()
        .find(|(_, chip)| sysfs::text(chip.join("name")).as_deref() == Some("rpi_volt"))?;
    Some(sysfs::number(chip.join("in0_lcrit_alarm"))? != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::system::fixture::tree;

    fn check(files: &[(&str, &str)], expected: Option<Power>) {
        let sys = tree(files);
        assert_eq!(read(sys.path()), expected, "{files:?}");
    }

    #[test]
    fn a_laptop_tells_mains_from_battery() {
        let at = |online: &str, status: &str| {
            let sys = tree(&[
                ("class/power_supply/AC/type", "Mains\n"),
                ("class/power_supply/AC/online", online),
                ("class/power_supply/BAT0/type", "Battery\n"),
                ("class/power_supply/BAT0/present", "1\n"),
                ("class/power_supply/BAT0/status", status),
                ("class/power_supply/BAT0/capacity", "80\n"),
                ("class/power_supply/BAT1/type", "Battery\n"),
                ("class/power_supply/BAT1/capacity", "41\n"),
                ("class/power_supply/hidpp_battery_0/type", "Battery\n"),
                ("class/power_supply/hidpp_battery_0/scope", "Device\n"),
                ("class/power_supply/hidpp_battery_0/capacity", "3\n"),
            ]);
            read(sys.path()).map(|power| (power.source, power.battery_percent, power.charging))
        };
        let (ac, battery) = (Some(PowerSource::Ac), Some(PowerSource::Battery));
        assert_eq!(at("1", "Charging\n"), Some((ac, Some(60.5), Some(true))));
        assert_eq!(at("1", "Full\n"), Some((ac, Some(60.5), Some(false))));
        assert_eq!(at("0", "Discharging\n"), Some((battery, Some(60.5), Some(false))));
        assert_eq!(at("0", "Unknown\n"), Some((battery, Some(60.5), None)));
    }

    #[test]
    fn a_battery_hat_without_a_mains_entry_is_judged_by_what_it_does() {
        let hat = |status: &str| {
            let sys = tree(&[
                ("class/power_supply/bat/type", "Battery\n"),
                ("class/power_supply/bat/status", status),
                ("class/power_supply/bat/capacity", "150\n"),
            ]);
            read(sys.path()).map(|power| (power.source, power.battery_percent))
        };
        assert_eq!(hat("Charging"), Some((Some(PowerSource::Ac), None)));
        assert_eq!(hat("Discharging"), Some((Some(PowerSource::Battery), None)));
        assert_eq!(hat("Full"), Some((None, None)));
        assert_eq!(hat("Unknown"), None);
    }

    #[test]
    fn a_raspberry_pi_tells_of_its_weak_supply() {
        let pi = |alarm| {
            check(
                &[
                    ("class/hwmon/hwmon0/name", "cpu_thermal\n"),
                    ("class/hwmon/hwmon1/name", "rpi_volt\n"),
                    ("class/hwmon/hwmon1/in0_lcrit_alarm", alarm),
                ],
                Some(Power { under_voltage: Some(alarm == "1\n"), ..Power::default() }),
            );
        };
        pi("1\n");
        pi("0\n");
    }

    #[test]
    fn a_box_that_cannot_tell_says_nothing() {
        check(&[], None);
        check(&[("class/power_supply/AC/type", "Mains\n")], None);
        check(&[("class/power_supply/x/online", "1\n")], None);
        check(
            &[
                ("class/power_supply/BAT0/type", "Battery\n"),
                ("class/power_supply/BAT0/present", "0\n"),
                ("class/power_supply/BAT0/capacity", "80\n"),
            ],
            None,
        );
        check(
            &[
                ("class/hwmon/hwmon1/name", "rpi_volt\n"),
                ("class/hwmon/hwmon1/in0_lcrit_alarm", "?\n"),
            ],
            None,
        );
    }
}
