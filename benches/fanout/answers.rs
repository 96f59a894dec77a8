//! Reads the answers on a connection that is kept: each has a Content-Length.

/// The answers, put together again.
#[derive(Debug, Default)]
pub struct Answers {
    /// An answer whose end has not come yet.
    partial: Vec<u8>,
}

impl Answers {
    /// Takes what came; status and body of each whole answer are handed over.
    ///
    /// # Errors
    /// What came is no answer with a length.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut answer: impl FnMut(u16, &[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        self.partial.extend_from_slice(bytes);
        let mut rest = self.partial.as_slice();
        while let Some(end) = memchr::memmem::find(rest, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&rest[..end]).to_ascii_lowercase();
            let (status, length) = read_head(&head).ok_or(head)?;
            let Some(body) = rest.get(end + 4..end + 4 + length) else { break };
            answer(status, body)?;
            rest = &rest[end + 4 + length..];
        }
        let read = self.partial.len() - rest.len();
        self.partial.drain(..read);
        Ok(())
    }
}

/// The status and the length of the body.
fn read_head(head: &str) -> Option<(u16, usize)> {
    let status = head.strip_prefix("http/1.1 ")?.get(..3)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    Some((status, length.trim().parse().ok()?))
}
