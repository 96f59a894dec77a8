//! The scalars of a YAML text by their keys, which is all that the servers' configurations want:
//! `OTS_CA_FOLDER`, `Addresses.FTS_COT_PORT`.
//!
//! It stands on the parser's events: no tree is built, no alias is followed, and nesting costs nothing.
//!
//! Architecture invariant: pure.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::fault::Syntax;

/// Keys nest this deep at most: a section and a key in it.
const MAX_KEYS: usize = 2;

/// Nobody nests deeper by hand or by program.
const MAX_DEPTH: usize = 64;

/// More settings than this are not kept; OpenTAKServer has some two hundred.
const MAX_SCALARS: usize = 4096;

/// The scalars. Holds passwords, so it is not to be shown.
pub(super) struct Scalars(BTreeMap<String, String>);

/// A collection that is being read.
enum Level {
    /// The key whose value comes next, if it is one.
    Mapping(Option<String>),
    Sequence,
}

impl Scalars {
    /// Reads the first document.
    ///
    /// # Errors
    /// It is no YAML.
    pub fn parse(text: &str) -> Result<Scalars, Syntax> {
        let mut scalars = BTreeMap::new();
        let mut levels: Vec<Level> = Vec::new();
        for event in Parser::new_from_str(text) {
            let (event, _) = event.map_err(|why| {
                let at = why.marker();
                let (line, column) = (at.line(), at.col() + 1);
                Syntax::at(
                    u32::try_from(line).unwrap_or(u32::MAX),
                    u32::try_from(column).unwrap_or(u32::MAX),
                    "is no YAML from here on",
                    "correct it there: look at the spaces at the line's beginning, at quotes and colons",
                )
            })?;
            match event {
                Event::Scalar(value, style, ..) => scalar(&mut scalars, &mut levels, &value, style),
                // What an alias stands for is told where it is defined.
                Event::Alias(_) => finish_value(&mut levels),
                Event::MappingStart(..) => levels.push(Level::Mapping(None)),
                Event::SequenceStart(..) => levels.push(Level::Sequence),
                Event::MappingEnd | Event::SequenceEnd => {
                    levels.pop();
                    finish_value(&mut levels);
                }
                Event::DocumentEnd => break,
                _ => {}
            }
            if levels.len() > MAX_DEPTH {
                return Err(Syntax {
                    at: None,
                    problem: "is nested deeper than a configuration is",
                    fix: "look whether it is the server's configuration",
                });
            }
        }
        Ok(Scalars(scalars))
    }

    /// The value of a key; absent, empty and `null` are the same.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

/// A key, or the value of the last one.
fn scalar(
    scalars: &mut BTreeMap<String, String>,
    levels: &mut [Level],
    text: &str,
    style: ScalarStyle,
) {
    if let Some(Level::Mapping(key @ None)) = levels.last_mut() {
        *key = Some(text.to_owned());
        return;
    }
    let keys: Option<Vec<&str>> = levels
        .iter()
        .map(|level| match level {
            Level::Mapping(key) => key.as_deref().filter(|key| !key.is_empty()),
            Level::Sequence => None,
        })
        .collect();
    let is_null =
        style == ScalarStyle::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL");
    if let Some(keys) = keys.filter(|keys| (1..=MAX_KEYS).contains(&keys.len()))
        && scalars.len() < MAX_SCALARS
    {
        let key = keys.join(".");
        // The last one counts, as for the servers' parser.
        match is_null {
            true => scalars.remove(&key),
            false => scalars.insert(key, text.to_owned()),
        };
    }
    finish_value(levels);
}

/// After a value comes the next key.
fn finish_value(levels: &mut [Level]) {
    if let Some(Level::Mapping(key)) = levels.last_mut() {
        // A collection may be a key itself; nobody asks for what is below it.
        *key = match key {
            Some(_) => None,
            None => Some(String::new()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_found_by_their_keys() {
        let text = "A: 1\nB: 'x: y'\nC: null\nD: \"null\"\nE:\nL: [1, {A: 2}]\nJOBS:\n- {id: x}\n- A: 3\n\
                    S:\n  A: 4\n  T:\n    A: 5\n  B: 6\n? [k]\n: v\nF: &a 7\nG: *a\nH: 8\nA: 9\n---\nH: 10\n";
        let scalars = Scalars::parse(text).expect("it is YAML");
        let all: Vec<_> = scalars.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(all, ["A=9", "B=x: y", "D=null", "F=7", "H=8", "S.A=4", "S.B=6"]);
    }

    #[test]
    fn a_syntax_error_is_told_with_its_place_and_without_the_content() {
        let cases = [
            ("A: 1\nB: \"hush\n", "config.yml:"),
            ("A: hush: 2\n", "config.yml:1:8 is no YAML from here on"),
            ("A: [hush\n", "config.yml:"),
            ("A: 1\n  B: hush\n", "config.yml:2:4"),
        ];
        for (text, want) in cases {
            let fault = Scalars::parse(text).err().map(|why| why.of("config.yml").to_string());
            let message = fault.unwrap_or_default();
            assert!(message.starts_with(want), "{text:?}: {message}");
            assert!(!message.contains("hush"), "{message}");
        }
        assert!(Scalars::parse(&"[".repeat(100)).is_err());
        assert!(Scalars::parse(&"[".repeat(100_000)).is_err());
        assert!(Scalars::parse("").is_ok_and(|scalars| scalars.0.is_empty()));
        let many: String = (0..10_000).map(|n| format!("K{n}: 1\n")).collect();
        assert!(Scalars::parse(&many).is_ok_and(|scalars| scalars.0.len() == MAX_SCALARS));
    }
}
