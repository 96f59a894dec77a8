//! The promises of encryption, kept with files that the real `openssl` made and with whole handshakes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::*;
use crate::config::{Secret, TlsMode};

mod clients;
mod own_files;
mod reload;
mod self_made;

/// A private directory, and what stands in it.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Bench {
        Bench(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        // As everybody replaces files who knows how: beside the old one, and then in its place.
        std::fs::write(self.path("new"), content).expect("written");
        std::fs::rename(self.path("new"), self.path(name)).expect("renamed");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("there")
    }

    /// Runs the real thing, in this directory. No argument holds a space.
    fn openssl(&self, arguments: &str) {
        let done = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .output()
            .expect("openssl is installed");
        assert!(done.status.success(), "{arguments}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// `NAME.key` and `NAME.pem`, self-signed.
    fn pair(&self, name: &str, kind: &str) {
        self.openssl(&format!(
            "req -x509 -newkey {kind} -nodes -keyout {name}.key -out {name}.pem -subj /CN={name} -days 90"
        ));
    }

    /// `NAME.key` and `NAME.pem`, signed by `AUTHORITY.pem`, with an extension section of TAK's.
    fn signed(&self, name: &str, authority: &str, section: &str) {
        self.write("tak.cfg", TAK_CONFIG);
        self.openssl(&format!(
            "req -new -newkey {EC} -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -out {name}.pem \
             -days 60 -set_serial 0x{}1 -extfile tak.cfg -extensions {section}",
            name.len()
        ));
    }

    fn files(&self, certificate: &str, key: Option<&str>, password: &str) -> TlsConfig {
        let mode = TlsMode::Files {
            certificate: self.path(certificate),
            key: key.map(|key| self.path(key)),
            password: Secret::new(password.into()),
        };
        TlsConfig { mode, hsts: false }
    }

    fn clients(&self, ca: &[&str], crl: &[&str]) -> ClientCertificatesConfig {
        let paths = |names: &[&str]| names.iter().map(|name| self.path(name)).collect();
        let (ca, crl) = (paths(ca), paths(crl));
        ClientCertificatesConfig { ca, crl, admins: Vec::new(), viewers: Vec::new() }
    }

    fn state(&self) -> StateDir {
        StateDir::at(&self.path("state"))
    }

    fn open(&self, tls: &TlsConfig) -> Result<Tls, TlsError> {
        self.open_with(tls, &self.clients(&[], &[]))
    }

    fn open_with(
        &self,
        tls: &TlsConfig,
        clients: &ClientCertificatesConfig,
    ) -> Result<Tls, TlsError> {
        Tls::open(tls, clients, &self.state()).map(|tls| tls.expect("it is on"))
    }

    fn der(&self, name: &str) -> Vec<u8> {
        CertificateDer::from_pem_file(self.path(name)).expect("a certificate").to_vec()
    }
}

const EC: &str = "ec -pkeyopt ec_paramgen_curve:P-256";
const RSA: &str = "rsa:2048";

/// The sections that TAK's config.cfg has, and what its scripts need of `openssl ca`.
const TAK_CONFIG: &str = "
default_crl_days = 730
[ ca ]
default_ca = CA_default
[ CA_default ]
dir = .
database = $dir/crl_index.txt
default_md = default
[ version_2 ]
authorityKeyIdentifier = keyid
[ difference ]
2.5.29.27 = critical,DER:02:01:01
[ v3_ca ]
basicConstraints = critical,CA:TRUE
keyUsage = critical,cRLSign,keyCertSign
[ client ]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = critical,clientAuth
[ server ]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = critical,serverAuth
";

/// What both sides saw of a handshake.
#[derive(Debug)]
struct Shaken {
    served: Vec<Vec<u8>>,
    alpn: Option<Vec<u8>>,
    shown: Vec<CertificateDer<'static>>,
    kind: Option<HandshakeKind>,
}

/// A client that believes anybody, with or without a certificate of its own.
fn client(
    version: &'static SupportedProtocolVersion,
    own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_protocol_versions(&[version])
        .expect("supported")
        .dangerous()
        .with_custom_certificate_verifier(client::believing_anybody());
    match own {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).expect("a pair"),
        None => builder.with_no_client_auth(),
    }
}

/// Shakes hands in memory, and sends a byte each way.
async fn shake(tls: &Tls, client: Arc<ClientConfig>) -> Result<Shaken, String> {
    let (near, far) = tokio::io::duplex(1 << 16);
    let name = ServerName::try_from("tak.example").expect("a name");
    let connector = TlsConnector::from(client);
    let (acceptor, connect) = (tls.acceptor(), connector.connect(name, near));
    let (server, client) = tokio::join!(
        async {
            let mut stream = acceptor.accept(far).await.map_err(|why| why.to_string())?;
            stream.write_all(b"x").await.map_err(|why| why.to_string())?;
            stream.flush().await.map_err(|why| why.to_string())?;
            Ok::<_, String>(stream)
        },
        async {
            let mut stream = connect.await.map_err(|why| why.to_string())?;
            let byte = stream.read_u8().await.map_err(|why| why.to_string())?;
            assert_eq!(byte, b'x');
            Ok::<_, String>(stream)
        }
    );
    let (server, client) = (server?, client?);
    let (server, client) = (server.get_ref().1, client.get_ref().1);
    let served = client.peer_certificates().expect("served").iter();
    Ok(Shaken {
        served: served.map(|one| one.to_vec()).collect(),
        alpn: client.alpn_protocol().map(<[u8]>::to_vec),
        shown: server.peer_certificates().unwrap_or_default().to_vec(),
        kind: server.handshake_kind(),
    })
}

/// What a client is served, in both versions.
async fn served(tls: &Tls) -> Vec<Vec<u8>> {
    let mut seen = Vec::new();
    for version in [&TLS12, &TLS13] {
        seen.push(shake(tls, Arc::new(client(version, None))).await.expect("shaken").served);
    }
    assert_eq!(seen[0], seen[1]);
    seen.remove(0)
}

/// The client's side of a pair of files.
fn identity(
    bench: &Bench,
    name: &str,
) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = CertificateDer::pem_file_iter(bench.path(&format!("{name}.pem")))
        .expect("there")
        .map(|one| one.expect("a certificate"));
    let key = PrivateKeyDer::from_pem_file(bench.path(&format!("{name}.key"))).expect("a key");
    Some((chain.collect(), key))
}

/// The log lines of what is done.
fn logged(work: impl FnOnce()) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let subscriber = tracing_subscriber::fmt()
        .with_writer(Arc::new(file.reopen().expect("there")))
        .with_ansi(false)
        .without_time()
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    std::fs::read_to_string(file.path()).expect("text")
}

/// Asserts that a fault names the file and says these words, and no password.
fn says(fault: Result<Tls, TlsError>, file: &Path, words: &[&str]) {
    let text = match fault {
        Ok(_) => panic!("{}: taken", file.display()),
        Err(why) => why.to_string(),
    };
    assert!(text.starts_with(&file.display().to_string()), "{text}");
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains("atakatak") && !text.contains("wr0ng"), "{text}");
}
