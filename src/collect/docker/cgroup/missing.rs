//! Why the kernel does not tell a figure of any container, and what to do about it: one line each.

use std::fs;
use std::path::Path;

use super::controller::{Controller, Version};
use super::mounts::Mounts;
use crate::collect::docker::report::Missing;
use crate::config::HostConfig;

/// Where a Raspberry Pi keeps what its kernel is started with, the newer place first.
const CMDLINES: [&str; 2] = ["boot/firmware/cmdline.txt", "boot/cmdline.txt"];

/// A controller that no container has.
pub fn controller(
    which: Controller,
    in_a_users_slice: bool,
    mounts: &Mounts,
    host: &HostConfig,
) -> Missing {
    let (figure, subject) = match which {
        Controller::Cpu => ("cpu", "The containers' processor time is not known"),
        Controller::Memory => ("memory", "The containers' memory is not known"),
        Controller::Pids => ("pids", "The containers' number of processes is not known"),
        Controller::Block => ("block", "What the containers read and write is not known"),
    };
    let reason = if is_available(which, mounts, host) {
        not_passed_on(which, in_a_users_slice)
    } else {
        not_in_the_kernel(which, host)
    };
    Missing { figure, message: format!("{subject}: {reason}.") }
}

/// No container's process can be seen.
pub fn network() -> Missing {
    let message = "The containers' network traffic is not known: takpulse cannot see their \
                   processes; where /proc is mounted with hidepid let its user see all (gid=), and \
                   give a takpulse in a container --pid=host, or the machine's /proc as host.proc.";
    Missing { figure: "network", message: message.into() }
}

/// Whether the kernel has the controller and it is not switched off.
fn is_available(which: Controller, mounts: &Mounts, host: &HostConfig) -> bool {
    let v1 = which.name(Version::V1);
    let available = mounts.v2().and_then(|mount| {
        let text = fs::read_to_string(mount.point.join("cgroup.controllers")).ok()?;
        Some(text.split_whitespace().any(|name| name == which.name(Version::V2)))
    });
    mounts.v1(v1).is_some() || available == Some(true) || is_enabled(v1, &host.proc)
}

/// What `/proc/cgroups` says: `memory 4 30 1`, the last one 0 when it is switched off. Newer kernels
/// leave out what is not there in v1.
fn is_enabled(name: &str, proc: &Path) -> bool {
    let text = fs::read_to_string(proc.join("cgroups")).unwrap_or_default();
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(name) && words.nth(2) == Some("1")
    })
}

fn not_in_the_kernel(which: Controller, host: &HostConfig) -> String {
    let (old, new) = (which.name(Version::V1), which.name(Version::V2));
    if which == Controller::Memory
        && let Some(file) = CMDLINES.iter().find(|file| host.root.join(file).is_file())
    {
        return format!(
            "the kernel's memory controller is switched off; add `cgroup_enable=memory` to the one \
             line of /{file} and reboot"
        );
    }
    let started_with = fs::read_to_string(host.proc.join("cmdline")).unwrap_or_default();
    let switch = started_with.split_whitespace().find(|word| {
        let names = word.strip_prefix("cgroup_disable=");
        names.is_some_and(|names| names.split(',').any(|name| name == old || name == new))
    });
    match switch {
        Some(switch) => format!(
            "the kernel is started with `{switch}`; take that out of the boot loader's settings and \
             reboot"
        ),
        None => format!("this machine's kernel has no {new} controller, or does not show it"),
    }
}

fn not_passed_on(which: Controller, in_a_users_slice: bool) -> String {
    let name = which.name(Version::V2);
    if in_a_users_slice {
        return format!(
            "the {name} controller is not passed on to the user whose engine this is; write \
             `[Service]` and `Delegate=cpu cpuset io memory pids` into \
             /etc/systemd/system/user@.service.d/delegate.conf and reboot"
        );
    }
    format!("the {name} controller is not switched on for their groups")
}
