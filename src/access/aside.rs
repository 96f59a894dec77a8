//! Work that takes a core for a while, beside the thread that serves.
//!
//! On a box with one core to spare the kernel lets a thread that computes go on for some milliseconds
//! before the one that serves has its turn. Viewers would notice that of somebody who guesses passwords all
//! the time: so in a crowd the work is done when nothing else is to be done (SCHED_IDLE,
//! <https://man7.org/linux/man-pages/man7/sched.7.html>).

use std::thread;

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tokio::sync::oneshot;
use tracing::debug;

/// Does this on a thread of its own; `in_crowd`: behind everything else on the box. `None`: there is no
/// thread for it, or it panicked.
pub async fn aside<T: Send + 'static>(
    in_crowd: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (tell, told) = oneshot::channel();
    let run = move || {
        if in_crowd {
            stand_back();
        }
        // Who asked may have gone.
        let _unheard = tell.send(work());
    };
    thread::Builder::new().name("aside".into()).spawn(run).ok()?;
    told.await.ok()
}

fn stand_back() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(why) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
    {
        debug!(?why, "the priority stays as it is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scheduling policy of the thread that asks: 0 is customary, 5 is idle.
    fn policy() -> String {
        let text = std::fs::read_to_string("/proc/thread-self/stat").expect("it is there");
        // The name, in parentheses, may have spaces in it.
        let fields = text.rsplit_once(')').expect("a name").1;
        fields.split_whitespace().nth(38).expect("a policy").to_owned()
    }

    #[tokio::test]
    async fn a_crowd_stands_back_and_nobody_else_does() {
        assert_eq!(aside(false, policy).await.as_deref(), Some("0"));
        assert_eq!(aside(true, policy).await.as_deref(), Some("5"));
        assert_eq!(policy(), "0", "whoever serves least of all");
    }

    #[tokio::test]
    async fn work_that_panics_is_none() {
        assert_eq!(aside(false, || -> u8 { panic!("seen on stderr") }).await, None);
    }
}
