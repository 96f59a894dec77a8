//! INI as Python's `configparser` reads it, which is what taky reads its configuration with: comments
//! begin a line, names are of any case, an indented line belongs to the value before it.
//!
//! A library of our own language reads another dialect (comments within a line, escapes), and would
//! see another server than taky does.
//!
//! Architecture invariant: pure.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::Syntax;

/// More options than this are not kept; taky has some thirty.
const MAX_OPTIONS: usize = 1024;

/// The options by `section.name`. Holds passwords, so it is not to be shown.
pub(super) struct Options(BTreeMap<String, String>);

impl Options {
    /// Reads it.
    ///
    /// # Errors
    /// What `configparser` refuses, too: a line before any section, and what stands there twice.
    pub fn parse(text: &str) -> Result<Options, Syntax> {
        let mut options: BTreeMap<String, String> = BTreeMap::new();
        let (mut sections, mut section) = (BTreeSet::new(), None);
        // The option that an indented line belongs to, and how far it is indented itself.
        let mut last: Option<(String, usize)> = None;
        for (line, number) in text.lines().zip(1..) {
            let content = line.trim();
            if content.is_empty() || content.starts_with(['#', ';']) {
                continue;
            }
            let indent = line.len() - line.trim_start().len();
            if let Some((key, of)) = &last
                && indent > *of
            {
                let value = options.entry(key.clone()).or_default();
                value.push('\n');
                value.push_str(content);
                continue;
            }
            if let Some((name, _)) =
                content.strip_prefix('[').and_then(|rest| rest.rsplit_once(']'))
            {
                if !sections.insert(name) {
                    return Err(fault(number, "has this section twice", "put both into one"));
                }
                section = Some(name);
                last = None;
                continue;
            }
            let Some(section) = section else {
                let fix = "put a section such as [taky] before it";
                return Err(fault(number, "has a line that is in no section", fix));
            };
            let (name, value) = content.split_once(['=', ':']).unwrap_or((content, ""));
            let key = format!("{section}.{}", name.trim_end().to_lowercase());
            if options.contains_key(&key) {
                return Err(fault(number, "has this option twice", "remove one of them"));
            }
            if options.len() >= MAX_OPTIONS {
                break;
            }
            options.insert(key.clone(), value.trim_start().replace("%%", "%"));
            last = Some((key, indent));
        }
        Ok(Options(options))
    }

    /// The value of an option; absent and empty are the same.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }
}

fn fault(line: u32, problem: &'static str, fix: &'static str) -> Syntax {
    Syntax::at(line, 1, problem, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_python_reads_it() {
        let text = "# c\n; c\n[taky]\nHostname = tak ; not a comment\nbind_ip=\nempty\nredis: a=b\n  more\n\n\
                    [ssl] rest\nkey_pw = 100%%\n  # c\n";
        let options = Options::parse(text).expect("it is well-formed");
        let all: Vec<_> = options.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            all,
            [
                "ssl.key_pw=100%",
                "taky.bind_ip=",
                "taky.empty=",
                "taky.hostname=tak ; not a comment",
                "taky.redis=a=b\nmore",
            ]
        );
        assert_eq!(options.get("taky.bind_ip"), None);
    }

    #[test]
    fn what_python_refuses_is_told_with_its_line_and_without_the_content() {
        let cases = [
            ("hush = 1\n", "taky.conf:1:1 has a line that is in no section: put a section"),
            ("[a]\nhush=1\nhush=2\n", "taky.conf:3:1 has this option twice: remove one of them"),
            ("[hush]\n[b]\n[hush]\n", "taky.conf:3:1 has this section twice: put both into one"),
        ];
        for (text, want) in cases {
            let message = Options::parse(text).err().map(|why| why.of("taky.conf").to_string());
            let message = message.unwrap_or_default();
            assert!(message.starts_with(want) && !message.contains("hush"), "{message}");
        }
        let many: String = (0..5000).map(|n| format!("k{n}=1\n")).collect();
        assert!(Options::parse(&format!("[a]\n{many}")).is_ok_and(|o| o.0.len() == MAX_OPTIONS));
    }
}
