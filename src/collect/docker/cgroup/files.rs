//! The open files of one container's group, and what they say.
//!
//! They stay open between two readings: to open one costs ten times what reading it does. That holds
//! up nothing (a group can be removed; its files then answer `ENODEV`), with one exception: an open
//! `/proc/<pid>/net/dev` would keep the container's network from being taken down. So of the process
//! only its directory is held, which keeps nothing alive, and which is never that of another process
//! that got the same number later.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, openat};
use tokio::time::Instant;

use super::super::stats::{Counters, Sample, Source, without_cache};
use super::controller::{self, Controller, Parser, Version};
use super::counters::net_dev;
use super::find::{Dir, Place};

/// What is longer than this is not read to its end, and so not known. The longest is a kilobyte, save
/// for machines of hundreds of disks or containers of hundreds of interfaces.
const LONGEST: usize = 64 << 10;

/// Most files are shorter than this.
const USUAL: usize = 4 << 10;

/// The kernel hands out a file of many lines in pieces of a page, less the line that did not fit: a
/// piece that is smaller than this is the last. To ask once more costs as much as to read.
const LEAST: usize = 2 << 10;

/// In a group in which nothing ran, memory and processes stay what they were, save that the kernel may take
/// memory back: so they are read again after this. `memory.stat` alone costs as much as all other files
/// of a group, and most containers sleep most of the time.
const STILL: Duration = Duration::from_secs(30);

/// The files of one container.
#[derive(Debug)]
pub struct Files {
    cpu: Option<Counter<u64>>,
    memory: Option<Counter<u64>>,
    cache: Option<Counter<u64>>,
    pids: Option<Counter<u64>>,
    block: Option<Counter<[u64; 2]>>,
    /// The directory of its first process, where its network's figures are wanted and can be seen.
    process: Option<OwnedFd>,
    /// What was read when it had last run.
    seen: Option<Seen>,
}

/// What a group holds, and when it did.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Instant,
    /// Read before the rest: what runs amid it shows the next time.
    cpu_nanoseconds: u64,
    memory_bytes: Option<u64>,
    pids: Option<u64>,
}

/// An open file and how it is read.
#[derive(Debug)]
struct Counter<T> {
    file: File,
    parse: Parser<T>,
}

/// The group is not there any more: its last process has ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended;

impl Files {
    /// Opens what there is at this place.
    ///
    /// # Errors
    /// There is nothing, or something that may not be opened.
    pub fn open(place: &Place) -> io::Result<Files> {
        let dir = |which: Controller| place[which as usize].as_ref();
        let files = Files {
            cpu: open(dir(Controller::Cpu), controller::cpu)?,
            memory: open(dir(Controller::Memory), controller::memory)?,
            cache: open(dir(Controller::Memory), controller::cache)?,
            pids: open(dir(Controller::Pids), controller::pids)?,
            block: open(dir(Controller::Block), controller::block)?,
            process: None,
            seen: None,
        };
        let lacks_all = Controller::ALL.iter().all(|which| files.lacks(*which));
        if lacks_all { Err(io::ErrorKind::NotFound.into()) } else { Ok(files) }
    }

    /// Reads the network's figures from now on: of the one that this process is in.
    pub fn watch_network(&mut self, process: OwnedFd) {
        self.process = Some(process);
    }

    /// Whether the kernel has no file for this.
    pub fn lacks(&self, which: Controller) -> bool {
        match which {
            Controller::Cpu => self.cpu.is_none(),
            Controller::Memory => self.memory.is_none() || self.cache.is_none(),
            Controller::Pids => self.pids.is_none(),
            Controller::Block => self.block.is_none(),
        }
    }

    /// How many files are open.
    pub fn count(&self) -> usize {
        [
            self.cpu.is_some(),
            self.memory.is_some(),
            self.cache.is_some(),
            self.pids.is_some(),
            self.block.is_some(),
            self.process.is_some(),
        ]
        .iter()
        .map(|is_open| usize::from(*is_open))
        .sum()
    }

