//! Reads what the engine says about containers, also where it says it in words that bollard does not know.
//!
//! bollard knows the states of Docker's documentation and refuses a whole list for one other word. Podman's
//! own states (`stopped`, `configured`, `initialized`) come through its Docker API in some versions.

use bollard::errors::Error;
use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::connect::Engine;

/// All containers, running or not, without those that cannot be read.
///
/// # Errors
/// The engine does not answer, or none of its answer can be read.
pub async fn list(engine: &Engine) -> Result<Vec<ContainerSummary>, Error> {
    let said = engine.get("/containers/json?all=true").await?;
    let all: Vec<&RawValue> = serde_json::from_slice(&said)?;
    let read = all.iter().map(|one| read(one.get().as_bytes(), listed_state));
    let (readable, odd): (Vec<_>, Vec<_>) = read.partition(Result::is_ok);
    match odd.into_iter().next() {
        Some(Err(why)) if readable.is_empty() => Err(why.into()),
        _ => Ok(readable.into_iter().flatten().collect()),
    }
}

/// All that the engine knows of one container.
///
/// # Errors
/// The engine does not answer, or its answer cannot be read.
pub async fn inspect(engine: &Engine, id: &str) -> Result<ContainerInspectResponse, Error> {
    let said = engine.get(&format!("/containers/{id}/json")).await?;
    Ok(read(&said, inspected_state)?)
}

/// Reads it as it is; where that fails, with `state` mended. From bytes both times: to read these types out
/// of a `Value` as well took a tenth of a megabyte of code.
fn read<T: DeserializeOwned>(
    said: &[u8],
    state: impl Fn(&mut Value),
) -> Result<T, serde_json::Error> {
    serde_json::from_slice(said).or_else(|_| {
        let mut said: Value = serde_json::from_slice(said)?;
        state(&mut said);
        serde_json::from_slice(&serde_json::to_vec(&said)?)
    })
}

fn listed_state(said: &mut Value) {
    let runs = said["Status"].as_str().is_some_and(|sentence| sentence.starts_with("Up"));
    if let Some(state) = said.get_mut("State") {
        know(state, runs);
    }
}

fn inspected_state(said: &mut Value) {
    let runs = said["State"]["Running"] == true;
    if let Some(state) = said.get_mut("State").and_then(|all| all.get_mut("Status")) {
        know(state, runs);
    }
}

/// Replaces a state that nobody knows by the one that is nearest to it.
fn know(state: &mut Value, runs: bool) {
    let known = match state.as_str() {
        Some(word) if word.parse::<ContainerStateStatusEnum>().is_ok() => return,
        Some("configured" | "initialized") => "created",
        Some(_) if runs => "running",
        Some(_) => "exited",
        None => return,
    };
    *state = known.into();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_state_that_nobody_knows_is_taken_for_the_nearest_one() {
        for (state, runs, known) in [
            ("stopped", false, "exited"),
            ("configured", false, "created"),
            ("initialized", false, "created"),
            ("frozen", true, "running"),
            ("frozen", false, "exited"),
        ] {
            let sentence = if runs { "Up 3 minutes" } else { "" };
            let said = json!({"Id": "a", "State": state, "Status": sentence}).to_string();
            let listed: ContainerSummary =
                read(said.as_bytes(), listed_state).expect("it is readable");
            assert_eq!(listed.state.expect("a state").as_ref(), known, "{state}");
            assert_eq!(listed.id.as_deref(), Some("a"), "and the rest stays");
            let said = json!({"Id": "a", "State": {"Status": state, "Running": runs}}).to_string();
            let said: ContainerInspectResponse =
                read(said.as_bytes(), inspected_state).expect("it is readable");
            let status = said.state.and_then(|state| state.status);
            assert_eq!(status.expect("a state").as_ref(), known, "{state}");
        }
    }

    #[test]
    fn what_is_no_container_stays_unreadable() {
        for said in ["7", "[]", "null", r#"{"Id": 7}"#, r#"{"State": 7}"#, r#"{"Id": "a""#] {
            let read = read::<ContainerSummary>(said.as_bytes(), listed_state);
            assert!(read.is_err(), "{said}: {read:?}");
        }
    }
}
