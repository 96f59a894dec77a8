//! How sysfs says things: one value a file, one directory a device.
//!
//! Whatever cannot be read is absent: drivers answer with errors for sensors that sleep, and a
//! device may be pulled out between two reads.

use std::fs;
use std::path::{Path, PathBuf};

/// The value in a file, without the line break; absent when it is empty.
pub(super) fn text(path: impl AsRef<Path>) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let value = text.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// The number in a file.
pub(super) fn number(path: impl AsRef<Path>) -> Option<i64> {
    text(path)?.parse().ok()
}

/// The entries of a directory whose names start with `prefix`, ordered so that `hwmon2` comes
/// before `hwmon10`; empty when there is no such directory.
pub(super) fn entries(dir: impl AsRef<Path>, prefix: &str) -> Vec<(String, PathBuf)> {
    let Ok(found) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut entries: Vec<_> = found
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            name.starts_with(prefix).then(|| (name, entry.path()))
        })
        .collect();
    entries.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_trimmed_and_an_empty_or_missing_one_is_absent() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("temp1_input");
        for (content, as_text, as_number) in [
            ("48312\n", Some("48312"), Some(48312)),
            ("-5000\n", Some("-5000"), Some(-5000)),
            ("Charging\n", Some("Charging"), None),
            ("12x", Some("12x"), None),
            ("99999999999999999999", Some("99999999999999999999"), None),
            ("\n", None, None),
            ("", None, None),
        ] {
            fs::write(&file, content).expect("written");
            assert_eq!(text(&file).as_deref(), as_text, "{content:?}");
            assert_eq!(number(&file), as_number, "{content:?}");
        }
        fs::write(&file, b"\xff\xfe").expect("written");
        assert_eq!(text(&file), None);
        assert_eq!(text(dir.path().join("nothing")), None);
    }

    #[test]
    fn devices_come_in_the_order_of_their_numbers() {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["hwmon10", "hwmon2", "hwmon0", "other"] {
            fs::create_dir(dir.path().join(name)).expect("created");
        }
        let names: Vec<_> =
            entries(dir.path(), "hwmon").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["hwmon0", "hwmon2", "hwmon10"]);
        assert!(entries(dir.path().join("nothing"), "").is_empty());
    }
}
