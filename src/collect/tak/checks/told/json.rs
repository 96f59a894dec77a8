//! Reads JSON that others wrote: a field of another type is one that is not there, a number may stand
//! in quotes, and a list has an end.
//!
//! Only what is asked for is kept while it is parsed, so that four megabytes of anything cost no more
//! memory than four megabytes.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::collect::tak::certificate::printable;

/// The longest text that is kept, in characters.
pub const MAX_TEXT_CHARS: usize = 100;

/// Of a longer list only the beginning is kept; the rest is counted.
pub const MAX_ITEMS: usize = 5000;

/// A value of whatever type.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Loose {
    /// Absent, null, a list or an object.
    #[default]
    Nothing,
    /// A text, cut to [`MAX_TEXT_CHARS`].
    Text(String),
    /// A number; always finite.
    Number(f64),
    /// A truth value.
    Flag(bool),
}

impl Loose {
    /// The text, if there is something in it.
    pub fn text(&self) -> Option<String> {
        let text = match self {
            Loose::Text(text) => text.trim().to_owned(),
            // A longer one is no name of anything.
            Loose::Number(number) if number.abs() < 1e15 => number.to_string(),
            _ => return None,
        };
        (!text.is_empty() && text != "null").then_some(text)
    }

    /// The number, also one in quotes.
    pub fn number(&self) -> Option<f64> {
        match self {
            Loose::Number(number) => Some(*number),
            Loose::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }

    /// The number if it is a count: whole parts only, and none below zero.
    pub fn count(&self) -> Option<u64> {
        // Beyond 2^53 a double counts no longer by ones; no counter gets there.
        self.number().filter(|number| (0.0..9e15).contains(number)).map(|number| number as u64)
    }

    /// The truth value, also one in quotes.
    pub fn flag(&self) -> Option<bool> {
        match self {
            Loose::Flag(flag) => Some(*flag),
            Loose::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Loose, D::Error> {
        from.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Loose, E> {
        Ok(Loose::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Loose, E> {
        Ok(Loose::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Loose, E> {
        Ok(Loose::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Loose, E> {
        Ok(if number.is_finite() { Loose::Number(number) } else { Loose::Nothing })
    }

    fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
        Ok(Loose::Text(printable(text, MAX_TEXT_CHARS)))
    }

    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Loose, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Loose, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose::Nothing)
    }
}

/// An object, or nothing where something else stands.
#[derive(Debug)]
pub struct Object<T>(pub Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Object<T> {
        Object(None)
    }
}

/// A list of objects; absent where something else stands.
#[derive(Debug)]
pub struct List<T> {
    /// Its objects, at most [`MAX_ITEMS`]; what is none is left out.
    pub items: Option<Vec<T>>,
    /// How many more there were.
    pub more: u64,
}

impl<T> Default for List<T> {
    fn default() -> List<T> {
        List { items: None, more: 0 }
    }
}

/// Makes the visitor of a type that takes one JSON shape and lets the others pass.
macro_rules! lenient {
    ($type:ident, $visitor:ident, $what:literal, { $($visit:item)* }) => {
        impl<'de, T: Deserialize<'de>> Deserialize<'de> for $type<T> {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<$type<T>, D::Error> {
                from.deserialize_any($visitor(PhantomData))
            }
        }

        struct $visitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for $visitor<T> {
            type Value = $type<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($what)
            }

            fn visit_bool<E>(self, _: bool) -> Result<$type<T>, E> {
                Ok($type::default())
            }

            fn visit_i64<E>(self, _: i64) -> Result<$type<T>, E> {
                Ok($type::default())
            }

            fn visit_u64<E>(self, _: u64) -> Result<$type<T>, E> {
                Ok($type::default())
            }

            fn visit_f64<E>(self, _: f64) -> Result<$type<T>, E> {
                Ok($type::default())
            }

            fn visit_str<E>(self, _: &str) -> Result<$type<T>, E> {
                Ok($type::default())
            }

            fn visit_unit<E>(self) -> Result<$type<T>, E> {
                Ok($type::default())
            }

            $($visit)*
        }
    };
}

lenient!(Object, ObjectVisitor, "an object", {
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Object<T>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Object(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(|value| Object(Some(value)))
    }
});

lenient!(List, ListVisitor, "a list", {
    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<List<T>, A::Error> {
        let mut items = Vec::new();
        while items.len() < MAX_ITEMS {
            match from.next_element::<Object<T>>()? {
                Some(Object(item)) => items.extend(item),
                None => return Ok(List { items: Some(items), more: 0 }),
            }
        }
        let mut more = 0;
        while from.next_element::<IgnoredAny>()?.is_some() {
            more += 1;
        }
        Ok(List { items: Some(items), more })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<List<T>, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(List::default())
    }
});

/// An object.
///
/// # Errors
/// What is wrong with it, in words without anything from it.
pub fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let Object(value) = serde_json::from_slice::<Object<T>>(body).map_err(unfit)?;
    value.ok_or_else(|| "it is no JSON object".to_owned())
}

/// The objects in the list `data` of an answer of the Marti API, and how many more there were.
///
/// # Errors
/// As of [`object`].
pub fn data<T: DeserializeOwned>(body: &[u8]) -> Result<(Vec<T>, u64), String> {
    // The derive wants to know that `List<T>` needs nothing of `T`.
    #[derive(Deserialize)]
    #[serde(bound = "T: Deserialize<'de>")]
    struct Envelope<T> {
        #[serde(default)]
        data: List<T>,
    }
    let List { items, more } = object::<Envelope<T>>(body)?.data;
    items.map(|items| (items, more)).ok_or_else(|| "it holds no list `data`".to_owned())
}

/// serde_json tells the place, and may quote what it found there: that is not passed on.
fn unfit(error: serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Eof => "it is not complete".to_owned(),
        _ => format!("it is not the JSON that was expected (line {})", error.line()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq, Default)]
    #[serde(default)]
    struct Pair {
        a: Loose,
        b: Loose,
    }

    #[test]
    fn a_value_is_taken_for_what_it_can_be() {
        type Case<'a> = (&'a str, Option<&'a str>, Option<f64>, Option<u64>, Option<bool>);
        let cases: [Case<'_>; 15] = [
            ("\"text\"", Some("text"), None, None, None),
            ("\" a\\u001b[31m \"", Some("a[31m"), None, None, None),
            ("\"\"", None, None, None, None),
            ("\"null\"", None, None, None, None),
            ("\"85\"", Some("85"), Some(85.0), Some(85), None),
            ("\"NaN\"", Some("NaN"), None, None, None),
            ("8443", Some("8443"), Some(8443.0), Some(8443), None),
            ("1.5E9", Some("1500000000"), Some(1.5e9), Some(1_500_000_000), None),
            ("-1", Some("-1"), Some(-1.0), None, None),
            ("1e300", None, Some(1e300), None, None),
            ("true", None, None, None, Some(true)),
            ("\"false\"", Some("false"), None, None, Some(false)),
            ("null", None, None, None, None),
            ("[1,[2]]", None, None, None, None),
            ("{\"x\":{}}", None, None, None, None),
        ];
        for (json, text, number, count, flag) in cases {
            let loose: Loose = serde_json::from_str(json).expect("JSON");
            assert_eq!(loose.text().as_deref(), text, "{json}");
            assert_eq!(
                (loose.number(), loose.count(), loose.flag()),
                (number, count, flag),
                "{json}"
            );
        }
        let long = format!("\"{}\"", "x".repeat(4000));
        let loose: Loose = serde_json::from_str(&long).expect("JSON");
        assert_eq!(loose.text().map(|text| text.len()), Some(MAX_TEXT_CHARS));
    }

    #[test]
    fn a_list_keeps_what_fits_and_counts_the_rest() {
        let one = Pair { a: Loose::Number(1.0), b: Loose::Nothing };
        let json = br#"{"type":"x","data":[{"a":1,"c":[]},2,"x",null,[3],{"a":{"b":1}}],"z":{}}"#;
        let (items, more) = data::<Pair>(json).expect("a list");
        assert_eq!((items, more), (vec![one, Pair::default()], 0));
        let long = format!("{{\"data\":[{}{{}}]}}", "{},".repeat(MAX_ITEMS + 6));
        let (items, more) = data::<Pair>(long.as_bytes()).expect("a list");
        assert_eq!((items.len(), more), (MAX_ITEMS, 7));
    }

    #[test]
    fn what_does_not_fit_is_said_without_quoting_it() {
        for (json, want) in [
            ("", "it is not complete"),
            ("{\"data\":[{\"a\":1}", "it is not complete"),
            ("<html>secret", "it is not the JSON that was expected (line 1)"),
            ("{\"data\":[secret]}", "it is not the JSON that was expected (line 1)"),
            ("[]", "it is no JSON object"),
            ("\"secret\"", "it is no JSON object"),
            ("{}", "it holds no list `data`"),
            ("{\"data\":null}", "it holds no list `data`"),
            ("{\"data\":{\"a\":1}}", "it holds no list `data`"),
            ("{\"data\":\"secret\"}", "it holds no list `data`"),
        ] {
            assert_eq!(data::<Pair>(json.as_bytes()).expect_err(json), want, "{json}");
        }
        let deep = format!("{{\"data\":{}", "[".repeat(100_000));
        assert!(data::<Pair>(deep.as_bytes()).is_err());
    }
}
