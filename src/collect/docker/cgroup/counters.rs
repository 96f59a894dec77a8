//! How the kernel writes its counters in cgroup v1, cgroup v2 and `/proc/<pid>/net/dev`. Pure.
//!
//! Nothing here is trusted: what is no number, or too large for one, is not known; it is neither 0
//! nor a reason to fail. Formats: the kernel's `Documentation/admin-guide/cgroup-v2.rst`,
//! `cgroup-v1/{cpuacct,memory,blkio-controller}.rst`, and `net/core/net-procfs.c`.

/// A file of one number, such as `memory.current`.
pub fn number(text: &[u8]) -> Option<u64> {
    digits(text.trim_ascii())
}

/// The number behind this name in a file of `name number` lines, such as `memory.stat`.
pub fn named(text: &[u8], name: &str) -> Option<u64> {
    let is_space = |byte: &u8| *byte == b' ';
    lines(text).find_map(|line| {
        let rest = line.strip_prefix(name.as_bytes())?;
        rest.first().is_some_and(is_space).then(|| number(rest))
    })?
}

/// Processor time in nanoseconds, from v2's `cpu.stat`.
pub fn cpu_stat(text: &[u8]) -> Option<u64> {
    named(text, "usage_usec")?.checked_mul(1000)
}

/// Bytes read and written, from v1's `blkio.*.io_service_bytes_recursive`: `8:0 Read 4096`.
///
/// Only `Total 0` says nothing: newer kernels (seen with 6.18) count there only where something is
/// throttled, and say so in any case.
pub fn blkio(text: &[u8]) -> Option<[u64; 2]> {
    let mut sums = None;
    for line in lines(text) {
        let mut words = words(line);
        match (words.next()?, words.next()?, words.next()) {
            (b"Total", _, None) => {}
            (device, operation, Some(bytes)) if is_device(device) => {
                let [read, written]: &mut [u64; 2] = sums.get_or_insert_default();
                let sum = match operation {
                    b"Read" => read,
                    b"Write" => written,
                    _ => continue,
                };
                *sum = sum.checked_add(digits(bytes)?)?;
            }
            _ => return None,
        }
    }
    sums
}

/// Bytes read and written, from v2's `io.stat`: `8:0 rbytes=4096 wbytes=0 rios=1 ...`. It is empty
/// for a group that has used no device.
pub fn io_stat(text: &[u8]) -> Option<[u64; 2]> {
    let mut sums = [0_u64; 2];
    for line in lines(text) {
        let mut words = words(line);
        if !is_device(words.next()?) {
            return None;
        }
        for word in words {
            let add = |sum: u64, bytes: &[u8]| sum.checked_add(digits(bytes)?);
            if let Some(bytes) = word.strip_prefix(b"rbytes=") {
                sums[0] = add(sums[0], bytes)?;
            } else if let Some(bytes) = word.strip_prefix(b"wbytes=") {
                sums[1] = add(sums[1], bytes)?;
            }
        }
    }
    Some(sums)
}

/// Bytes received and sent over the interfaces that the engine gave the container; `None` when it
/// has none.
///
/// Docker (and Podman, as root) calls these `eth0`, `eth1`... Where there are such, others are the
/// container's own making (a tunnel, a bridge of an engine inside), and what goes over them goes
/// over `eth0` as well. Rootless Podman has other names (`tap0`, or those of the machine).
pub fn net_dev(text: &[u8]) -> Option<[u64; 2]> {
    let (mut ethernet, mut others) = (None, None);
    for line in lines(text) {
        // The two lines of the heading have no colon.
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, counters) = line.split_at(colon);
        let name = name.trim_ascii();
        if name == b"lo" {
            continue;
        }
        let mut counters = words(&counters[1..]);
        let (rx, tx) = (digits(counters.next()?)?, digits(counters.nth(7)?)?);
        let sum = if is_ethernet(name) { &mut ethernet } else { &mut others };
        let [rx_before, tx_before] = sum.unwrap_or([0, 0]);
        *sum = Some([rx.checked_add(rx_before)?, tx.checked_add(tx_before)?]);
    }
    ethernet.or(others)
}

fn is_ethernet(name: &[u8]) -> bool {
    name.strip_prefix(b"eth").is_some_and(|rest| digits(rest).is_some())
}

/// `8:0`
fn is_device(word: &[u8]) -> bool {
    let mut parts = word.splitn(2, |byte| *byte == b':');
    let mut number = || parts.next().and_then(digits).is_some();
    number() && number()
}

