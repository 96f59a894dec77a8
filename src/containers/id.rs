//! How a container is named in a question.

use std::fmt;

/// An id, the beginning of one, or a name: what Docker itself takes as a name, and so nothing that
/// could lead a request to another path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContainerId(String);

/// Docker sets no limit; nobody types more.
const MOST_LETTERS: usize = 255;

impl ContainerId {
    /// Letters, digits, `_`, `.` and `-`, the first of them a letter or a digit
    /// (<https://docs.docker.com/reference/cli/docker/container/run/#name>). `None`: it is none.
    pub fn parse(text: &str) -> Option<ContainerId> {
        let first = text.bytes().next()?;
        let right = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let is_name =
            text.len() <= MOST_LETTERS && first.is_ascii_alphanumeric() && text.bytes().all(right);
        is_name.then(|| ContainerId(text.to_owned()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_docker_takes_for_one() {
        for text in ["a", "0", "tak-server_1.2", "0123456789ab", &"x".repeat(255)] {
            assert!(ContainerId::parse(text).is_some(), "{text}");
        }
        for text in ["", ".", "..", "-a", "_a", "a/b", "a%2fb", "a?b", "ä", "a b", &"x".repeat(256)]
        {
            assert!(ContainerId::parse(text).is_none(), "{text}");
        }
    }
}
