//! Single values: each reader takes what the layers hold and returns it typed, or says what to write
//! instead.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use figment::value::{Num, Value};
use tracing::Level;

use super::LogFormat;
use super::secret::Secret;

/// A value, or what to write instead.
pub(super) type Read<T> = Result<T, String>;

/// A value as TOML would write it.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("{text:?}"),
        Value::Char(_, letter) => format!("{:?}", letter.to_string()),
        Value::Bool(_, yes) => yes.to_string(),
        Value::Num(_, number) => show_number(number),
        Value::Empty(..) => "nothing".into(),
        Value::Dict(..) => "a table".into(),
        Value::Array(_, items) => {
            format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", "))
        }
    }
}

fn show_number(number: &Num) -> String {
    match (number.to_u128(), number.to_i128(), number.to_f64()) {
        (Some(number), _, _) => number.to_string(),
        (_, Some(number), _) => number.to_string(),
        (_, _, number) => number.unwrap_or_default().to_string(),
    }
}

/// A whole number; the environment's are text.
fn whole(value: &Value) -> Option<u128> {
    let written = || quoted(value)?.parse().ok();
    value.to_i128().and_then(|number| u128::try_from(number).ok()).or_else(written)
}

/// Text; a number is text too, where text is asked for.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Char(_, letter) => Some(letter.to_string()),
        Value::Num(_, number) => Some(show_number(number)),
        _ => None,
    }
}

pub(super) fn quoted(value: &Value) -> Option<&str> {
    value.as_str()
}

pub(super) fn flag(value: &Value) -> Read<bool> {
    let written = quoted(value).and_then(|text| text.parse().ok());
    value.to_bool().or(written).ok_or_else(|| "true or false".into())
}

/// A whole number from `least` to `most`.
pub(super) fn count(least: usize, most: usize) -> impl Fn(&Value) -> Read<usize> {
    move |value| {
        whole(value)
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| format!("a whole number from {least} to {most}"))
    }
}

/// A length of time from `least` to `most` seconds.
pub(super) fn duration(least: u64, most: u64) -> impl Fn(&Value) -> Read<Duration> {
    let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
    move |value| {
        quoted(value)
            .and_then(|text| humantime::parse_duration(text).ok())
            .filter(|length| (least..=most).contains(length))
            .ok_or_else(|| {
                format!(
                    "a length of time from \"{}\" to \"{}\", such as \"15s\"",
                    humantime::format_duration(least),
                    humantime::format_duration(most)
                )
            })
    }
}

/// A size from `least` to `most` bytes: a number, or a number with KiB, MiB or GiB.
pub(super) fn bytes(least: usize, most: usize) -> impl Fn(&Value) -> Read<usize> {
    move |value| {
        text(value)
            .and_then(|text| parse_bytes(&text))
            .filter(|size| (least..=most).contains(size))
            .ok_or_else(|| {
                format!(
                    "a size from \"{}KiB\" to \"{}MiB\", such as \"4MiB\"",
                    least >> 10,
                    most >> 20
                )
            })
    }
}

fn parse_bytes(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let factor = match text[digits.len()..].trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(factor)
}

pub(super) fn port(value: &Value) -> Read<u16> {
    let number = whole(value).and_then(|number| u16::try_from(number).ok());
    number.filter(|port| *port > 0).ok_or_else(|| "a port from 1 to 65535".into())
}

pub(super) fn path(value: &Value) -> Read<PathBuf> {
    quoted(value)
        .filter(|text| !text.is_empty())
        .map(PathBuf::from)
        .ok_or_else(|| "a path, such as \"/etc/takpulse/client.pem\"".into())
}

/// Where the state is kept when nobody says: where systemd says, else as root where services keep
/// theirs, else in the user's own directory.
pub(super) fn state_dir() -> PathBuf {
    let from =
        |name: &str| std::env::var_os(name).filter(|text| !text.is_empty()).map(PathBuf::from);
    if let Some(given) = from("STATE_DIRECTORY") {
        // systemd puts colons between several.
        let first = given.as_os_str().as_bytes().split(|byte| *byte == b':').next();
        return PathBuf::from(OsStr::from_bytes(first.unwrap_or_default()));
    }
    if rustix::process::geteuid().is_root() {
        return "/var/lib/takpulse".into();
    }
    let own = from("XDG_STATE_HOME").or_else(|| from("HOME").map(|home| home.join(".local/state")));
    // Without a home there is no place that is surely our own; what is kept there is checked.
    own.unwrap_or_else(|| "/var/lib".into()).join("takpulse")
}

