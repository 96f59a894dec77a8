//! The certificate that takpulse makes itself: encryption for whoever has none of their own.
//!
//! It is kept, because people are asked to trust it by its fingerprint: a new one means that everybody
//! is asked again. So it is made anew only when the old one is of no use: near its end or beyond it, or
//! without a name that was asked for. That the machine was renamed is no reason (containers
//! are renamed at every start).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd,
};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use super::expiry::{DAY_SECONDS, LAST_DATE};
use super::fault::{TlsError, read};
use super::files::{pem_chain, pem_key};
use super::pair::{Files, Pair};
use crate::access::StateDir;

/// Its name in the state directory.
pub(super) const FILE: &str = "tls.pem";

/// Clocks differ: it is valid from a day ago.
const BEFORE_DAYS: i64 = 1;
/// Some systems take none that lives for more than a year or so.
const AFTER_DAYS: i64 = 364;
/// Nearer to its end than this, it is made anew.
const RENEW_DAYS: i64 = 30;

/// What its subject begins with, and how we know it for ours.
const SUBJECT: &str = "takpulse ";
/// A common name may not be longer.
const MAX_SUBJECT_CHARS: usize = 64;

/// The one that is kept, or a new one when there is none or it is of no use.
///
/// # Errors
/// The state directory is not ours or cannot be written, or the file is not what we wrote.
pub(super) fn keep(dir: &StateDir, names: &[String], now: i64) -> Result<Pair, TlsError> {
    dir.check()?;
    if let Some(pair) = kept(dir)?.filter(|pair| is_of_use(pair, names, now)) {
        return Ok(pair);
    }
    let _locked = dir.lock()?;
    // Another process may have made it while this one waited.
    if let Some(pair) = kept(dir)?.filter(|pair| is_of_use(pair, names, now)) {
        return Ok(pair);
    }
    dir.write(FILE, &make(&host(), names, now)?)?;
    kept(dir)?.ok_or_else(|| TlsError::NoCertificate(dir.path(FILE)))
}

/// Whether it can be served for some more time, under all these names.
pub(super) fn is_of_use(pair: &Pair, names: &[String], now: i64) -> bool {
    // A clock before its time is wrong itself (a box without a battery for it), and those who look at
    // the certificate have others.
    let in_time = now < pair.not_after - RENEW_DAYS * DAY_SECONDS;
    let there = names_in(pair.der());
    in_time && names.iter().all(|name| there.contains(&plain(name)))
}

/// The one that is kept, if there is one.
///
/// # Errors
/// It cannot be read, or is not what we wrote.
pub(super) fn kept(dir: &StateDir) -> Result<Option<Pair>, TlsError> {
    let path = dir.path(FILE);
    let not_ours = |why: String| TlsError::NotOurs { path: path.clone(), why };
    match read(&path, "state_dir") {
        Ok(bytes) => ours(&bytes, &path).map(Some).map_err(not_ours),
        Err(_) if !path.exists() => Ok(None),
        Err(why) => Err(why),
    }
}

/// What we wrote is one certificate with our subject, and its key.
fn ours(bytes: &[u8], path: &Path) -> Result<Pair, String> {
    let short = |why: TlsError| match why {
        TlsError::Damaged { why, .. } => why,
        TlsError::NoKey(_) => "there is no key in it".to_owned(),
        TlsError::Mismatch { .. } => "its key belongs to another certificate".to_owned(),
        _ => "its key cannot be used".to_owned(),
    };
    let chain = pem_chain(bytes, path).map_err(short)?;
    let [own] = &chain[..] else {
        return Err(format!("there are {} certificates in it, and not one", chain.len()));
    };
    let (_, read) = parse_x509_certificate(own).map_err(|why| why.to_string())?;
    let name = read.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    if !name.is_some_and(|name| name.starts_with(SUBJECT)) {
        return Err("the certificate in it has another subject".into());
    }
    let key = pem_key(bytes, path).map_err(short)?;
    Pair::new(chain, key, Files { certificate: path, key: path }).map_err(short)
}

/// Makes a certificate and its key, both in one PEM text.
fn make(host: &str, names: &[String], now: i64) -> Result<String, TlsError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(TlsError::library)?;
    let mut params = CertificateParams::default();
    // The wildest clock is brought into the range of dates.
    let epoch = date_time_ymd(1970, 1, 1);
    let at = |seconds: i64| epoch + Duration::from_secs(seconds.clamp(0, LAST_DATE) as u64);
    params.not_before = at(now - BEFORE_DAYS * DAY_SECONDS);
    params.not_after = at(now + AFTER_DAYS * DAY_SECONDS);
    params.distinguished_name = subject(host);
    params.subject_alt_names = alternatives(host, names)?;
    // Who trusts it trusts this machine, and not whatever it would sign.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Some verifiers take none without it, not even one that they were told to trust.
    params.use_authority_key_identifier_extension = true;
    let certificate = params.self_signed(&key).map_err(TlsError::library)?;
    Ok(certificate.pem() + &key.serialize_pem())
}

fn subject(host: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    let name: String = format!("{SUBJECT}{host}").chars().take(MAX_SUBJECT_CHARS).collect();
    subject.push(DnType::CommonName, name);
    subject
}

/// Each name once, beside the machine's own.
fn alternatives(host: &str, names: &[String]) -> Result<Vec<SanType>, TlsError> {
    let own = [host, "localhost", "127.0.0.1", "::1"].into_iter();
    let all: BTreeSet<String> = own.chain(names.iter().map(String::as_str)).map(plain).collect();
    let alternative = |name: String| match name.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => match name.as_str().try_into() {
            Ok(ascii) => Ok(SanType::DnsName(ascii)),
            Err(_) => Err(TlsError::Name(name)),
        },
    };
    all.into_iter().map(alternative).collect()
}

/// A name or an address as it is compared: there are several ways to write one.
fn plain(name: &str) -> String {
    let address = name.parse::<IpAddr>().map(|address| address.to_string());
    address.unwrap_or_else(|_| name.to_ascii_lowercase())
}

/// The machine's own name, or `localhost` where it has none that can be used.
fn host() -> String {
    let system = rustix::system::uname();
    let is_name = |name: &&str| {
        let good = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
        !name.is_empty() && name.chars().all(good)
    };
    system.nodename().to_str().ok().filter(is_name).unwrap_or("localhost").to_owned()
}

/// The names and addresses in a certificate.
fn names_in(der: &[u8]) -> BTreeSet<String> {
    let Ok((_, read)) = parse_x509_certificate(der) else { return BTreeSet::new() };
    let Ok(Some(alternatives)) = read.subject_alternative_name() else { return BTreeSet::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(plain(name)),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    };
    alternatives.value.general_names.iter().filter_map(name).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
