//! What the openssl command sees of a server: it has not read our code.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

/// What `openssl s_client` says of a connection with these options.
pub fn s_client(address: SocketAddr, options: &[&str]) -> String {
    let done = Command::new("openssl")
        .args(["s_client", "-connect", &address.to_string()])
        .args(options)
        .stdin(Stdio::null())
        .output()
        .expect("openssl is installed");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// The SHA-256 fingerprint of the certificate that is served.
pub fn served_fingerprint(address: SocketAddr) -> String {
    let said = of_certificate(address, "openssl x509 -noout -fingerprint -sha256");
    said.split_once('=').unwrap_or_else(|| panic!("no certificate: {said}")).1.to_owned()
}

/// The SHA-256 of its public key in base64, as Chromium takes it.
pub fn served_pin(address: SocketAddr) -> String {
    let key = "openssl x509 -noout -pubkey | openssl pkey -pubin -outform der";
    of_certificate(address, &format!("{key} | openssl dgst -sha256 -binary | openssl base64"))
}

/// What these commands say of the certificate that is served.
fn of_certificate(address: SocketAddr, commands: &str) -> String {
    let served = format!("openssl s_client -connect {address} </dev/null 2>/dev/null");
    let done = Command::new("sh").args(["-c", &format!("{served} | {commands}")]).output();
    let said = String::from_utf8(done.expect("a shell").stdout).expect("text");
    said.trim().to_owned()
}
