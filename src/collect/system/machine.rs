//! The machine itself: its names, its processor, its memory. What sysinfo reads, and only that.

use std::path::Path;

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use super::report::{Cpu, Host, Memory, percent};
use super::sysfs;
use crate::collect::figures::tenths;

/// Reads the machine; the processor's load is measured from one reading to the next.
pub(super) struct Machine {
    /// Absent where sysinfo cannot work.
    system: Option<System>,
    /// What stays the same until the next boot; without the uptime.
    names: Host,
}

impl Machine {
    /// Reads the names, and takes the processor's counters so that the next reading (at least
    /// [`sysinfo::MINIMUM_CPU_UPDATE_INTERVAL`] later) has something to compare with.
    pub(super) fn new(root: &Path) -> Machine {
        let cpu = CpuRefreshKind::nothing().with_usage();
        Machine {
            system: System::new_with_specifics(RefreshKind::nothing().with_cpu(cpu)).ok(),
            names: Host {
                name: host_name(root),
                os: os_name(root),
                kernel: System::kernel_version().ok(),
                arch: Some(System::cpu_arch()).filter(|arch| !arch.is_empty()),
                uptime_seconds: None,
            },
        }
    }

    /// The names, and for how long it has been up.
    pub(super) fn host(&self) -> Option<Host> {
        let host = Host { uptime_seconds: System::uptime().ok(), ..self.names.clone() };
        (host != Host::default()).then_some(host)
    }

    /// How busy the cores have been since the previous call.
    pub(super) fn cpu(&mut self) -> Option<Cpu> {
        let mut cpu = Cpu {
            load_average: System::load_average()
                .ok()
                .map(|load| [load.one, load.five, load.fifteen]),
            ..Cpu::default()
        };
        if let Some(system) = &mut self.system {
            system.refresh_cpu_usage();
            let cores = system.cpus();
            cpu.per_core_percent = cores.iter().map(|core| share(core.usage())).collect();
            cpu.cores = Some(cores.len()).filter(|cores| *cores > 0);
            cpu.percent = cpu.cores.map(|_| share(system.global_cpu_usage()));
        }
        (cpu != Cpu::default()).then_some(cpu)
    }

    /// What is used now.
    pub(super) fn memory(&mut self) -> Option<Memory> {
        let system = self.system.as_mut()?;
        system.refresh_memory_specifics(MemoryRefreshKind::everything());
        memory(
            [system.total_memory(), system.available_memory(), system.free_memory()],
            [system.total_swap(), system.free_swap()],
        )
    }
}

/// Sums up memory (total, available, free) and swap (total, free); all in bytes. Without a total
/// nothing is known; without an available, what is free is the least that is available.
fn memory([total, available, free]: [u64; 3], [swap, swap_free]: [u64; 2]) -> Option<Memory> {
    let available = [available, free].into_iter().find(|bytes| *bytes > 0)?.min(total);
    let used = total - available;
    let swap_used = swap.saturating_sub(swap_free);
    Some(Memory {
        total_bytes: total,
        used_bytes: used,
        available_bytes: available,
        percent: percent(used, total)?,
        swap_total_bytes: swap,
        swap_used_bytes: swap_used,
        swap_percent: percent(swap_used, swap),
    })
}

fn share(percent: f32) -> f64 {
    tenths(f64::from(percent).clamp(0.0, 100.0))
}

/// The host's name: inside a container, what the host's own file says.
fn host_name(root: &Path) -> Option<String> {
    if root == Path::new("/") {
        return System::host_name().ok().filter(|name| !name.is_empty());
    }
    sysfs::text(root.join("etc/hostname"))
}

fn os_name(root: &Path) -> Option<String> {
    ["etc/os-release", "usr/lib/os-release"]
        .into_iter()
        .filter_map(|file| sysfs::text(root.join(file)))
        .find_map(|text| pretty_name(&text))
}

/// Reads `PRETTY_NAME`, which is written as a shell would want it.
fn pretty_name(os_release: &str) -> Option<String> {
    let value = os_release.lines().find_map(|line| line.trim().strip_prefix("PRETTY_NAME="))?;
    let unquoted = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value);
    let name = unquoted.replace('\\', "");
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::system::fixture::tree;

    #[test]
    fn page_cache_is_not_used_memory_and_nothing_is_made_up() {
        let used = |memory: Option<Memory>| memory.map(|m| (m.used_bytes, m.percent));
        for (ram, expected) in [
            // 8 GB with 1 GB free and 5 GB more in the page cache.
            ([8_000, 6_000, 1_000], Some((2_000, 25.0))),
            // The kernel does not say what is available.
            ([8_000, 0, 1_000], Some((7_000, 87.5))),
            ([8_000, 0, 0], None),
            ([0, 0, 0], None),
            ([0, 5, 5], None),
            // More available than there is: a board that hides what its GPU took.
            ([1_000, 1_200, 900], Some((0, 0.0))),
        ] {
            assert_eq!(used(memory(ram, [0, 0])), expected, "{ram:?}");
        }
    }

    #[test]
    fn swap_that_is_not_there_has_no_percentage() {
        let swap = |total, free| {
            memory([10, 5, 5], [total, free]).map(|m| (m.swap_used_bytes, m.swap_percent))
        };
        assert_eq!(swap(0, 0), Some((0, None)));
        assert_eq!(swap(400, 300), Some((100, Some(25.0))));
        assert_eq!(swap(400, 500), Some((0, Some(0.0))));
    }

    #[test]
    fn the_system_is_called_as_it_calls_itself() {
        for (text, expected) in [
            (
                "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
                Some("Debian GNU/Linux 12 (bookworm)"),
            ),
            ("PRETTY_NAME='Alpine Linux v3.22'", Some("Alpine Linux v3.22")),
            ("PRETTY_NAME=Void", Some("Void")),
            ("PRETTY_NAME=\"Bob\\'s \\\"OS\\\"\"", Some("Bob's \"OS\"")),
            ("PRETTY_NAME=\"", Some("\"")),
            ("PRETTY_NAME=", None),
            ("PRETTY_NAME=\"\"", None),
            ("NAME=x", None),
            ("", None),
        ] {
            assert_eq!(pretty_name(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn the_hosts_names_are_read_from_the_hosts_files() {
        let root = tree(&[
            ("etc/hostname", "van-1\n"),
            ("usr/lib/os-release", "PRETTY_NAME=\"Raspberry Pi OS\"\n"),
        ]);
        let host = Machine::new(root.path()).host().expect("names");
        assert_eq!(host.name.as_deref(), Some("van-1"));
        assert_eq!(host.os.as_deref(), Some("Raspberry Pi OS"));
        assert!(host.kernel.is_some() && host.arch.is_some() && host.uptime_seconds.is_some());
    }
}
