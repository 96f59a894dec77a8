//! How hot the box is: the sensors of hwmon, and the thermal zones that hwmon does not show too.

use std::collections::HashSet;
use std::path::Path;

use super::report::Temperature;
use super::sysfs;
use crate::collect::figures::tenths;

/// Drivers that are not asked: a drive's temperature keeps some disks from ever spinning down.
const LEFT_ALONE: [&str; 1] = ["drivetemp"];

/// Reads `<sys>/class/hwmon` and `<sys>/class/thermal`; absent when no sensor shows anything.
pub(super) fn read(sys: &Path) -> Option<Vec<Temperature>> {
    let mut sensors = Vec::new();
    let mut chips = HashSet::new();
    for (_, chip) in sysfs::entries(sys.join("class/hwmon"), "hwmon") {
        read_chip(&chip, &mut sensors, &mut chips);
    }
    for (_, zone) in sysfs::entries(sys.join("class/thermal"), "thermal_zone") {
        sensors.extend(read_zone(&zone, &chips));
    }
    number_duplicates(&mut sensors);
    (!sensors.is_empty()).then_some(sensors)
}

/// Adds one hwmon chip's sensors, and its name to the `chips` that were seen.
fn read_chip(chip: &Path, sensors: &mut Vec<Temperature>, chips: &mut HashSet<String>) {
    // Old drivers keep their files one level below.
    let dir =
        [chip.to_owned(), chip.join("device")].into_iter().find(|dir| dir.join("name").exists());
    let Some(dir) = dir else { return };
    let name = sysfs::text(dir.join("name")).unwrap_or_default();
    if LEFT_ALONE.contains(&name.as_str()) {
        return;
    }
    let inputs: Vec<_> = sysfs::entries(&dir, "temp")
        .into_iter()
        .filter_map(|(file, path)| {
            let sensor = file.strip_suffix("_input")?.to_owned();
            Some((sensor, path))
        })
        .collect();
    let alone = inputs.len() == 1;
    for (sensor, path) in inputs {
        let Some(celsius) = sysfs::number(path).and_then(plausible) else {
            continue;
        };
        let label = sysfs::text(dir.join(format!("{sensor}_label")));
        sensors.push(Temperature {
            label: label_of(&name, &sensor, label.as_deref(), alone),
            celsius,
        });
        chips.insert(name.clone());
    }
}

/// One thermal zone's reading, unless one of the `chips` already showed it.
fn read_zone(zone: &Path, chips: &HashSet<String>) -> Option<Temperature> {
    let kind = sysfs::text(zone.join("type"))?;
    // A zone registers a hwmon chip under its own name, with '_' for '-'; Intel's package sensor
    // is also coretemp's.
    let shown = chips.contains(&kind.replace('-', "_"))
        || (kind == "x86_pkg_temp" && chips.contains("coretemp"));
    if shown {
        return None;
    }
    Some(Temperature {
        celsius: sysfs::number(zone.join("temp")).and_then(plausible)?,
        label: kind,
    })
}

/// Millidegrees as degrees, if a machine in use can be that warm. Inputs with nothing connected
/// read 0, -128 or 127 °C, and -273 °C.
fn plausible(millidegrees: i64) -> Option<f64> {
    let celsius = tenths(millidegrees as f64 / 1000.0);
    (millidegrees != 0 && celsius > -40.0 && celsius < 126.0).then_some(celsius)
}

fn label_of(chip: &str, sensor: &str, label: Option<&str>, alone: bool) -> String {
    let which = match label {
        Some(label) => label,
        None if alone => "",
        None => sensor,
    };
    format!("{chip} {which}").trim().to_owned()
}

