//! One blocking reading at a time, so that one that hangs costs one thread and not one a round.
//!
//! A thread that hangs in the kernel (a process in the midst of a dead disk, a file on a network
//! mount that is gone) cannot be stopped, and the threads for blocking work are shared by all
//! collectors: whoever took another one each round would in the end stop the others.

use tokio::task::{JoinError, JoinHandle, spawn_blocking};

/// A source's blocking readings. They outlive the future that waits for them.
#[derive(Debug)]
pub(super) struct Blocking<T> {
    reading: Option<JoinHandle<T>>,
}

impl<T> Default for Blocking<T> {
    fn default() -> Self {
        Blocking { reading: None }
    }
}

impl<T: Send + 'static> Blocking<T> {
    /// Reads on a thread where it may block. A reading that was given up is waited for first; what
    /// it says is too old to be told. Cancel-safe.
    pub(super) async fn read(
        &mut self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        if let Some(given_up) = &mut self.reading {
            // Whether it panicked is also too old to be told; the panic hook did.
            let _ = given_up.await;
            self.reading = None;
        }
        let outcome = self.reading.insert(spawn_blocking(read)).await;
        self.reading = None;
        outcome
    }

    /// What a reading that was given up says in the end; never resolves when there is none.
    /// Cancel-safe.
    pub(super) async fn late(&mut self) -> Result<T, JoinError> {
        let outcome = match &mut self.reading {
            Some(given_up) => given_up.await,
            None => std::future::pending().await,
        };
        self.reading = None;
        outcome
    }

    /// Whether a reading that was given up still runs.
    pub(super) fn runs(&self) -> bool {
        self.reading.as_ref().is_some_and(|reading| !reading.is_finished())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_reading_that_hangs_is_waited_for_and_not_joined_by_another() {
        let started = Arc::new(AtomicU32::new(0));
        let (release, released) = mpsc::channel::<()>();
        let mut blocking = Blocking::default();
        let first = started.clone();
        let hangs = move || {
            first.fetch_add(1, Ordering::SeqCst);
            released.recv().ok();
            "old"
        };
        let moment = Duration::from_millis(50);
        timeout(moment, blocking.read(hangs)).await.expect_err("it hangs");
        for _ in 0..3 {
            let again = started.clone();
            let next = move || {
                again.fetch_add(1, Ordering::SeqCst);
                "new"
            };
            timeout(moment, blocking.read(next)).await.expect_err("the first still hangs");
        }
        assert!(blocking.runs());
        assert_eq!(started.load(Ordering::SeqCst), 1);
        timeout(moment, blocking.late()).await.expect_err("there is nothing to say yet");
        drop(release);
        assert_eq!(blocking.late().await.expect("no panic"), "old");
        assert_eq!(blocking.read(|| "new").await.expect("no panic"), "new");
        assert!(!blocking.runs());
        timeout(moment, blocking.late()).await.expect_err("nothing was given up");
    }

    #[tokio::test]
    async fn a_reading_that_panicked_does_not_spoil_the_next() {
        let mut blocking = Blocking::default();
        blocking.read(|| panic!("on purpose")).await.expect_err("a panic");
        blocking.read(|| ()).await.expect("no panic");
    }
}
