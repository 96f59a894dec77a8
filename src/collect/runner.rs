//! Runs a collector: when, for how long at most, and what becomes of a failure.
//!
//! The collector only reads; the cadence, the timeout, the backoff and the verdict are here, once
//! for all of them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{CollectError, Collector};
use crate::bus::Bus;
use crate::config::Schedule;
use crate::event::{Origin, Topic, unix_now};

/// Whether anybody is watching; collectors slow down while nobody is.
pub type Watched = watch::Receiver<bool>;

/// A source that changes all the time is left alone for this long after each reading.
const MIN_GAP: Duration = Duration::from_millis(200);

/// A source that keeps failing is asked up to this many times less often.
const MAX_BACKOFF: u32 = 4;

/// Runs one collector until shutdown.
pub struct Runner {
    /// Where reports go.
    pub bus: Arc<dyn Bus>,
    /// Names and numbers the events.
    pub origin: Arc<Origin>,
    /// Chooses between the two intervals.
    pub watched: Watched,
    /// Ends the run.
    pub shutdown: CancellationToken,
}

impl Runner {
    /// Collects and publishes until shutdown: at once, then at the schedule's interval, and earlier
    /// when the source says that it changed or when the first viewer comes.
    pub async fn run<C: Collector>(self, mut collector: C, schedule: Schedule) {
        let shutdown = self.shutdown.clone();
        shutdown.run_until_cancelled(self.rounds(&mut collector, schedule)).await;
    }

    async fn rounds<C: Collector>(mut self, collector: &mut C, schedule: Schedule) {
        let mut verdict = Verdict::new(C::TOPIC, C::SOURCE);
        loop {
            let started = Instant::now();
            let report = match collect_within(collector, schedule.timeout).await {
                Ok(report) => {
                    verdict.succeeded(collector.complaint(&report));
                    report
                }
                Err(why) => {
                    let report = collector.failed(&why);
                    verdict.failed(why.0);
                    report
                }
            };
            self.publish(C::TOPIC, report);
            self.pause(collector, schedule, started, verdict.backoff()).await;
        }
    }

    /// Takes the report: one of many containers must not be held through the pause.
    fn publish<T: serde::Serialize>(&self, topic: Topic, report: T) {
        match self.origin.event(topic.clone(), unix_now(), &report) {
            Ok(event) => self.bus.publish(Arc::new(event)),
            Err(why) => error!(%topic, %why, "a report could not be written as JSON"),
        }
    }

    /// Waits until the next round is due.
    async fn pause<C: Collector>(
        &mut self,
        collector: &mut C,
        schedule: Schedule,
        started: Instant,
        backoff: u32,
    ) {
        let ended = Instant::now();
        loop {
            let interval = if *self.watched.borrow_and_update() {
                schedule.interval
            } else {
                schedule.unwatched_interval
            };
            tokio::select! {
                () = sleep_until(started + interval * backoff) => return,
                () = collector.changed() => return sleep_until(ended + MIN_GAP).await,
                Ok(()) = self.watched.changed() => {}
            }
        }
    }
}

/// Reads the source once, for this long at most.
///
/// # Errors
/// It could not be read, or not in time.
pub async fn collect_within<C: Collector>(
    collector: &mut C,
    limit: Duration,
) -> Result<C::Report, CollectError> {
    // A collector must be usable wherever its future is dropped, so it is after a panic too.
    let reading = AssertUnwindSafe(collector.collect()).catch_unwind();
    match timeout(limit, reading).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_panic)) => Err(CollectError(format!(
            "{} could not be read: takpulse has a fault there; please report it with the lines in the log",
            C::SOURCE
        ))),
        Err(_too_long) => Err(CollectError(format!(
            "{} could not be read within {}: {}",
            C::SOURCE,
            humantime::format_duration(limit),
            C::ADVICE
        ))),
    }
}

/// How a collector has been doing; logs once per change.
struct Verdict {
    topic: Topic,
    source: &'static str,
    /// What was last logged, while it is so.
    wrong: Option<String>,
    failures: u32,
}

