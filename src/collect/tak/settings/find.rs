//! Which file a server's configuration is in: told by what runs, as the server itself looks for it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::fault::{SettingsFault, Syntax};
use super::owner::{Environment, Owner};
use super::reach::Reach;
use super::{Settings, core_config, free_tak, open_tak, taky};
use crate::collect::tak::presence::{Component, TakProcess};
use crate::collect::tak::report::Flavor;
use crate::config::HostConfig;

/// Where TAK Server is installed.
const OPT_TAK: &str = "/opt/tak";

/// Variables and arguments are read up to here.
const MAX_PROCESS_BYTES: u64 = 1024 * 1024;

/// Where a configuration is to be looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    flavor: Flavor,
    pub reach: Reach,
    pub owner: Owner,
    /// As the server knows them, the first that is there counts.
    pub files: Vec<PathBuf>,
    /// Whether the server works without any of them.
    pub optional: bool,
    /// Whether its network is its own.
    pub own_network: bool,
}

/// Says where to look; `None` where there is no server.
pub(super) fn source(
    host: &HostConfig,
    processes: &[TakProcess],
    opt_tak: bool,
) -> Option<Result<Source, SettingsFault>> {
    // The part that clients connect to has it in any case.
    let serves = processes.iter().find(|process| process.component.serves_cot());
    match serves.or(processes.first()) {
        Some(process) => Some(of_process(host, process, processes)),
        None if opt_tak => Some(Ok(Source {
            files: core_configs(Path::new(OPT_TAK)),
            owner: Owner { folder: OPT_TAK.into(), ..Owner::default() },
            reach: Reach::host(host),
            flavor: Flavor::TakServer,
            optional: false,
            own_network: false,
        })),
        None => None,
    }
}

fn of_process(
    host: &HostConfig,
    process: &TakProcess,
    all: &[TakProcess],
) -> Result<Source, SettingsFault> {
    let flavor = process.component.flavor();
    let path = host.proc.join(process.pid.to_string());
    let hidden = |name: &str| SettingsFault::hidden(&path.join(name), flavor.title());
    let reach = Reach::of(host, process).map_err(|_| hidden("root"))?;
    let folder = fs::read_link(path.join("cwd"));
    let environment = || read(&path.join("environ")).map(|text| Environment::parse(&text));
    let mut owner = Owner {
        runs: all.iter().map(|p| p.component).filter(|c| c.flavor() == flavor).collect(),
        ..Owner::default()
    };
    let mut optional = false;
    let files = match flavor {
        Flavor::TakServer => {
            let default = |_| PathBuf::from(OPT_TAK);
            owner.folder = folder.unwrap_or_else(default);
            core_configs(&owner.folder)
        }
        Flavor::OpenTakServer => {
            owner.environment = environment().map_err(|_| hidden("environ"))?;
            owner.folder = open_tak::data_folder(&owner.environment);
            vec![owner.path("config.yml")]
        }
        Flavor::FreeTakServer => {
            owner.environment = environment().map_err(|_| hidden("environ"))?;
            owner.folder = folder.unwrap_or_else(|_| "/".into());
            optional = true;
            vec![owner.path(&free_tak::file(&owner.environment).to_string_lossy())]
        }
        Flavor::Taky => {
            owner.gunicorn = all
                .iter()
                .filter(|one| one.component == Component::TakyDps)
                .any(|one| is_gunicorn(&host.proc.join(one.pid.to_string())));
            let named = taky_file(&path, process.component);
            // Whoever names an absolute path does not depend on where it runs.
            owner.folder = match (folder, &named) {
                (Ok(folder), _) => folder,
                (Err(_), Some(file)) if Path::new(file).is_absolute() => "/".into(),
                (Err(_), _) => return Err(hidden("cwd")),
            };
            optional = true;
            match named {
                Some(file) => vec![owner.path(&file)],
                None => vec![owner.path(taky::LOCAL_FILE), taky::SYSTEM_FILE.into()],
            }
        }
    };
    let own_network = process.network.is_own();
    Ok(Source { flavor, reach, owner, files, optional, own_network })
}

/// As TAK Server looks for it (its `LocalConfiguration`): in its images it is in `data`.
fn core_configs(folder: &Path) -> Vec<PathBuf> {
    vec![folder.join("data/CoreConfig.xml"), folder.join("CoreConfig.xml")]
}

/// The file that a taky was told to read.
fn taky_file(process: &Path, component: Component) -> Option<String> {
    let cmdline = read(&process.join("cmdline")).unwrap_or_default();
    let arguments = cmdline.split(|byte| *byte == 0);
    let arguments: Vec<String> =
        arguments.map(|argument| String::from_utf8_lossy(argument).into_owned()).collect();
    let variable = || {
        let environ = read(&process.join("environ")).ok()?;
        Environment::parse(&environ).get("TAKY_CONFIG").map(str::to_owned)
    };
    let variable = if component == Component::TakyDps { variable() } else { None };
    variable.or_else(|| taky::named(&arguments).map(str::to_owned))
}

/// Whether gunicorn runs it, `python3 /v/bin/gunicorn -b :9000 taky.dps:app`, or as it calls itself.
fn is_gunicorn(process: &Path) -> bool {
    let cmdline = read(&process.join("cmdline")).unwrap_or_default();
    let mut programs = cmdline.split(|byte| *byte == 0).take(2);
    programs.any(|program| {
        let name = program.rsplit(|byte| *byte == b'/').next();
        name.is_some_and(|name| name.starts_with(b"gunicorn"))
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_PROCESS_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Source {
    /// Reads the configuration; `text` is that of `file`, or there is none.
    ///
    /// # Errors
    /// It is not written as it should be.
    pub fn parse(&self, file: &Path, text: Option<&str>) -> Result<Settings, Syntax> {
        match self.flavor {
            Flavor::TakServer => core_config::parse(text.unwrap_or_default(), &self.owner),
            Flavor::OpenTakServer => open_tak::parse(text.unwrap_or_default(), &self.owner),
            Flavor::FreeTakServer => free_tak::parse(text.unwrap_or_default(), &self.owner),
            Flavor::Taky => {
                let folder = text.and_then(|_| file.parent()).unwrap_or(&self.owner.folder);
                let owner = Owner { folder: folder.to_owned(), ..self.owner.clone() };
                taky::parse(text, &owner)
            }
        }
    }
}
