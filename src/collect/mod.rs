//! Collectors read one source each; the runner times, bounds and judges them.
//!
//! Adding a source is one folder here, one section in the configuration, one line in `app` and one
//! panel in the dashboard.
//!
//! Architecture invariant: a collector knows neither the bus nor HTTP; it only reads its source and
//! returns a report. Only [`docker`] knows bollard, only [`system`] knows sysinfo.

use std::future::{self, Future};

use serde::Serialize;

use crate::event::Topic;

mod blocking;
pub mod docker;
mod figures;
mod runner;
pub mod system;
pub mod tak;

pub use runner::{Runner, Watched, collect_within};

/// Reads one source.
pub trait Collector: Send + 'static {
    /// What is published: a plain struct whose fields follow `node` and `timestamp` in the event.
    type Report: Serialize + Send + Sync;

    /// The state topic that the reports are published under.
    const TOPIC: Topic;

    /// What is read, as its user would call it: the subject of a sentence.
    const SOURCE: &'static str;

    /// What to do when reading takes too long: the rest of a sentence.
    const ADVICE: &'static str;

    /// Reads the source once.
    ///
    /// A source that answers "I am unwell" is an `Ok` report that says so; `Err` is for a source
    /// that could not be read at all. The runner drops the future when it takes too long, so it
    /// must leave the collector usable wherever it is dropped.
    fn collect(&mut self) -> impl Future<Output = Result<Self::Report, CollectError>> + Send;

    /// The report for viewers when [`collect`](Collector::collect) failed or took too long.
    fn failed(&self, error: &CollectError) -> Self::Report;

    /// What a report itself says is wrong, for the log, which gets it once per change: so without
    /// figures that change while the fault stays the same.
    fn complaint(&self, _report: &Self::Report) -> Option<String> {
        None
    }

    /// Resolves when the source says that something changed, so that viewers need not wait for the
    /// next tick. Cancel-safe. A source that cannot tell never resolves.
    fn changed(&mut self) -> impl Future<Output = ()> + Send {
        future::pending()
    }
}

/// Why a source could not be read: what happened, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CollectError(pub String);
