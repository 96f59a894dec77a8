//! What containers use, straight from the kernel: the files of their control groups and their
//! processes' `net/dev`. The engine is asked for nothing, and reads nothing either.
//!
//! A container's group is found once for each of its runs. Everything in here blocks: the kernel may
//! have to add up what its processors counted apart, so it is called on a thread for that.
//!
//! Architecture invariant: knows neither bollard nor the engine; only what [`Running`] says.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open, openat};
use rustix::process::{Resource, getrlimit};
use tokio::time::Instant;

use super::readings::Running;
use super::report::Missing;
use super::stats::Sample;
use crate::config::HostConfig;
use controller::Controller;
use files::{Ended, Files};
use find::{Place, by_id, by_process};
use membership::is_full_id;
use mounts::Mounts;

mod controller;
mod counters;
mod files;
mod find;
#[cfg(test)]
pub(super) mod fixture;
mod membership;
mod missing;
mod mounts;

/// So many files stay open at the most (six for a container), and never more than an eighth of what
/// this process may open: the others are for viewers.
const MOST_HELD: usize = 600;

/// A container that was not found is looked for again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// A `/proc/<pid>/cgroup` or a `mountinfo` that is longer is not read.
const LONGEST: u64 = 4 << 20;

/// The groups of the running containers.
#[derive(Debug)]
pub struct Groups {
    host: HostConfig,
    mounts: Mounts,
    /// By full id.
    known: HashMap<String, Known>,
    /// So many files may stay open.
    most_held: usize,
    buffer: Vec<u8>,
    /// What no container has, and what is said about it.
    missing: (Lacks, Vec<Missing>),
}

/// What is known of where a container's figures are.
#[derive(Debug)]
struct Known {
    /// Which run of it that was: its process, and when it was started.
    run: (Option<u32>, Option<f64>),
    looked_at: Instant,
    /// `None`: nothing on this machine can be read.
    group: Option<Group>,
}

/// A group that was found.
#[derive(Debug)]
struct Group {
    /// `None`: too many are open, so they are opened each time.
    files: Option<Files>,
    lacks: Lacks,
}

/// What a container does not have, or, of several, none has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lacks {
    /// In the order of [`Controller::ALL`].
    controllers: [bool; 4],
    /// The figures of a network of its own; absent where there is none.
    network: Option<bool>,
    /// It belongs to an engine that a user runs.
    in_a_users_slice: bool,
}

/// What the kernel said about a container.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// This.
    Sample(Sample),
    /// That it has ended just now.
    Ended,
    /// Nothing: it is on another machine, or may not be read.
    Nothing,
}

impl Groups {
    /// The groups of the machine whose files are where `host` says. Nothing is read yet.
    pub fn new(host: HostConfig) -> Groups {
        Groups {
            host,
            mounts: Mounts::default(),
            known: HashMap::new(),
            most_held: most_held(),
            buffer: Vec::new(),
            missing: Default::default(),
        }
    }

    /// Reads the figures of those containers that are `due` (the others only still run), in their
    /// order, and says what cannot be told of any.
    pub fn read(&mut self, running: &[(Running, bool)]) -> (Vec<Told>, Vec<Missing>) {
        let ids: HashSet<&str> = running.iter().map(|(one, _)| one.id.as_str()).collect();
        self.known.retain(|id, _| ids.contains(id.as_str()));
        let due = || running.iter().filter(|(_, due)| *due).map(|(one, _)| one);
        if due().any(|one| self.is_new(one)) {
            self.mounts = self.read_mounts();
        }
        let mut held = self.held();
        let told = due().map(|one| self.tell(one, &mut held)).collect();
        self.explain_what_is_missing();
        (told, self.missing.1.clone())
    }

    /// How many files are open.
    fn held(&self) -> usize {
        self.known.values().map(Known::held).sum()
    }

    /// Whether it has to be looked for.
    fn is_new(&self, one: &Running) -> bool {
        self.known.get(&one.id).is_none_or(|known| !known.is_about(one))
    }

    fn read_mounts(&self) -> Mounts {
        let mountinfo = bounded(fs::File::open(self.host.proc.join("self/mountinfo")));
        Mounts::parse(&mountinfo.unwrap_or_default(), &self.host.sys)
    }

    fn tell(&mut self, one: &Running, held: &mut usize) -> Told {
        match self.known.get_mut(&one.id).filter(|known| known.is_about(one)) {
            Some(Known { group: None, .. }) => Told::Nothing,
            Some(Known { group: Some(Group { files: Some(files), .. }), .. }) => {
                let told = Told::of(files.read(&mut self.buffer));
                if told == Told::Ended {
                    *held -= files.count();
                    self.known.remove(&one.id);
                }
                told
            }
            _ => self.look(one, held),
        }
    }