impl Verdict {
    fn new(topic: Topic, source: &'static str) -> Verdict {
        Verdict { topic, source, wrong: None, failures: 0 }
    }

    /// The source was read, and its report may itself say what is wrong.
    fn succeeded(&mut self, complaint: Option<String>) {
        self.failures = 0;
        self.log(complaint);
    }

    fn failed(&mut self, why: String) {
        self.failures += 1;
        self.log(Some(why));
    }

    fn log(&mut self, wrong: Option<String>) {
        if wrong == self.wrong {
            return;
        }
        match &wrong {
            Some(wrong) => warn!(topic = %self.topic, "{wrong}"),
            None => info!(topic = %self.topic, "{}: all is well again", self.source),
        }
        self.wrong = wrong;
    }

    /// How many times the interval to wait: 1, and doubling with each failure after the first.
    fn backoff(&self) -> u32 {
        (1 << self.failures.saturating_sub(1).min(8)).min(MAX_BACKOFF)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use serde::Serialize;
    use tokio_stream::StreamExt;

    use super::*;
    use crate::bus::{MemoryBus, Received, Subscription};

    #[derive(Serialize)]
    struct Report {
        round: u32,
        message: Option<String>,
    }

    /// Counts its rounds; `behave` says what each of them does.
    struct Probe<F> {
        round: u32,
        behave: F,
        changed: Arc<tokio::sync::Notify>,
    }

    enum Does {
        Answer,
        Complain(&'static str),
        Fail,
        Hang,
        Panic,
    }

    impl<F: Fn(u32) -> Does + Send + 'static> Collector for Probe<F> {
        type Report = Report;
        const TOPIC: Topic = Topic::SystemMetrics;
        const SOURCE: &'static str = "the probe";
        const ADVICE: &'static str = "look at its fuse";

        async fn collect(&mut self) -> Result<Report, CollectError> {
            self.round += 1;
            match (self.behave)(self.round) {
                Does::Answer => Ok(Report { round: self.round, message: None }),
                Does::Complain(what) => {
                    Ok(Report { round: self.round, message: Some(what.into()) })
                }
                Does::Fail => Err(CollectError("out of order".into())),
                Does::Hang => std::future::pending().await,
                Does::Panic => panic!("a fault in a collector"),
            }
        }

        fn failed(&self, error: &CollectError) -> Report {
            Report { round: self.round, message: Some(error.to_string()) }
        }

        fn complaint(&self, report: &Report) -> Option<String> {
            report.message.clone()
        }

        async fn changed(&mut self) {
            self.changed.notified().await;
        }
    }

    const SCHEDULE: Schedule = Schedule {
        interval: Duration::from_secs(5),
        unwatched_interval: Duration::from_secs(30),
        timeout: Duration::from_secs(2),
    };

    struct Run {
        events: Subscription,
        watch: watch::Sender<bool>,
        changed: Arc<tokio::sync::Notify>,
        shutdown: CancellationToken,
        task: tokio::task::JoinHandle<()>,
        since: Instant,
    }

    impl Run {
        fn start(watched: bool, behave: impl Fn(u32) -> Does + Send + 'static) -> Run {
            let bus = Arc::new(MemoryBus::new(16));
            let events = bus.subscribe();
            let (watch, seen) = watch::channel(watched);
            let changed = Arc::new(tokio::sync::Notify::new());
            let shutdown = CancellationToken::new();
            let runner = Runner {
                bus,
                origin: Arc::new(Origin::new("n", 1)),
                watched: seen,
                shutdown: shutdown.clone(),
            };
            let probe = Probe { round: 0, behave, changed: changed.clone() };
            let task = tokio::spawn(runner.run(probe, SCHEDULE));
            Run { events, watch, changed, shutdown, task, since: Instant::now() }
        }

        /// The next event's text and the second (of paused time) at which it came.
        async fn next(&mut self) -> (String, f64) {
            match self.events.next().await {
                Some(Received::Event(event)) => (
                    String::from_utf8_lossy(event.data()).into_owned(),
                    (self.since.elapsed().as_secs_f64() * 10.0).round() / 10.0,
                ),
                other => panic!("expected an event, got {other:?}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watched_source_is_read_at_once_and_then_at_its_interval() {
        let mut run = Run::start(true, |_| Does::Answer);
        let times = [run.next().await.1, run.next().await.1, run.next().await.1];
        assert_eq!(times, [0.0, 5.0, 10.0]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unwatched_source_is_read_slowly_until_somebody_comes() {
        let mut run = Run::start(false, |_| Does::Answer);
        assert_eq!([run.next().await.1, run.next().await.1], [0.0, 30.0]);
        tokio::time::sleep(Duration::from_secs(7)).await;
        run.watch.send_replace(true);
        assert_eq!(run.next().await.1, 37.0, "the first viewer gets a fresh reading at once");
        assert_eq!(run.next().await.1, 42.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_source_is_given_up_reported_and_asked_less_often() {
        let mut run = Run::start(true, |_| Does::Hang);
        let (text, first) = run.next().await;
        let message = "\"message\":\"the probe could not be read within 2s: look at its fuse\"";
        assert!(text.contains(message), "{text}");
        let times = [first, run.next().await.1, run.next().await.1, run.next().await.1];
        assert_eq!(times, [2.0, 7.0, 17.0, 37.0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_collector_that_panics_is_reported_and_asked_again() {
        let mut run = Run::start(true, |round| if round == 1 { Does::Panic } else { Does::Answer });
        let (text, _) = run.next().await;
        assert!(text.contains("takpulse has a fault there"), "{text}");
        assert!(run.next().await.0.contains("\"round\":2,\"message\":null"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_recovers_goes_back_to_its_interval() {
        let mut run = Run::start(true, |round| if round < 3 { Does::Fail } else { Does::Answer });
        let mut times = Vec::new();
        for _ in 0..4 {
            times.push(run.next().await.1);
        }
        assert_eq!(times, [0.0, 5.0, 15.0, 20.0]);
    }

    /// What is logged meanwhile, without times.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn start(&self) -> tracing::subscriber::DefaultGuard {
            let log = self.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_ansi(false)
                .without_time()
                .with_target(false)
                .with_writer(move || log.clone())
                .finish();
            tracing::subscriber::set_default(subscriber)
        }

        fn lines(&self) -> Vec<String> {
            let bytes = self.0.lock().expect("not poisoned").clone();
            let text = String::from_utf8(bytes).expect("text");
            text.lines().map(|line| line.trim().to_owned()).collect()
        }
    }

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_is_wrong_is_logged_once_per_change() {
        let log = Log::default();
        let _logging = log.start();
        let mut run = Run::start(true, |round| match round {
            2 | 3 => Does::Complain("the engine is away"),
            4 => Does::Complain("the engine refuses"),
            5..=7 => Does::Fail,
            9 | 10 => Does::Hang,
            _ => Does::Answer,
        });
        for _ in 0..12 {
            run.next().await;
        }
        assert_eq!(
            log.lines(),
            [
                "WARN the engine is away topic=system_metrics",
                "WARN the engine refuses topic=system_metrics",
                "WARN out of order topic=system_metrics",
                "INFO the probe: all is well again topic=system_metrics",
                "WARN the probe could not be read within 2s: look at its fuse topic=system_metrics",
                "INFO the probe: all is well again topic=system_metrics",
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_read_at_once_but_not_more_often_than_the_gap() {
        let mut run = Run::start(true, |_| Does::Answer);
        run.next().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        run.changed.notify_one();
        assert_eq!(run.next().await.1, 1.0);
        run.changed.notify_one();
        assert_eq!(run.next().await.1, 1.2);
    }

    #[tokio::test(start_paused = true)]
    async fn shutdown_ends_a_hanging_run() {
        static ROUNDS: AtomicU32 = AtomicU32::new(0);
        let run = Run::start(true, |_| {
            ROUNDS.fetch_add(1, Ordering::Relaxed);
            Does::Hang
        });
        while ROUNDS.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        run.shutdown.cancel();
        run.task.await.expect("the run ends without a panic");
        assert_eq!(run.since.elapsed(), Duration::ZERO);
    }
}
