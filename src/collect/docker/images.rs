//! Remembers the digests by which registries know the images: they belong to an image and hardly ever
//! change, so each image is asked for once.

use std::collections::HashMap;

/// The images that containers are made of.
#[derive(Debug, Default)]
pub struct Images {
    /// Repository digests such as `postgres@sha256:...`, by the image's full id; empty where an image
    /// has none, or where the engine did not tell.
    known: HashMap<String, Vec<String>>,
    /// A proxy does not let us ask.
    pub refused: bool,
}

impl Images {
    /// Whether this image has to be asked for.
    pub fn is_unknown(&self, id: &str) -> bool {
        !self.refused && !self.known.contains_key(id)
    }

    /// Takes an answer in: none of them, when there is no answer. Returns whether a viewer sees it.
    pub fn learn(&mut self, id: String, digests: Vec<String>) -> bool {
        let is_news = !digests.is_empty();
        self.known.insert(id, digests);
        is_news
    }

    /// Keeps those that are in use; those without a digest may have got one.
    pub fn tidy(&mut self, in_use: impl Fn(&str) -> bool) {
        self.known.retain(|id, digests| !digests.is_empty() && in_use(id));
    }

    /// The digest of the image of this id, for a container that asked for it by this name.
    pub fn digest(&self, id: &str, name: &str) -> Option<String> {
        digest(self.known.get(id)?, name)
    }
}

/// One of these repository digests, `sha256:...`: the one in the repository that the container asked for,
/// if there are several.
pub fn digest(digests: &[String], name: &str) -> Option<String> {
    let parts = || digests.iter().filter_map(|one| one.split_once('@'));
    let own = parts().find(|(repository, _)| is_of(name, repository));
    own.or_else(|| parts().next()).map(|(_, digest)| digest.to_owned())
}

/// Whether an image that was asked for by `name` (`postgres:15`) is of this repository.
fn is_of(name: &str, repository: &str) -> bool {
    let rest = name.strip_prefix(repository);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_repository_that_was_asked_for() {
        let mut images = Images::default();
        let digests = ["mirror:5000/pg@sha256:aa", "postgres@sha256:bb", "post@sha256:cc"];
        assert!(images.learn("id".into(), digests.map(str::to_owned).into()));
        for (name, digest) in [
            ("postgres:15", "sha256:bb"),
            ("postgres", "sha256:bb"),
            ("post@sha256:cc", "sha256:cc"),
            ("mirror:5000/pg:15", "sha256:aa"),
            ("sha256:0123456789ab", "sha256:aa"),
        ] {
            assert_eq!(images.digest("id", name).as_deref(), Some(digest), "{name}");
        }
        assert_eq!(images.digest("other", "postgres:15"), None);
    }

    #[test]
    fn a_digest_is_of_an_image_or_of_another_with_a_longer_name() {
        for (repository, image, is) in [
            ("postgres", "postgres:16", true),
            ("postgres", "postgres", true),
            ("postgres", "postgres@sha256:1", true),
            ("post", "postgres:16", false),
            ("ghcr.io/a/b", "ghcr.io/a/b:1", true),
        ] {
            assert_eq!(is_of(image, repository), is, "{repository} {image}");
        }
    }

    #[test]
    fn an_image_is_asked_for_once_and_nothing_is_when_that_is_refused() {
        let mut images = Images::default();
        assert!(images.is_unknown("id"));
        assert!(!images.learn("id".into(), Vec::new()));
        assert!(!images.is_unknown("id"));
        assert_eq!(images.digest("id", "postgres"), None);
        images.tidy(|_| true);
        assert!(images.is_unknown("id"), "it may have been pushed meanwhile");
        images.refused = true;
        assert!(!images.is_unknown("id"));
    }
}
