//! Whether a served certificate was signed by one of the authorities that are known here.

use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::parse_x509_certificate;
use x509_parser::public_key::PublicKey;

use super::name_of;

/// Who signed a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// An authority that is known here, by its name.
    By(String),
    /// None of them, although one has the name of the signer: it was made anew.
    ByNamesake(String),
    /// None of them: the name of the last signer.
    ByOther(String),
    /// It cannot be told: there is nothing to compare with, the kind of signature is not read here, or
    /// a public authority signed it, which devices know by themselves.
    Unknown,
}

/// "Signed certificate timestamps" (RFC 6962, section 3.3).
const RECEIPTS: &str = "1.3.6.1.4.1.11129.2.4.2";

/// A chain is followed this far.
const MAX_STEPS: usize = 8;

/// Whether a served certificate is one of these, or one of them has signed it itself and for a server:
/// an intermediate that only comes along may be anybody's who has a certificate, and one that does not
/// say what it is for may be a user's. Its time must not be over. `now` is in Unix seconds.
pub fn is_vouched_for(served: &[u8], authorities: &[&[u8]], now: i64) -> bool {
    let Ok((_, certificate)) = parse_x509_certificate(served) else { return false };
    let validity = certificate.validity();
    let is_valid =
        (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now);
    let usage = certificate.extended_key_usage().ok().flatten();
    let for_servers = usage.is_some_and(|usage| usage.value.server_auth);
    let is_signed = || for_servers && matches!(signer(&[served], authorities), Signed::By(_));
    is_valid && (authorities.contains(&served) || is_signed())
}

/// Follows the signatures of a chain (in DER, the server's own first) until one of the authorities.
pub fn signer(chain: &[&[u8]], authorities: &[&[u8]]) -> Signed {
    let (chain, authorities) = (parse(chain), parse(authorities));
    let Some(mut last) = chain.first() else { return Signed::Unknown };
    if authorities.is_empty() || is_public(last) {
        return Signed::Unknown;
    }
    for _ in 0..MAX_STEPS {
        if authorities.iter().any(|authority| authority.as_raw() == last.as_raw()) {
            return Signed::By(name_of(last.subject()));
        }
        match find(last, &authorities) {
            Found::Signer(authority) => return Signed::By(name_of(authority.subject())),
            Found::Unread => return Signed::Unknown,
            Found::Namesake => return Signed::ByNamesake(name_of(last.issuer())),
            Found::Nobody => {}
        }
        match find(last, &chain) {
            Found::Signer(next) if next.as_raw() != last.as_raw() => last = next,
            Found::Unread => return Signed::Unknown,
            _ => break,
        }
    }
    Signed::ByOther(name_of(last.issuer()))
}

fn parse<'a>(ders: &[&'a [u8]]) -> Vec<X509Certificate<'a>> {
    ders.iter().filter_map(|der| Some(parse_x509_certificate(der).ok()?.1)).collect()
}

/// Public authorities log what they sign, and put the receipts into it (RFC 6962); nobody else does.
fn is_public(certificate: &X509Certificate<'_>) -> bool {
    certificate.extensions().iter().any(|one| one.oid.to_id_string() == RECEIPTS)
}

enum Found<'a> {
    Signer(&'a X509Certificate<'a>),
    /// Somebody of that name, who has not signed it.
    Namesake,
    Nobody,
    Unread,
}

fn find<'a>(signed: &X509Certificate<'_>, among: &'a [X509Certificate<'a>]) -> Found<'a> {
    let mut found = Found::Nobody;
    for one in among.iter().filter(|one| one.subject().as_raw() == signed.issuer().as_raw()) {
        match has_signed(one, signed) {
            Some(true) => return Found::Signer(one),
            Some(false) if matches!(found, Found::Nobody) => found = Found::Namesake,
            Some(false) => {}
            None => found = Found::Unread,
        }
    }
    found
}

