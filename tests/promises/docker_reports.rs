//! Looks at the containers as a viewer of `docker_status` does.

use serde_json::Value;

use crate::app::Stream;

/// An interval of an hour proves that what is seen earlier was seen because it happened.
pub const EVENTS_ONLY: &str = "1h";

/// Only Docker, where this engine listens, read this often.
pub fn config(host: &str, interval: &str) -> String {
    format!(
        "[collect.system]\nenabled = false\n[collect.tak]\nenabled = false\n\
         [collect.docker]\nhost = \"{host}\"\ninterval = \"{interval}\"\nunwatched_interval = \"1h\"\n"
    )
}

/// A container in a report.
pub fn container<'a>(report: &'a Value, name: &str) -> Option<&'a Value> {
    report["containers"].as_array()?.iter().find(|container| container["name"] == name)
}

/// Waits for a container to be as wanted; returns it.
pub fn see(stream: &mut Stream, name: &str, what: &str, want: impl Fn(&Value) -> bool) -> Value {
    let report = stream
        .until(&format!("{name}: {what}"), |report| container(report, name).is_some_and(&want));
    container(&report, name).cloned().unwrap_or_default()
}

/// Waits for a container's field to have this value; returns the container.
pub fn see_field(stream: &mut Stream, name: &str, field: &str, value: Value) -> Value {
    see(stream, name, &format!("{field} is {value}"), |container| container[field] == value)
}

/// Waits for an engine of this status, whose message says this.
pub fn see_engine(stream: &mut Stream, status: &str, says: &str) -> Value {
    stream.until(&format!("{status}: {says}"), |report| {
        let engine = &report["engine"];
        let message = engine["message"].as_str().unwrap_or_default();
        engine["status"] == status && message.contains(says)
    })
}
