//! A small certificate authority, run with the openssl command as TAK's scripts run theirs.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// What `openssl ca` wants to be told.
const CONFIG: &str = "[ca]\ndefault_ca = here\n[here]\ndatabase = index.txt\nserial = serial\n\
    crlnumber = crlnumber\nnew_certs_dir = .\ncertificate = ca.pem\nprivate_key = ca.key\n\
    default_md = sha256\ndefault_days = 30\ndefault_crl_days = 30\npolicy = any\nunique_subject = no\n\
    x509_extensions = client\n[any]\ncommonName = supplied\n[client]\nbasicConstraints = CA:FALSE\n\
    extendedKeyUsage = clientAuth\n[server]\nbasicConstraints = CA:FALSE\n\
    subjectAltName = IP:127.0.0.1, DNS:localhost\nextendedKeyUsage = serverAuth\n";

/// An authority in a directory of its own.
pub struct Authority(TempDir);

impl Authority {
    /// Founds one; its list of revoked certificates is empty.
    pub fn found(name: &str) -> Authority {
        let authority = Authority(tempfile::tempdir().expect("a directory"));
        for (file, text) in
            [("ca.cnf", CONFIG), ("index.txt", ""), ("serial", "1000\n"), ("crlnumber", "01\n")]
        {
            fs::write(authority.path(file), text).expect("written");
        }
        authority.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key \
             -out ca.pem -days 90 -subj /CN={name}"
        ));
        authority.list_revoked();
        authority
    }

    /// A file of this name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The same, as text for a configuration or an argument.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("text").to_owned()
    }

    /// Runs openssl in the authority's directory. No argument holds a space. Returns what it says.
    pub fn openssl(&self, arguments: &str) -> String {
        let done = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .output()
            .expect("openssl is installed");
        assert!(done.status.success(), "{arguments}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("text")
    }

    /// `NAME.pem` and `NAME.key` for a client.
    pub fn sign(&self, name: &str) {
        self.sign_with(name, "");
    }

    /// As [`Authority::sign`], whose time is over.
    pub fn sign_expired(&self, name: &str) {
        self.sign_with(name, "-startdate 20200101000000Z -enddate 20200201000000Z");
    }

    /// `NAME.pem` and `NAME.key` for a server on this machine.
    pub fn sign_server(&self, name: &str) {
        self.sign_with(name, "-extensions server");
    }

    fn sign_with(&self, name: &str, more: &str) {
        self.openssl(&format!(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {name}.key \
             -out {name}.csr -subj /CN={name}"
        ));
        self.openssl(&format!(
            "ca -batch -notext -config ca.cnf -in {name}.csr -out {name}.pem {more}"
        ));
    }

    /// Revokes a certificate, and says so in `ca.crl`.
    pub fn revoke(&self, name: &str) {
        self.openssl(&format!("ca -config ca.cnf -revoke {name}.pem"));
        self.list_revoked();
    }

    /// Writes `ca.crl` beside the old one, and then in its place.
    pub fn list_revoked(&self) {
        self.openssl("ca -config ca.cnf -gencrl -out ca.crl.new");
        fs::rename(self.path("ca.crl.new"), self.path("ca.crl")).expect("renamed");
    }

    /// The SHA-256 fingerprint of a certificate, as openssl writes it.
    pub fn fingerprint(&self, name: &str) -> String {
        let said = self.openssl(&format!("x509 -in {name}.pem -noout -fingerprint -sha256"));
        said.trim().split_once('=').expect("a fingerprint").1.to_owned()
    }
}