    /// What they say now. What cannot be read or is no number is not known.
    ///
    /// # Errors
    /// The group is gone.
    pub fn read(&mut self, buffer: &mut Vec<u8>) -> Result<Sample, Ended> {
        let at = Instant::now();
        let cpu_nanoseconds = read(self.cpu.as_ref(), buffer)?;
        let (memory_bytes, pids) = self.read_held(at, cpu_nanoseconds, buffer)?;
        let block = read(self.block.as_ref(), buffer)?;
        let network = self.process.as_ref().and_then(|process| {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let file = File::from(openat(process, "net/dev", flags, Mode::empty()).ok()?);
            net_dev(whole(&file, buffer).ok()?)
        });
        Ok(Sample {
            at,
            source: Source::Kernel,
            counters: Counters {
                cpu_nanoseconds,
                rx_bytes: network.map(|[rx, _]| rx),
                tx_bytes: network.map(|[_, tx]| tx),
                read_bytes: block.map(|[read, _]| read),
                write_bytes: block.map(|[_, written]| written),
            },
            memory_bytes,
            pids,
        })
    }

    /// Its memory without the cache, and how many processes it has.
    fn read_held(
        &mut self,
        at: Instant,
        cpu_nanoseconds: Option<u64>,
        buffer: &mut Vec<u8>,
    ) -> Result<(Option<u64>, Option<u64>), Ended> {
        let is_still = |seen: &Seen| {
            cpu_nanoseconds == Some(seen.cpu_nanoseconds) && at.duration_since(seen.at) < STILL
        };
        if let Some(seen) = self.seen.filter(is_still) {
            return Ok((seen.memory_bytes, seen.pids));
        }
        let usage = read(self.memory.as_ref(), buffer)?;
        let cache = read(self.cache.as_ref(), buffer)?;
        let memory_bytes = usage.zip(cache).and_then(|(usage, cache)| without_cache(usage, cache));
        // One of its processes runs, or it would not: 0 is only said amid its end.
        let pids = read(self.pids.as_ref(), buffer)?.filter(|pids| *pids > 0);
        self.seen =
            cpu_nanoseconds.map(|cpu_nanoseconds| Seen { at, cpu_nanoseconds, memory_bytes, pids });
        Ok((memory_bytes, pids))
    }
}

fn open<T>(
    dir: Option<&Dir>,
    names: fn(Version) -> (&'static [&'static str], Parser<T>),
) -> io::Result<Option<Counter<T>>> {
    let Some(dir) = dir else { return Ok(None) };
    let (names, parse) = names(dir.version);
    for name in names {
        match File::open(dir.path.join(name)) {
            Ok(file) => return Ok(Some(Counter { file, parse })),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(why),
        }
    }
    Ok(None)
}

fn read<T>(counter: Option<&Counter<T>>, buffer: &mut Vec<u8>) -> Result<Option<T>, Ended> {
    let Some(Counter { file, parse }) = counter else { return Ok(None) };
    match whole(file, buffer) {
        Ok(text) => Ok(parse(text)),
        Err(why) if why.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) => {
            Err(Ended)
        }
        Err(_) => Ok(None),
    }
}

/// All that is in a file, from its beginning.
///
/// # Errors
/// It cannot be read, or is longer than [`LONGEST`].
fn whole<'a>(file: &File, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
    let mut length = 0;
    loop {
        if length == buffer.len() {
            if length == LONGEST {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            buffer.resize((length * 2).clamp(USUAL, LONGEST), 0);
        }
        let room = buffer.len() - length;
        let more = file.read_at(&mut buffer[length..], length as u64)?;
        length += more;
        if more < room.min(LEAST) {
            return Ok(&buffer[..length]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_to_its_end_or_not_at_all() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        let mut buffer = Vec::new();
        // The long one leaves a large buffer behind, which the short ones after it are read into.
        for length in [0, 1, LEAST - 1, LEAST, USUAL, USUAL + 1, 3 * USUAL, LONGEST - 1, 0, 5] {
            let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            std::fs::write(&path, &content).expect("written");
            let file = File::open(&path).expect("it is there");
            assert_eq!(whole(&file, &mut buffer).expect("read"), content, "{length}");
        }
        for length in [LONGEST, LONGEST + 1, 3 * LONGEST] {
            std::fs::write(&path, vec![b'1'; length]).expect("written");
            let file = File::open(&path).expect("it is there");
            assert!(whole(&file, &mut buffer).is_err(), "{length}");
        }
    }

    #[test]
    fn what_the_kernel_hands_out_in_pieces_is_read_whole() {
        // Longer than a page, and seldom another from one moment to the next.
        for path in ["/proc/crypto", "/proc/iomem", "/proc/filesystems"] {
            let mut buffer = Vec::new();
            let is_whole = (0..20).any(|_| {
                let expected = std::fs::read(path).expect("text");
                let file = File::open(path).expect("it is there");
                expected.len() >= LONGEST || whole(&file, &mut buffer).expect("read") == expected
            });
            assert!(is_whole, "{path}");
        }
    }
}
