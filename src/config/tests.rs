//! Faults are golden text on purpose: they are what a volunteer reads at two in the morning.

use std::collections::BTreeSet;

use super::*;

/// Loads a file with this text from a directory of its own, in an empty environment.
fn load_text(text: &str, listen: Option<&str>) -> Result<Loaded, Faults> {
    load_in(text, Overrides { listen: listen.map(str::to_owned), ..Overrides::default() })
}

fn load_in(text: &str, overrides: Overrides) -> Result<Loaded, Faults> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("config.toml");
    std::fs::write(&path, text).expect("written");
    load(Overrides { config: Some(path), ..overrides })
}

fn faults(text: &str) -> String {
    let faults = load_text(text, None).expect_err("there are faults").to_string();
    // The directory's name changes from run to run.
    faults.lines().map(|line| strip_directory(line) + "\n").collect()
}

fn strip_directory(line: &str) -> String {
    match (line.find("(/"), line.find("config.toml")) {
        (Some(start), Some(end)) => format!("{}({}", &line[..start], &line[end..]),
        _ => line.to_owned(),
    }
}

#[test]
fn the_defaults_are_the_reference_file() {
    let loaded = load_text("", None).expect("the defaults are right");
    assert_eq!(loaded.config.http.listen.to_string(), "0.0.0.0:8480");
    assert_eq!(loaded.config.system.schedule.interval, Duration::from_secs(5));
    assert_eq!(loaded.config.docker.schedule.interval, Duration::from_secs(10));
    assert_eq!(loaded.config.tak.schedule.interval, Duration::from_secs(15));
    assert_eq!(loaded.config.stream.history_bytes, 4 << 20);
    assert!(loaded.settings.iter().all(|setting| setting.place == "default"));
}