/// `None`: this kind of signature is not read here, or the key is too small to be.
fn has_signed(signer: &X509Certificate<'_>, signed: &X509Certificate<'_>) -> Option<bool> {
    let key = signer.public_key();
    match signed.verify_signature(Some(key)) {
        Ok(()) => Some(true),
        Err(X509Error::SignatureVerificationError) => match key.parsed() {
            // ring takes 2048 bits and more.
            Ok(PublicKey::RSA(rsa)) if rsa.key_size() < 2048 => None,
            Ok(PublicKey::RSA(_) | PublicKey::EC(_)) => Some(false),
            _ => None,
        },
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair,
    };

    use super::*;

    const LEAF: &[u8] = include_bytes!("../../../keystore/fixtures/server.der");
    const ROOT: &[u8] = include_bytes!("../../../keystore/fixtures/ca.der");
    const NAMESAKE: &[u8] = include_bytes!("../../../keystore/fixtures/other-ca.der");
    const STRANGER: &[u8] = include_bytes!("../fixtures/server.der");

    #[test]
    fn signatures_are_followed_to_an_authority_that_is_known() {
        let root = || "TAK-ROOT".to_owned();
        type Ders<'a> = &'a [&'a [u8]];
        let cases: [(Ders<'_>, Ders<'_>, Signed); 12] = [
            (&[LEAF], &[ROOT], Signed::By(root())),
            (&[LEAF, ROOT], &[ROOT], Signed::By(root())),
            (&[LEAF], &[NAMESAKE, ROOT], Signed::By(root())),
            (&[LEAF], &[STRANGER, ROOT], Signed::By(root())),
            (&[LEAF], &[LEAF], Signed::By("takserver".into())),
            (&[STRANGER], &[STRANGER], Signed::By("tak.example".into())),
            (&[LEAF], &[NAMESAKE], Signed::ByNamesake(root())),
            (&[LEAF, ROOT], &[NAMESAKE], Signed::ByNamesake(root())),
            (&[LEAF, ROOT], &[STRANGER], Signed::ByOther(root())),
            (&[STRANGER], &[ROOT], Signed::ByOther("tak.example".into())),
            (&[LEAF], &[], Signed::Unknown),
            (&[b"garbage"], &[ROOT], Signed::Unknown),
        ];
        for (at, (chain, authorities, expected)) in cases.into_iter().enumerate() {
            assert_eq!(signer(chain, authorities), expected, "case {at}");
        }
    }

    #[test]
    fn only_an_authority_itself_vouches_for_a_server() {
        use rcgen::ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
        let (root_key, now) = (KeyPair::generate().expect("a key"), 1_900_000_000);
        let root = params("CA").self_signed(&root_key).expect("signed");
        let issuer = Issuer::new(params("CA"), root_key);
        let key = KeyPair::generate().expect("a key");
        let one = |usages: &[rcgen::ExtendedKeyUsagePurpose]| {
            let mut one = CertificateParams::default();
            one.distinguished_name.push(DnType::CommonName, "one");
            one.extended_key_usages = usages.to_vec();
            one.not_before = rcgen::date_time_ymd(2030, 1, 1);
            one.not_after = rcgen::date_time_ymd(2031, 1, 1);
            one
        };
        let sign = |one: &CertificateParams, issuer: &Issuer<'_, KeyPair>| {
            one.signed_by(&key, issuer).expect("signed").der().to_vec()
        };
        // 2030-03-17 is within its time.
        for (usages, vouched) in [
            (&[ServerAuth][..], true),
            (&[ClientAuth, ServerAuth], true),
            (&[ClientAuth], false),
            (&[Any], false),
            (&[], false),
        ] {
            let der = sign(&one(usages), &issuer);
            assert_eq!(is_vouched_for(&der, &[root.der()], now), vouched, "{usages:?}");
            assert!(!is_vouched_for(&der, &[], now) && !is_vouched_for(&der, &[ROOT], now));
            // It is pinned itself.
            assert!(is_vouched_for(&der, &[ROOT, &der], now), "{usages:?}");
            for other in [1_893_455_999, 1_924_992_001] {
                assert!(!is_vouched_for(&der, &[root.der()], other), "{usages:?} {other}");
                assert!(!is_vouched_for(&der, &[&der], other), "{usages:?} {other}");
            }
        }
        assert!(!is_vouched_for(b"garbage", &[root.der(), b"garbage"], now));
        // What a user of the authority can make: one signed with the user's own certificate.
        let forger = Issuer::new(one(&[ClientAuth]), KeyPair::generate().expect("a key"));
        assert!(!is_vouched_for(&sign(&one(&[ServerAuth]), &forger), &[root.der()], now));
    }

    #[test]
    fn a_bent_signature_is_nobodys() {
        let mut bent = LEAF.to_vec();
        let last = bent.len() - 1;
        bent[last] ^= 1;
        assert_eq!(signer(&[&bent], &[ROOT]), Signed::ByNamesake("TAK-ROOT".into()));
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    #[test]
    fn an_authority_in_between_is_followed_and_a_public_one_left_alone() {
        let key = || KeyPair::generate().expect("a key");
        let (root_key, between_key, leaf_key) = (key(), key(), key());
        let root = params("root").self_signed(&root_key).expect("signed");
        let by_root = Issuer::new(params("root"), &root_key);
        let between = params("between").signed_by(&between_key, &by_root).expect("signed");
        let by_between = Issuer::new(params("between"), &between_key);
        let leaf = params("leaf").signed_by(&leaf_key, &by_between).expect("signed");
        let chain: [&[u8]; 2] = [leaf.der(), between.der()];
        assert_eq!(signer(&chain, &[root.der()]), Signed::By("root".into()));
        assert_eq!(signer(&chain, &[between.der()]), Signed::By("between".into()));
        assert_eq!(signer(&chain[..1], &[root.der()]), Signed::ByOther("between".into()));
        assert_eq!(signer(&chain, &[ROOT]), Signed::ByOther("root".into()));

        let mut public = params("public");
        let receipts = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];
        public.custom_extensions = vec![CustomExtension::from_oid_content(&receipts, vec![4, 0])];
        let public = public.signed_by(&leaf_key, &by_between).expect("signed");
        assert_eq!(signer(&[public.der()], &[ROOT]), Signed::Unknown);
    }
}
