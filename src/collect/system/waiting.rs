//! A disk that does not answer must not silence the rest.
//!
//! Asking a file system for its free space can hang for as long as its cable is out, and a thread
//! that hangs in the kernel cannot be stopped. It can only be told where it hangs, so that the next
//! reading leaves that place out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The mount that a reading is waiting for; can be looked at while it does.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting(Arc<Mutex<Option<(String, Instant)>>>);

impl Waiting {
    /// Asks for something about a mount.
    pub(super) fn during<T>(&self, mount: &str, ask: impl FnOnce() -> T) -> T {
        *self.lock() = Some((mount.to_owned(), Instant::now()));
        let answer = ask();
        *self.lock() = None;
        answer
    }

    /// The mount that is being waited for, and for how long so far.
    pub(super) fn mount(&self) -> Option<(String, Duration)> {
        let waiting = self.lock();
        let (mount, since) = waiting.as_ref()?;
        Some((mount.clone(), since.elapsed()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<(String, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says which mounts do not answer, and what to do about it.
pub(super) fn explain(mounts: &[(String, Duration)]) -> Option<String> {
    if mounts.is_empty() {
        return None;
    }
    let each: Vec<_> = mounts
        .iter()
        .map(|(mount, so_far)| {
            format!(
                "the file system at {mount} has not answered for {} s and is left out until it \
                 does: reconnect its disk, or unmount it (umount -l '{mount}')",
                so_far.as_secs()
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
        assert_eq!(answer.map(|(mount, _)| mount).as_deref(), Some("/mnt/usb"));
        assert_eq!(waiting.mount(), None);
    }

    #[test]
    fn the_message_says_what_where_and_what_to_do() {
        assert_eq!(explain(&[]), None);
        assert_eq!(
            explain(&[("/mnt/usb".into(), Duration::from_millis(12_900))]).as_deref(),
            Some(
                "the file system at /mnt/usb has not answered for 12 s and is left out until it \
                 does: reconnect its disk, or unmount it (umount -l '/mnt/usb')"
            )
        );
    }
}