/// Makes labels unique: two SSDs are `nvme Composite` and `nvme Composite 2`.
fn number_duplicates(sensors: &mut [Temperature]) {
    let mut taken = HashSet::new();
    for sensor in sensors {
        let mut label = sensor.label.clone();
        let mut number = 1;
        while !taken.insert(label.clone()) {
            number += 1;
            label = format!("{} {number}", sensor.label);
        }
        sensor.label = label;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::system::fixture::tree;

    /// The sensors found in a tree of files, as `label celsius`.
    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let sys = tree(files);
        let found: Vec<_> = read(sys.path())
            .unwrap_or_default()
            .iter()
            .map(|sensor| format!("{} {}", sensor.label, sensor.celsius))
            .collect();
        assert_eq!(found, expected, "{files:?}");
    }

    #[test]
    fn a_sensor_that_hwmon_and_a_thermal_zone_both_show_is_listed_once() {
        check(
            &[
                ("class/hwmon/hwmon0/name", "cpu_thermal\n"),
                ("class/hwmon/hwmon0/temp1_input", "48312\n"),
                ("class/thermal/thermal_zone0/type", "cpu-thermal\n"),
                ("class/thermal/thermal_zone0/temp", "48312\n"),
            ],
            &["cpu_thermal 48.3"],
        );
        check(
            &[
                ("class/hwmon/hwmon0/name", "coretemp\n"),
                ("class/hwmon/hwmon0/temp1_input", "51000\n"),
                ("class/hwmon/hwmon0/temp1_label", "Package id 0\n"),
                ("class/hwmon/hwmon0/temp2_input", "50000\n"),
                ("class/hwmon/hwmon0/temp2_label", "Core 0\n"),
                ("class/thermal/thermal_zone0/type", "x86_pkg_temp\n"),
                ("class/thermal/thermal_zone0/temp", "51000\n"),
            ],
            &["coretemp Package id 0 51", "coretemp Core 0 50"],
        );
    }

    #[test]
    fn a_thermal_zone_without_a_hwmon_chip_is_listed() {
        check(
            &[
                ("class/hwmon/hwmon0/name", "cpu_thermal\n"),
                ("class/thermal/thermal_zone0/type", "cpu-thermal\n"),
                ("class/thermal/thermal_zone0/temp", "39000\n"),
                ("class/thermal/thermal_zone1/temp", "39000\n"),
                ("class/thermal/cooling_device0/type", "Fan\n"),
            ],
            &["cpu-thermal 39"],
        );
    }

    #[test]
    fn sensors_have_distinct_labels() {
        check(
            &[
                ("class/hwmon/hwmon0/name", "nvme\n"),
                ("class/hwmon/hwmon0/temp1_input", "30850\n"),
                ("class/hwmon/hwmon0/temp1_label", "Composite\n"),
                ("class/hwmon/hwmon1/name", "nvme\n"),
                ("class/hwmon/hwmon1/temp1_input", "31850\n"),
                ("class/hwmon/hwmon1/temp1_label", "Composite\n"),
                ("class/hwmon/hwmon2/device/name", "lm75\n"),
                ("class/hwmon/hwmon2/device/temp1_input", "20000\n"),
                ("class/hwmon/hwmon2/device/temp2_input", "21000\n"),
            ],
            &["nvme Composite 30.9", "nvme Composite 2 31.9", "lm75 temp1 20", "lm75 temp2 21"],
        );
    }

    #[test]
    fn what_cannot_be_a_temperature_and_drives_that_may_sleep_are_left_out() {
        check(
            &[
                ("class/hwmon/hwmon0/name", "nct6775\n"),
                ("class/hwmon/hwmon0/temp1_input", "0\n"),
                ("class/hwmon/hwmon0/temp2_input", "127000\n"),
                ("class/hwmon/hwmon0/temp3_input", "-128000\n"),
                ("class/hwmon/hwmon0/temp4_input", "garbage\n"),
                ("class/hwmon/hwmon0/temp5_input", ""),
                ("class/hwmon/hwmon0/temp6_input", "-20500\n"),
                ("class/hwmon/hwmon0/temp6_crit", "99000\n"),
                ("class/hwmon/hwmon1/name", "drivetemp\n"),
                ("class/hwmon/hwmon1/temp1_input", "33000\n"),
                ("class/hwmon/hwmon2/temp1_input", "33000\n"),
            ],
            &["nct6775 temp6 -20.5"],
        );
        assert_eq!(read(Path::new("/nonexistent")), None);
    }
}