    /// Finds its group, reads it, and keeps the files open if there is room for them.
    fn look(&mut self, one: &Running, held: &mut usize) -> Told {
        let mut found = self.find(one);
        let told = found
            .as_mut()
            .map_or(Told::Nothing, |(files, _)| Told::of(files.read(&mut self.buffer)));
        // The files of the run before are closed.
        *held -= self.known.remove(&one.id).as_ref().map_or(0, Known::held);
        let group = found.map(|(files, lacks)| {
            let with_it = *held + files.count();
            let has_room = with_it <= self.most_held;
            *held = if has_room { with_it } else { *held };
            Group { files: has_room.then_some(files), lacks }
        });
        let known = Known { run: (one.pid, one.started_at), looked_at: Instant::now(), group };
        self.known.insert(one.id.clone(), known);
        told
    }

    fn find(&self, one: &Running) -> Option<(Files, Lacks)> {
        if !is_full_id(&one.id) {
            return None;
        }
        let process = one.pid.and_then(|pid| self.process(pid, &one.id));
        let at_process = process
            .as_ref()
            .and_then(|(_, cgroup)| opened(by_process(&self.mounts, cgroup, &one.id)));
        let (mut files, place) = at_process.or_else(|| opened(by_id(&self.mounts, &one.id)))?;
        let lacks = Lacks {
            controllers: Controller::ALL.map(|which| files.lacks(which)),
            // Without a process to look for, nothing is known of its network.
            network: (one.has_own_network && one.pid.is_some()).then_some(process.is_none()),
            in_a_users_slice: is_in_a_users_slice(&place),
        };
        if let Some((directory, _)) = process.filter(|_| one.has_own_network) {
            files.watch_network(directory);
        }
        Some((files, lacks))
    }

    /// The directory of a process that belongs to this container, and its `cgroup`.
    fn process(&self, pid: u32, id: &str) -> Option<(OwnedFd, String)> {
        let path = self.host.proc.join(pid.to_string());
        let directory =
            open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let directory = directory.ok()?;
        let file = openat(&directory, "cgroup", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let cgroup =
            String::from_utf8(bounded(file.map(fs::File::from).map_err(io::Error::from)).ok()?)
                .ok()?;
        cgroup.contains(id).then_some((directory, cgroup))
    }

    fn explain_what_is_missing(&mut self) {
        let groups = self.known.values().filter_map(|known| known.group.as_ref());
        let lacks = groups.map(|group| group.lacks).reduce(Lacks::both).unwrap_or_default();
        if lacks != self.missing.0 {
            self.missing = (lacks, lacks.explain(&self.mounts, &self.host));
        }
    }
}

impl Known {
    /// Whether this is still so for this run.
    fn is_about(&self, one: &Running) -> bool {
        let is_recent = self.group.is_some() || self.looked_at.elapsed() < LOOK_AGAIN;
        self.run == (one.pid, one.started_at) && is_recent
    }

    fn held(&self) -> usize {
        let files = self.group.as_ref().and_then(|group| group.files.as_ref());
        files.map_or(0, Files::count)
    }
}

impl Lacks {
    /// What neither has.
    fn both(self, other: Lacks) -> Lacks {
        let mut controllers = self.controllers;
        for (mine, its) in controllers.iter_mut().zip(other.controllers) {
            *mine &= its;
        }
        Lacks {
            controllers,
            network: match (self.network, other.network) {
                (Some(mine), Some(its)) => Some(mine && its),
                (mine, its) => mine.or(its),
            },
            in_a_users_slice: self.in_a_users_slice && other.in_a_users_slice,
        }
    }

    fn explain(self, mounts: &Mounts, host: &HostConfig) -> Vec<Missing> {
        let lacking = Controller::ALL.into_iter().filter(|which| self.controllers[*which as usize]);
        let network = (self.network == Some(true)).then(missing::network);
        lacking
            .map(|which| missing::controller(which, self.in_a_users_slice, mounts, host))
            .chain(network)
            .collect()
    }
}

impl Told {
    fn of(read: Result<Sample, Ended>) -> Told {
        read.map_or(Told::Ended, Told::Sample)
    }
}

fn opened(place: Place) -> Option<(Files, Place)> {
    Files::open(&place).ok().map(|files| (files, place))
}

fn is_in_a_users_slice(place: &Place) -> bool {
    let mut names = place.iter().flatten().flat_map(|dir| dir.path.components());
    names.any(|name| name.as_os_str() == "user.slice")
}

fn most_held() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) / 8;
    usize::try_from(limit).unwrap_or(usize::MAX).min(MOST_HELD)
}

/// What a file contains, up to a limit.
fn bounded(file: io::Result<fs::File>) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file?.take(LONGEST).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests;