/// Only digits: Rust's own parser would also take a sign.
fn digits(word: &[u8]) -> Option<u64> {
    let all = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(word).ok().filter(|_| all)?.parse().ok()
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY1: &[u8] = include_bytes!("../fixtures/cgroup1-memory.stat");
    const MEMORY2: &[u8] = include_bytes!("../fixtures/cgroup2-memory.stat");
    const CPU2: &[u8] = include_bytes!("../fixtures/cgroup2-cpu.stat");
    const BLOCK1: &[u8] = include_bytes!("../fixtures/cgroup1-blkio");
    const BLOCK2: &[u8] = include_bytes!("../fixtures/cgroup2-io.stat");
    const NET: &[u8] = include_bytes!("../fixtures/net-dev");

    #[test]
    fn a_number_is_a_number_and_everything_else_is_not_known() {
        for (text, expected) in [
            ("45354068\n", Some(45_354_068)),
            ("0\n", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616\n", None),
            ("max\n", None),
            ("-5\n", None),
            ("+5\n", None),
            ("1.5", None),
            ("1 2", None),
            ("", None),
            ("\n", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(number(b"\xff\xfe1"), None);
    }

    #[test]
    fn a_named_number_is_found_by_its_whole_name() {
        for (text, name, expected) in [
            (MEMORY1, "total_inactive_file", Some(20_971_520)),
            (MEMORY1, "inactive_file", Some(20_967_424)),
            (MEMORY2, "inactive_file", Some(41_943_040)),
            (MEMORY2, "inactive", None),
            (MEMORY2, "file", Some(46_137_344)),
            (CPU2, "usage_usec", Some(2_350_123)),
            (b"usage_usec", "usage_usec", None),
            (b"usage_usec x\nusage_usec 5", "usage_usec", None),
            (b"", "x", None),
        ] {
            assert_eq!(named(text, name), expected, "{name}");
        }
        assert_eq!(cpu_stat(CPU2), Some(2_350_123_000));
        assert_eq!(cpu_stat(b"usage_usec 18446744073709551615"), None, "too large as nanoseconds");
    }

    #[test]
    fn blocks_are_added_up_over_devices_and_operations_apart() {
        type Parser = fn(&[u8]) -> Option<[u64; 2]>;
        type Case<'a> = (Parser, &'a [u8], Option<[u64; 2]>);
        let cases: [Case; 14] = [
            (blkio, BLOCK1, Some([5_246_976, 1_056_768])),
            (blkio, b"Total 0\n", None),
            (blkio, b"", None),
            (blkio, b"8:0 Read 0\n8:0 Write 0\nTotal 0\n", Some([0, 0])),
            (blkio, b"8:0 Read x\nTotal 0\n", None),
            (blkio, b"8:0 Read 18446744073709551615\n9:0 Read 1\nTotal 1\n", None),
            (blkio, b"sda Read 1\nTotal 1\n", None),
            (io_stat, BLOCK2, Some([90_112 + 4096, 8192])),
            (io_stat, b"", Some([0, 0])),
            (io_stat, b"253:0\n", Some([0, 0])),
            (io_stat, b"253:0 rbytes=1 wbytes=-1", None),
            (io_stat, b"253:0 rbytes=18446744073709551615\n8:0 rbytes=1", None),
            (io_stat, b"no such thing", None),
            (io_stat, b"\xff:\xff rbytes=1", None),
        ];
        for (parse, text, expected) in cases {
            assert_eq!(parse(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn traffic_is_counted_once_and_only_where_the_engine_gave_an_interface() {
        const HEAD: &str = "Inter-|   Receive   |  Transmit\n face |bytes    packets errs\n";
        let line = |name: &str, rx: &str, tx: &str| {
            format!("{name:>6}: {rx:>7} 1 0 0 0 0 0 0 {tx} 1 0 0 0 0 0 0\n")
        };
        assert_eq!(net_dev(NET), Some([14_873, 2306]));
        let lo = line("lo", "9", "9");
        for (rest, expected) in [
            (String::new(), None),
            (line("eth0", "1", "2"), Some([1, 2])),
            (line("eth0", "1", "2") + &line("eth12", "10", "20"), Some([11, 22])),
            (line("eth0", "1", "2") + &line("wg0", "10", "20"), Some([1, 2])),
            (line("ethos", "1", "2") + &line("eth0", "3", "4"), Some([3, 4])),
            (line("tap0", "1", "2") + &line("wlan0", "10", "20"), Some([11, 22])),
            (line("eth0", "x", "2"), None),
            (line("eth0", "18446744073709551615", "2") + &line("eth1", "1", "2"), None),
            ("eth0: 1 2 3\n".into(), None),
        ] {
            let text = format!("{HEAD}{lo}{rest}");
            assert_eq!(net_dev(text.as_bytes()), expected, "{text}");
        }
        // Old kernels leave no space behind the colon.
        assert_eq!(net_dev(b"eth0:7 1 0 0 0 0 0 0 8 1"), Some([7, 8]));
    }
}
