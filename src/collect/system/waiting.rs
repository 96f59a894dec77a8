//! A disk that does not answer must not silence the rest.
//!
//! Asking a file system for its free space can hang for as long as its cable is out, and a thread
//! that hangs in the kernel cannot be stopped. It can only be told where it hangs, so that the next
//! reading leaves that place out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
/// The mount that a reading is waiting for; can be looked at while it does.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting(Arc<Mutex<Option<String>>>);

impl Waiting {
    /// Asks for something about a mount.
    pub(super) fn during<T>(&self, mount: &str, ask: impl FnOnce() -> T) -> T {
        *self.lock() = Some(mount.to_owned());
        let answer = ask();
        *self.lock() = None;
        answer
    }

    /// The mount that is being waited for.
    pub(super) fn mount(&self) -> Option<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says which mounts do not answer, and what to do about it. The text stays the same while it is so
/// (no seconds that grow), because it is logged whenever it changes.
pub(super) fn explain(mounts: &[String]) -> Option<String> {
    if mounts.is_empty() {
        return None;
    }
    let each: Vec<_> = mounts
        .iter()
        .map(|mount| {
            format!(
                "the file system at {mount} does not answer and is left out until it does: \
                 reconnect its disk, or unmount it (umount -l '{mount}')"
            )
        })
        .collect();
    Some(each.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_named_while_it_is_waited_for() {
        let waiting = Waiting::default();
        let seen_from_outside = waiting.clone();
        let answer = waiting.during("/mnt/usb", || seen_from_outside.mount());
        assert_eq!(answer.as_deref(), Some("/mnt/usb"));
        assert_eq!(waiting.mount(), None);
    }

    #[test]
    fn the_message_says_what_where_and_what_to_do() {
        assert_eq!(explain(&[]), None);
        assert_eq!(
            explain(&["/mnt/usb".into()]).as_deref(),
            Some(
                "the file system at /mnt/usb does not answer and is left out until it does: \
                 reconnect its disk, or unmount it (umount -l '/mnt/usb')"
            )
        );
    }
}