/// The reference with its commented-out settings in force.
fn uncommented_reference() -> String {
    let is_setting = |line: &str| {
        line.starts_with("# [[")
            || line
                .strip_prefix("# ")
                .and_then(|rest| rest.split_once(" = "))
                .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    };
    let lines = REFERENCE.lines().map(|line| if is_setting(line) { &line[2..] } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

/// Known by what stands in them.
const LISTS: [&str; 2] = ["auth.users", "collect.tak.servers"];

#[test]
fn the_reference_shows_every_setting_and_only_settings() {
    let loaded = load_text(&uncommented_reference(), None).expect("every example is right");
    let shown: BTreeSet<String> = loaded.settings.into_iter().map(|setting| setting.key).collect();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("all.toml");
    std::fs::write(&path, uncommented_reference()).expect("written");
    let layers =
        Layers::gather(Overrides { config: Some(path), ..Overrides::default() }).expect("parses");
    let mut root = Section::root(&layers);
    Config::read(&mut root).expect("reads");
    let known: BTreeSet<String> =
        root.known().into_iter().filter(|key| !LISTS.contains(&key.as_str())).collect();
    assert_eq!(known, shown, "config.toml and the code disagree on what the settings are");
}

#[test]
fn every_fault_is_reported_at_once_with_key_place_and_fix() {
    let text = "\
nod = \"a\"
node = \"two words\"
[http]
listen = \"localhost\"
base_path = \"/ops/../takpulse\"
trusted_proxies = [\"127.0.0.1\", \"proxy\"]
max_viewers = 0
[collect.system]
interval = 5
intervall = \"6s\"
[collect.docker]
enabled = \"yes\"
host = \"docker\"
[[collect.tak.servers]]
name = \"edge\"
[[collect.tak.servers]]
host = \"tak.example.org\"
https_port = 8443
client_key = \"k.pem\"
color = \"red\"
[[collect.tak.servers]]
host = \"two.faults\"
client_key = \"k.pem\"
[[collect.tak.servers]]
host = \"127.0.0.1\"
api_user = \"administrator\"
client_password = [\"my dear secret\"]
[colect.tak]
";
    insta::assert_snapshot!(faults(text));
}

#[test]
fn faults_of_sign_in_and_encryption_say_what_to_write_and_repeat_no_secret() {
    insta::assert_snapshot!(faults(
        "\
[tls]
mode = \"on\"
names = [\"two words\"]
password = [\"secret\"]
[auth]
session_idle = \"never\"
[[auth.users]]
name = \"a b\"
role = \"boss\"
password_hash = \"my dear secret\"
[[auth.users]]
name = \"eve\"
password_hash = \"$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$c2VjcmV0c2VjcmV0c2VjcmV0\"
[auth.client_certificates]
ca = \"\"
crl = [5]
"
    ));
    insta::assert_snapshot!(faults("[tls]\nmode = \"files\"\n"));
    insta::assert_snapshot!(faults("[auth.client_certificates]\nca = [\"/ca.pem\"]\n"));
    insta::assert_snapshot!(faults("[auth.client_certificates]\ncrl = [\"/ca.crl\"]\n"));
    let user = |name: &str| {
        let hash =
            REFERENCE.split("password_hash = \"").nth(1).and_then(|rest| rest.split('"').next());
        let hash = hash.expect("an example");
        format!(
            "[[auth.users]]\nname = \"{name}\"\nrole = \"viewer\"\npassword_hash = \"{hash}\"\n"
        )
    };
    insta::assert_snapshot!(faults(&(user("eve") + &user("bob") + &user("eve"))));
    let loaded = load_text(&user("eve"), None).expect("right");
    assert!(!format!("{loaded:?}").contains("argon2"), "not shown by accident either");
}

#[test]
fn a_section_that_is_no_table_and_a_file_that_is_no_toml_are_said_so() {
    insta::assert_snapshot!(faults("http = 5\n[bus]\nbackend = \"redis\"\n"));
    insta::assert_snapshot!(faults("[http]\nlisten = 127.0.0.1:80\n"));
    let missing =
        load(Overrides { config: Some("/nowhere/x.toml".into()), ..Overrides::default() });
    insta::assert_snapshot!(missing.expect_err("missing"));
}

#[test]
fn a_flag_wins_over_the_file_and_is_named() {
    let file = "[http]\nlisten = \"127.0.0.1:1\"\n";
    let loaded = load_text(file, Some("127.0.0.1:2")).expect("right");
    assert_eq!(loaded.config.http.listen.port(), 2);
    let faults = load_text(file, Some("nonsense")).expect_err("no address").to_string();
    assert!(
        faults.contains("http.listen: \"nonsense\" cannot be its value (--listen)"),
        "{faults}"
    );
}

#[test]
fn the_environment_wins_over_the_file_and_is_taken_as_it_is_written() {
    let variables = [
        ("TAKPULSE_NODE", "007"),
        ("TAKPULSE_HTTP__MAX_VIEWERS", "12"),
        ("TAKPULSE_COLLECT__DOCKER__ENABLED", "false"),
        ("TAKPULSE_COLLECT__TAK__INTERVAL", "3s"),
        ("TAKPULSE_CONFIG", "names the file, and is no setting"),
    ];
    let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let overrides = Overrides { environment, ..Overrides::default() };
    let config = load_in("[http]\nmax_viewers = 5\n", overrides).expect("right").config;
    assert_eq!((config.node.as_str(), config.http.max_viewers), ("007", 12));
    assert!(!config.docker.enabled);
    assert_eq!(config.tak.schedule.interval, Duration::from_secs(3));
}

#[test]
fn a_host_name_is_made_fit_to_be_a_node() {
    let name = values::host_name();
    assert!(values::node_name(&name.as_str().into()).is_ok(), "{name}");
}

#[test]
fn the_readme_names_every_setting() {
    let readme = include_str!("../../README.md");
    let settings = load_text(&uncommented_reference(), None).expect("right").settings;
    for Setting { key, .. } in settings {
        let name = match key.split_once("].") {
            Some((_, name)) => name.to_owned(),
            None => key,
        };
        assert!(readme.contains(&format!("`{name}`")), "README.md does not name {name}");
    }
}
