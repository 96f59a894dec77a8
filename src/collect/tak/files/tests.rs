//! Folders of files that the real `openssl` and `keytool` made (`src/keystore/fixtures/make.sh`).

use std::os::unix::fs::PermissionsExt;

use CertificateRole::{File, Issuer, Server, Truststore};
use rustix::fs::{CWD, Mode, mkfifoat};

use super::*;

fn fixture(name: &str) -> Vec<u8> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/keystore/fixtures");
    fs::read(fixtures.join(name)).expect("a fixture")
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        let folder = Folder(tempfile::tempdir().expect("a directory"));
        for (name, from) in files {
            folder.put(name, &fixture(from));
        }
        folder
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path("new.key"), bytes).expect("written");
        fs::rename(self.path("new.key"), self.path(name)).expect("renamed");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn place(&self, name: &str, role: CertificateRole) -> Place {
        let path = if name.is_empty() { self.0.path().into() } else { self.path(name) };
        let shown = format!("/f/{name}").trim_end_matches('/').to_owned();
        let passwords = ["atakatak", ""].map(|password| Secret::new(password.into())).to_vec();
        Place { path, shown, role, passwords }
    }

    fn read(&self, last: &Files) -> Files {
        Files::read(last, &[self.place("", File)])
    }
}

fn seen(files: &Files) -> Vec<(String, String, CertificateRole)> {
    let seen = |sighting: &Sighting| {
        assert!(!sighting.served);
        (sighting.source.clone(), sighting.certificate.facts.subject.clone(), sighting.role)
    };
    files.sightings().iter().map(seen).collect()
}

fn faults(files: &Files) -> Vec<(&str, &Reason)> {
    files.faults().iter().map(|fault| (fault.shown.as_str(), &fault.reason)).collect()
}

#[test]
fn a_folder_of_taks_is_read_whole_and_each_certificate_has_its_role() {
    let folder = Folder::new(&[
        ("takserver.pem", "server.pem"),
        ("takserver.jks", "keystore.jks"),
        ("takserver.key", "pkcs8-encrypted.key"),
        ("truststore-root.p12", "truststore.p12"),
        ("fed-truststore.jks", "truststore.jks"),
        ("ca.pem", "ca.pem"),
        ("carol.pem", "server.pem"),
        ("ca-carol.pem", "server.der"),
        ("ca.crl", "ca.crl"),
        ("list.pem", "ca.crl"),
        ("alice.p12", "legacy.p12"),
        ("no-ending", "server.der"),
        ("request.der", "request.der"),
        ("README", "make.sh"),
        ("make.sh", "make.sh"),
    ]);
    fs::create_dir(folder.path("below.pem")).expect("made");
    fs::write(folder.path("below.pem/x.pem"), fixture("ca.pem")).expect("written");
    mkfifoat(CWD, folder.path("pipe.pem"), Mode::from_raw_mode(0o600)).expect("made");
    std::os::unix::fs::symlink("nowhere", folder.path("link.pem")).expect("made");
    let files = folder.read(&Files::default());
    let expected = [
        ("/f/takserver.jks", "takserver", Server),
        ("/f/takserver.jks", "TAK-ROOT", Issuer),
        ("/f/takserver.pem", "takserver", Server),
        ("/f/takserver.pem", "TAK-ROOT", Issuer),
        ("/f/fed-truststore.jks", "TAK-ROOT", Truststore),
        ("/f/truststore-root.p12", "TAK-ROOT", Truststore),
        // It says of itself that it is no authority, whatever the file is called.
        ("/f/ca-carol.pem", "takserver", File),
        ("/f/ca.pem", "TAK-ROOT", Truststore),
        ("/f/alice.p12", "takserver", File),
        ("/f/alice.p12", "TAK-ROOT", File),
        ("/f/carol.pem", "takserver", File),
        ("/f/carol.pem", "TAK-ROOT", File),
        ("/f/no-ending", "takserver", File),
    ];
    let expected = expected.map(|(file, name, role)| (file.to_owned(), name.to_owned(), role));
    assert_eq!(seen(&files), expected);
    assert_eq!(faults(&files), []);
    assert_eq!(files.authorities().first(), Some(&fixture("ca.der").as_slice()));
}

