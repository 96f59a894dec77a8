//! The layers a configuration is made of, and where each value came from.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use figment::providers::Serialized;
use figment::value::{Dict, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Faults};
use super::secret::{MASKED, is_secret};
use super::{REFERENCE, values};

const PREFIX: &str = "TAKPULSE_";
const DEFAULT: &str = "default";
const FLAG: &str = "flag";
const ENVIRONMENT: &str = "environment";
/// Where a configuration is looked for when none is named.
const CUSTOMARY: [&str; 2] = ["config.toml", "/etc/takpulse/config.toml"];

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config`: this file, which must exist.
    pub config: Option<PathBuf>,
    /// `--listen`: over everything else.
    pub listen: Option<String>,
    /// The environment variables that begin with `TAKPULSE_`, whole.
    pub environment: Vec<(String, String)>,
}

impl Overrides {
    /// The command line's, with this process's environment.
    pub fn with_environment(config: Option<PathBuf>, listen: Option<String>) -> Overrides {
        let text = |os: OsString| os.to_string_lossy().into_owned();
        let environment = std::env::vars_os()
            .map(|(name, value)| (text(name), text(value)))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        Overrides { config, listen, environment }
    }
}

/// One setting in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its key, such as `http.listen`.
    pub key: String,
    /// Its value as TOML.
    pub value: String,
    /// Where it came from.
    pub place: String,
}

/// All layers, merged.
pub(super) struct Layers {
    figment: Figment,
    file: Option<TomlFile>,
}

impl Layers {
    /// # Errors
    /// The file that was named is missing, or a file is no TOML.
    pub(super) fn gather(overrides: Overrides) -> Result<Layers, Faults> {
        let customary = || CUSTOMARY.iter().map(PathBuf::from).find(|path| is_there(path));
        let path = overrides.config.or_else(customary);
        let file = path.as_deref().map(TomlFile::read).transpose()?;
        let mut figment = Figment::from(TomlFile::reference()?);
        if let Some(file) = &file {
            figment = figment.merge(file);
        }
        figment = figment.merge(Environment::of(&overrides.environment));
        if let Some(listen) = overrides.listen {
            figment = figment.merge(Flag(Serialized::default("http.listen", listen)));
        }
        Ok(Layers { figment, file })
    }

    /// The merged values.
    pub(super) fn values(&self) -> Dict {
        let all = self.figment.find_value("").ok().and_then(Value::into_dict);
        all.unwrap_or_default()
    }

    /// Where the value of a key came from.
    pub(super) fn place(&self, key: &str) -> String {
        // An array's element has no source of its own: it is the array's.
        let array = key.split('[').next().unwrap_or(key);
        let source = self.figment.find_metadata(array);
        let file = self.file.as_ref();
        match source.map(|metadata| metadata.name.as_ref()) {
            Some(DEFAULT) => DEFAULT.into(),
            Some(FLAG) => format!("--{}", key.rsplit('.').next().unwrap_or(key)),
            Some(ENVIRONMENT) => format!("environment variable {}", variable(array)),
            _ => file.map_or_else(|| DEFAULT.into(), |file| file.place(key)),
        }
    }

    /// The file that was read.
    pub(super) fn file(&self) -> Option<PathBuf> {
        self.file.as_ref().map(|file| file.path.clone())
    }

    /// Every value that is set.
    pub(super) fn settings(&self) -> Vec<Setting> {
        leaves(&self.values())
            .into_iter()
            .map(|(key, value)| Setting {
                place: self.place(&key),
                value: if is_secret(&key) { MASKED.into() } else { values::show(&value) },
                key,
            })
            .collect()
    }
}

/// The environment variable of a key.
fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

/// The values that are no tables, with their full keys.
pub(super) fn leaves(dict: &Dict) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (key, value) in dict {
        gather_leaves(key.clone(), value, &mut found);
    }
    found
}

fn gather_leaves(key: String, value: &Value, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Dict(_, dict) if !dict.is_empty() => {
            dict.iter()
                .for_each(|(name, value)| gather_leaves(format!("{key}.{name}"), value, found));
        }
        Value::Array(_, items) if items.iter().any(|item| item.as_dict().is_some()) => {
            for (index, item) in items.iter().enumerate() {
                gather_leaves(format!("{key}[{index}]"), item, found);
            }
        }
        leaf => found.push((key, leaf.clone())),
    }
}

/// Also when it may not be looked at: reading it then says so, instead of passing it by in silence.
fn is_there(path: &Path) -> bool {
    path.try_exists().unwrap_or(true)
}

/// The layer from the environment. Every value is text, as it was written (`007` stays `007`);
/// what is a number or a truth is read from the text. (figment's own would guess the type.)
struct Environment(Dict);

impl Environment {
    fn of(variables: &[(String, String)]) -> Environment {
        let mut dict = Dict::new();
        for (name, value) in variables {
            let key = name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase();
            // $TAKPULSE_CONFIG names the file, $TAKPULSE_TOKEN is for `takpulse publish`, and
            // $TAKPULSE_ADMIN_PASSWORD for the first start.
            if !matches!(key.as_str(), "config" | "token" | "admin_password") {
                put(&mut dict, &key, value);
            }
        }
        Environment(dict)
    }
}

/// Puts a value at `a__b__c`.
fn put(dict: &mut Dict, key: &str, value: &str) {
    let Some((table, rest)) = key.split_once("__") else {
        dict.insert(key.to_owned(), Value::String(Tag::Default, value.to_owned()));
        return;
    };
    let inner = dict.entry(table.to_owned()).or_insert_with(|| Value::from(Dict::new()));
    if let Value::Dict(_, inner) = inner {
        put(inner, rest, value);
    }
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named(ENVIRONMENT)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.0.clone()))
    }
}

/// A layer from the command line.
struct Flag(Serialized<String>);

impl Provider for Flag {
    fn metadata(&self) -> Metadata {
        Metadata::named(FLAG)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        self.0.data()
    }
}

/// A TOML file whose keys know their lines (figment's own reader does not).
struct TomlFile {
    path: PathBuf,
    name: &'static str,
    data: Dict,
    lines: HashMap<String, usize>,
}

impl TomlFile {
    fn reference() -> Result<TomlFile, Faults> {
        TomlFile::parse(Path::new(DEFAULT), DEFAULT, REFERENCE)
    }

    fn read(path: &Path) -> Result<TomlFile, Faults> {
        let text = std::fs::read_to_string(path).map_err(|why| {
            file_fault(
                path,
                format!("it cannot be read: {why}"),
                "name a readable file with --config",
            )
        })?;
        TomlFile::parse(path, "file", &text)
    }

    fn parse(path: &Path, name: &'static str, text: &str) -> Result<TomlFile, Faults> {
        let broken = |why: toml::de::Error| {
            let line = why.span().map_or(1, |span| line_of(text, span.start));
            file_fault(
                path,
                format!("line {line} is not TOML: {}", why.message().replace('\n', " ")),
                "write key = value; text stands in \"quotes\"",
            )
        };
        let table = DeTable::parse(text).map_err(broken)?;
        let mut lines = HashMap::new();
        note_lines("", table.get_ref(), text, &mut lines);
        let plain: toml::Table = toml::from_str(text).map_err(broken)?;
        let data = Value::serialize(plain).ok().and_then(Value::into_dict).unwrap_or_default();
        Ok(TomlFile { path: path.into(), name, data, lines })
    }

    fn place(&self, key: &str) -> String {
        let line = self.lines.get(key).map(|line| format!(" line {line}"));
        format!("{}{}", self.path.display(), line.unwrap_or_default())
    }
}

impl Provider for TomlFile {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.data.clone()))
    }
}

fn file_fault(path: &Path, problem: String, fix: &str) -> Faults {
    let place = path.display().to_string();
    Faults(vec![Fault { key: String::new(), place, problem, fix: fix.into() }])
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

fn note_lines(prefix: &str, table: &DeTable<'_>, text: &str, lines: &mut HashMap<String, usize>) {
    for (key, value) in table {
        let name = if prefix.is_empty() {
            key.get_ref().to_string()
        } else {
            format!("{prefix}.{}", key.get_ref())
        };
        lines.insert(name.clone(), line_of(text, key.span().start));
        note_value(&name, value, text, lines);
    }
}

fn note_value(
    name: &str,
    value: &Spanned<DeValue<'_>>,
    text: &str,
    lines: &mut HashMap<String, usize>,
) {
    match value.get_ref() {
        DeValue::Table(table) => note_lines(name, table, text, lines),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let name = format!("{name}[{index}]");
                lines.insert(name.clone(), line_of(text, item.span().start));
                note_value(&name, item, text, lines);
            }
        }
        _ => {}
    }
}
