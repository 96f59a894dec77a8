//! One static file, small, that runs from an empty directory.

use std::process::{Command, Stdio};

use crate::app;
use crate::credentials::keep_token;
use crate::wire::wait_for;

/// The limit of the release binary.
const MOST_BYTES: u64 = 8 << 20;

/// ELF: `e_type` of a position-independent file, and the program header that asks for a loader.
const ET_DYN: u16 = 3;
const PT_INTERP: u32 = 3;

fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("inside of the file")
}

#[test]
#[ignore = "needs the static release binary, run tests/run"]
fn the_release_binary_is_one_small_static_pie_that_runs_anywhere() {
    let bytes = std::fs::read(app::binary()).expect("the binary");
    assert!(bytes.len() as u64 <= MOST_BYTES, "{} bytes", bytes.len());
    assert_eq!(&bytes[..5], b"\x7fELF\x02", "a 64-bit ELF file");
    assert_eq!(u16::from_le_bytes(number(&bytes, 16)), ET_DYN, "position independent");
    let table = u64::from_le_bytes(number(&bytes, 32)) as usize;
    let size = u16::from_le_bytes(number(&bytes, 54)) as usize;
    let count = u16::from_le_bytes(number(&bytes, 56)) as usize;
    for header in 0..count {
        let kind = u32::from_le_bytes(number(&bytes, table + header * size));
        assert_ne!(kind, PT_INTERP, "it asks for a dynamic loader");
    }

    let empty = tempfile::tempdir().expect("a directory");
    let moved = empty.path().join("takpulse");
    std::fs::copy(app::binary(), &moved).expect("copied");
    let elsewhere = tempfile::tempdir().expect("a directory");
    let log = elsewhere.path().join("log");
    let state = elsewhere.path().join("state");
    keep_token(&state);
    let mut child = Command::new(&moved)
        .args(["--listen", "127.0.0.1:0"])
        .env_clear()
        .env("TAKPULSE_STATE_DIR", state)
        .current_dir(empty.path())
        .stdout(std::fs::File::create(&log).expect("created"))
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let address = wait_for("the URL", || {
        let said = std::fs::read_to_string(&log).expect("text");
        said.split("http://").nth(1)?.split('/').next()?.parse().ok()
    });
    let page = crate::wire::get(address, "/");
    let _already_gone = child.kill();
    let _status = child.wait();
    let page = String::from_utf8(page.body).expect("text");
    assert!(page.contains("<title>"), "the dashboard is inside: {page}");
    let left: Vec<_> = std::fs::read_dir(empty.path()).expect("a directory").collect();
    assert_eq!(left.len(), 1, "it wrote nothing beside itself: {left:?}");
}
