//! What the tests sign in with: everybody knows it, so it is made for each test's own state directory.

use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use ring::digest::{SHA256, digest};
use serde_json::json;

/// The first admin's password.
pub const PASSWORD: &str = "correct horse battery staple";
/// A token for everything.
pub const TOKEN: &str = "takpulse_of_the_tests";
/// That token, as a header line.
pub const AUTHORIZATION: &str = "Authorization: Bearer takpulse_of_the_tests\r\n";

/// Makes a state directory in which that token is known.
pub fn keep_token(state: &Path) {
    let hash: String =
        digest(&SHA256, TOKEN.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let tokens = json!({ "tests": { "hash": hash, "scopes": ["admin"], "created": 0 } });
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state).expect("a directory");
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600);
    let file = file.open(state.join("tokens.json")).expect("a file");
    serde_json::to_writer(file, &tokens).expect("written");
}

/// A request with that token in its header, where it is a request at all.
pub fn authorized(request: &[u8]) -> Vec<u8> {
    let Some(end) = request.windows(2).position(|two| two == b"\r\n") else {
        return request.to_vec();
    };
    if !request[..end].windows(7).any(|seven| seven == b" HTTP/1") {
        return request.to_vec();
    }
    let (line, rest) = request.split_at(end + 2);
    [line, AUTHORIZATION.as_bytes(), rest].concat()
}