#[test]
fn what_cannot_be_read_is_a_fault_and_everything_else_goes_on() {
    let folder = Folder::new(&[
        ("takserver.pem", "server.pem"),
        ("bob.p12", "foreign.p12"),
        ("dave.p12", "foreign.p12"),
        ("dave.pem", "server.pem"),
        ("store.jceks", "truststore.jceks"),
    ]);
    folder.put("cut.pem", &fixture("server.pem")[..300]);
    folder.put("text.pem", b"hello");
    folder.put("cut.der", &fixture("server.der")[..300]);
    folder.put("no.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    folder.put("large.jks", &vec![0; disk::MAX_BYTES as usize + 1]);
    folder.put("large", &vec![0; disk::MAX_BYTES as usize + 1]);
    folder.put("bob", &fixture("foreign.p12"));
    let files = folder.read(&Files::default());
    let damaged = |why: &str| Reason::Content(keystore::Fault::Damaged(why.into()));
    let unknown = Reason::Content(keystore::Fault::Unknown);
    assert_eq!(
        faults(&files),
        [
            ("/f/bob.p12", &Reason::Content(keystore::Fault::Password)),
            ("/f/cut.der", &unknown),
            ("/f/cut.pem", &damaged("a section has no END line")),
            ("/f/large.jks", &Reason::Unread(Unread::TooLarge)),
            ("/f/no.pem", &Reason::no_certificate()),
            ("/f/store.jceks", &Reason::Content(keystore::Fault::Jceks)),
            ("/f/text.pem", &unknown),
        ]
    );
    assert_eq!(files.sightings().len(), 4);
}

#[test]
fn places_that_are_files_have_the_role_and_the_faults_of_their_own() {
    let folder = Folder::new(&[
        ("x.p12", "modern.p12"),
        ("y.jks", "truststore.jks"),
        ("z.pem", "server.pem"),
        ("key.pem", "server.key"),
    ]);
    let places = [
        folder.place("", File),
        folder.place("x.p12", Server),
        folder.place("y.jks", Truststore),
        folder.place("key.pem", File),
        folder.place("none.pem", Truststore),
    ];
    let mut files = Files::read(&Files::default(), &places[..3]);
    let roles: Vec<_> = seen(&files).into_iter().map(|(file, _, role)| (file, role)).collect();
    let role = |file: &str, role| (file.to_owned(), role);
    assert_eq!(
        roles,
        [
            role("/f/x.p12", Server),
            role("/f/x.p12", Issuer),
            role("/f/y.jks", Truststore),
            role("/f/z.pem", File),
            role("/f/z.pem", File),
        ]
    );
    assert_eq!(files.authorities().len(), 1);
    files = Files::read(&files, &places[1..]);
    assert_eq!(
        faults(&files),
        [("/f/key.pem", &Reason::Empty), ("/f/none.pem", &Reason::Unread(Unread::Missing)),]
    );
    assert_eq!(files.authorities(), Vec::<&[u8]>::new(), "a truststore is missing");
}

#[test]
fn an_unchanged_file_is_not_read_again_and_a_changed_one_is() {
    let folder = Folder::new(&[("a.p12", "modern.p12"), ("b.p12", "foreign.p12")]);
    let content = |files: &Files, name: &str| {
        Arc::as_ptr(&files.kept.get(&folder.path(name)).expect("kept").content)
    };
    let first = folder.read(&Files::default());
    let second = folder.read(&first);
    for name in ["a.p12", "b.p12"] {
        assert_eq!(content(&first, name), content(&second, name), "{name} is remembered");
    }
    assert_eq!((seen(&first), faults(&first)), (seen(&second), faults(&second)));
    assert_eq!(faults(&second).len(), 1, "also what is wrong is");

    // A password that was learned is tried.
    let mut place = folder.place("", File);
    place.passwords.push(Secret::new("elsewhere".into()));
    let third = Files::read(&second, &[place]);
    assert_eq!((faults(&third).len(), third.sightings().len()), (0, 4));

    folder.put("a.p12", &fixture("certificates.p12"));
    fs::remove_file(folder.path("b.p12")).expect("removed");
    let fourth = folder.read(&second);
    assert_eq!(seen(&fourth), [("/f/a.p12".to_owned(), "TAK-ROOT".to_owned(), File)]);
    assert_eq!(fourth.kept.len(), 1, "what is gone is forgotten");
}

#[test]
fn a_crowd_of_files_is_bounded_and_the_important_ones_come_first() {
    let folder = Folder::new(&[]);
    for n in 0..MAX_FILES + 20 {
        folder.put(&format!("a{n:03}.pem"), &fixture("server.der"));
    }
    folder.put("takserver.pem", &fixture("server.pem"));
    folder.put("truststore-root.jks", &fixture("truststore.jks"));
    let files = folder.read(&Files::default());
    assert_eq!(files.kept.len(), MAX_FILES);
    assert_eq!(faults(&files), [("/f", &Reason::TooMany(MAX_FILES + 22))]);
    let sources: Vec<_> =
        files.sightings().iter().take(4).map(|sighting| sighting.source.as_str()).collect();
    let expected =
        ["/f/takserver.pem", "/f/takserver.pem", "/f/truststore-root.jks", "/f/a000.pem"];
    assert_eq!(sources, expected);
}

#[test]
fn slow_files_are_opened_a_few_a_round() {
    let folder = Folder::new(&[("truststore-z.p12", "nomac.p12")]);
    for n in 0..MAX_OPENED * 2 {
        folder.put(&format!("u{n:02}.p12"), &fixture("nomac.p12"));
    }
    let mut files = Files::default();
    for opened in [MAX_OPENED, 2 * MAX_OPENED, 2 * MAX_OPENED + 1, 2 * MAX_OPENED + 1] {
        files = folder.read(&files);
        assert_eq!(files.kept.len(), opened);
        assert_eq!(files.sightings()[0].source, "/f/truststore-z.p12");
    }
    let crowd = Folder::new(&[]);
    for n in 0..=MAX_OPENED {
        crowd.put(&format!("truststore-{n:02}.p12"), &fixture("nomac.p12"));
    }
    let first = crowd.read(&Files::default());
    assert_eq!(first.authorities(), Vec::<&[u8]>::new(), "not all are known yet");
    assert!(!crowd.read(&first).authorities().is_empty());
}

#[test]
fn a_folder_that_may_not_be_read_says_so() {
    let folder = Folder::new(&[("a.pem", "ca.pem")]);
    fs::set_permissions(folder.path(""), fs::Permissions::from_mode(0o000)).expect("changed");
    let files = folder.read(&Files::default());
    fs::set_permissions(folder.path(""), fs::Permissions::from_mode(0o700)).expect("changed");
    if rustix::process::geteuid().is_root() {
        assert_eq!(files.sightings().len(), 1, "root may");
    } else {
        assert_eq!(faults(&files), [("/f", &Reason::Unread(Unread::Forbidden))]);
    }
}

#[test]
fn mutated_files_never_panic_and_what_is_told_is_bounded() {
    let names = ["server.pem", "server.der", "nomac.p12", "keystore.jks", "truststore.jks"];
    let fixtures = names.map(fixture);
    let mut random = fastrand::Rng::with_seed(55);
    let passwords = [Secret::new("atakatak".into())];
    let mut read = 0;
    for round in 0..900 {
        let mut bytes = fixtures[round % fixtures.len()].clone();
        for _ in 0..random.usize(1..3) {
            let at = random.usize(..bytes.len());
            match random.u8(..4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.extend_from_within(at..),
                _ => bytes[at] = random.u8(..),
            }
        }
        match certificates(&bytes, &passwords) {
            Ok(found) => {
                read += 1;
                for known in &found {
                    assert!(known.facts.subject.chars().count() <= 200);
                    for meaning in [Meaning::Server, Meaning::Authority, Meaning::Other] {
                        let _any = meaning.role(known, &found);
                    }
                    let ders: Vec<&[u8]> = found.iter().map(|one| one.der.as_slice()).collect();
                    let _any = super::super::certificate::signer(&ders, &ders);
                    let names = super::super::certificate::Names::read(&known.der).words();
                    assert!(names.len() < 2000, "{names}");
                }
            }
            Err(reason) => {
                let shown = "/f/a.pem".to_owned();
                let fault = Fault { shown, folder: None, is_of_authorities: false, reason };
                let subject = crate::collect::tak::judge::Subject::of(None);
                let [finding] = &findings(&subject, &[fault])[..] else { panic!("one") };
                assert!(finding.check.message.len() < 1000);
            }
        }
    }
    assert!(read > 60, "{read}");
}

#[test]
fn javas_own_authorities_are_not_listed() {
    let folder = Folder::new(&[("ca.pem", "ca.pem")]);
    let authorities = |count: u32| {
        let one = |_| {
            let mut params = rcgen::CertificateParams::default();
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            let key = rcgen::KeyPair::generate().expect("a key");
            params.self_signed(&key).expect("signed").pem()
        };
        (0..count).map(one).collect::<String>()
    };
    folder.put("truststore-java.pem", authorities(50).as_bytes());
    let files = folder.read(&Files::default());
    assert_eq!((files.sightings().len(), files.authorities().len()), (51, 51));
    folder.put("truststore-java.pem", authorities(51).as_bytes());
    let files = folder.read(&Files::default());
    assert_eq!(seen(&files), [("/f/ca.pem".into(), "TAK-ROOT".into(), Truststore)]);
    assert!(files.authorities().is_empty() && faults(&files).is_empty());
}