/// A number of things a second.
pub(super) fn rate(value: &Value) -> Read<f64> {
    let written = || quoted(value)?.parse().ok();
    let number = value.to_f64().or_else(|| value.to_i128().map(|whole| whole as f64));
    let number = number.or_else(written);
    number
        .filter(|rate| (0.01..=100_000.0).contains(rate))
        .ok_or_else(|| "a number from 0.01 to 100000".into())
}

/// A list, each of whose items `item` reads; the environment's are one text, with commas between them.
/// `wanted` is what to write instead.
pub(super) fn list<T>(
    item: impl Fn(&Value) -> Read<T>,
    wanted: &'static str,
) -> impl Fn(&Value) -> Read<Vec<T>> {
    move |value| {
        let items: Read<Vec<T>> = match value {
            Value::Array(_, items) => items.iter().map(&item).collect(),
            text => match quoted(text).map(str::trim) {
                None => return Err(wanted.into()),
                Some("") => Ok(Vec::new()),
                Some(list) => list.split(',').map(|text| item(&text.trim().into())).collect(),
            },
        };
        items.map_err(|_| wanted.into())
    }
}

/// The name of an event type.
pub(super) fn topic_name(value: &Value) -> Read<String> {
    let name = quoted(value).map(str::trim).filter(|name| is_topic_name(name));
    name.map(str::to_owned).ok_or_else(|| TOPICS.into())
}

pub(super) const TOPICS: &str = "a list of types, each a lower-case letter and up to 63 of a-z, 0-9, \
    '_', '.' and '-', such as [\"weather\", \"team.note\"]";

/// A text that is not shown.
pub(super) fn secret(value: &Value) -> Read<Secret> {
    text(value).map(Secret::new).ok_or_else(|| "a text in quotes".into())
}

/// As the stream takes them (the configuration is a leaf, and does not ask it).
fn is_topic_name(name: &str) -> bool {
    let plain = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_.-".contains(letter)
    };
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(plain)
}

pub(super) fn listen_address(value: &Value) -> Read<SocketAddr> {
    quoted(value).and_then(|text| text.parse().ok()).ok_or_else(|| {
        "an IP address and a port, such as \"127.0.0.1:8480\" or \"[::]:8480\"".into()
    })
}

pub(super) fn node_name(value: &Value) -> Read<String> {
    text(value)
        .filter(|name| is_node_name(name))
        .ok_or_else(|| "1 to 63 letters, digits, '.', '_' and '-', such as \"edge-1\"".into())
}

fn is_node_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-_".contains(letter))
}

/// The host's name, made fit to be a node's.
pub(super) fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let fit = |letter: char| {
        if is_node_name(letter.encode_utf8(&mut [0; 4])) { letter } else { '-' }
    };
    let name: String = name.chars().map(fit).take(63).collect();
    if name.is_empty() { "takpulse".into() } else { name }
}

pub(super) fn server_name(value: &Value) -> Read<String> {
    text(value)
        .filter(|name| {
            !name.is_empty() && !name.chars().any(|c| c.is_control() || c.is_whitespace())
        })
        .ok_or_else(|| "a name without spaces, such as \"127.0.0.1\" or \"tak.example.org\"".into())
}

pub(super) fn docker_host(value: &Value) -> Read<String> {
    let schemes = ["unix://", "tcp://", "http://", "/"];
    quoted(value)
        .filter(|host| {
            schemes.iter().any(|scheme| host.len() > scheme.len() && host.starts_with(scheme))
        })
        .map(str::to_owned)
        .ok_or_else(|| "\"unix:///path/to/docker.sock\" or \"tcp://address:port\"".into())
}

pub(super) fn memory_only(value: &Value) -> Read<()> {
    if quoted(value) == Some("memory") { Ok(()) } else { Err("\"memory\"".into()) }
}

pub(super) fn log_level(value: &Value) -> Read<Level> {
    quoted(value)
        .filter(|text| !text.starts_with(|first: char| first.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"".into())
}

pub(super) fn log_format(value: &Value) -> Read<LogFormat> {
    match quoted(value) {
        Some("text") => Ok(LogFormat::Text),
        Some("json") => Ok(LogFormat::Json),
        _ => Err("\"text\" or \"json\"".into()),
    }
}
