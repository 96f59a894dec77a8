//! Pressure stall information: whether work waits for cores, memory or disks.
//!
//! It tells a busy box from an overwhelmed one, which load averages cannot.

use std::fs;
use std::path::Path;

use super::report::{Pressure, Stall};

/// Reads `<proc>/pressure`; absent on kernels without it, or booted with `psi=0`.
pub(super) fn read(proc: &Path) -> Option<Pressure> {
    let stall = |resource: &str| {
        let text = fs::read_to_string(proc.join("pressure").join(resource)).ok()?;
        parse(&text)
    };
    let pressure = Pressure {
        // The kernel fills the machine's "full" line for cores with zeros that mean nothing.
        cpu: stall("cpu").map(|stall| Stall { full_avg10_percent: None, ..stall }),
        memory: stall("memory"),
        io: stall("io"),
    };
    (pressure != Pressure::default()).then_some(pressure)
}

/// Reads one resource's `some` and `full` lines.
fn parse(text: &str) -> Option<Stall> {
    let avg10 = |kind: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(kind)?.trim_start().strip_prefix("avg10="))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
            .filter(|share| (0.0..=100.0).contains(share))
    };
    Some(Stall { some_avg10_percent: avg10("some")?, full_avg10_percent: avg10("full") })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IO: &str = "some avg10=6.76 avg60=1.40 avg300=0.77 total=18929572\n\
                      full avg10=5.57 avg60=1.17 avg300=0.70 total=17882576\n";

    #[test]
    fn stalls_are_read_or_absent() {
        let stall = |some, full| Some(Stall { some_avg10_percent: some, full_avg10_percent: full });
        let cases = [
            (IO, stall(6.76, Some(5.57))),
            ("some avg10=0.00 avg60=0.00\n", stall(0.0, None)),
            ("some avg10=1.5", stall(1.5, None)),
            ("some avg10=2.00 avg60=0\nfull avg1", stall(2.0, None)),
            ("full avg10=5.57 avg60=1.17", None),
            ("some avg10=\n", None),
            ("some avg10=NaN avg60=0\n", None),
            ("some avg10=250 avg60=0\n", None),
            ("", None),
            ("\0\u{fffd}some\n\n", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_missing_file_leaves_only_its_own_field_out() {
        let proc = tempfile::tempdir().expect("a directory");
        assert_eq!(read(proc.path()), None);
        fs::create_dir(proc.path().join("pressure")).expect("created");
        fs::write(proc.path().join("pressure/io"), IO).expect("written");
        fs::write(proc.path().join("pressure/cpu"), IO).expect("written");
        let pressure = read(proc.path()).expect("two of three");
        assert_eq!(pressure.memory, None);
        assert_eq!(pressure.io.and_then(|io| io.full_avg10_percent), Some(5.57));
        assert_eq!(pressure.cpu.and_then(|cpu| cpu.full_avg10_percent), None);
    }
}
