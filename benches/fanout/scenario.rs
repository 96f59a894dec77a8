//! What is measured: each scenario runs one server from its start to its end.

use std::io;

use super::clock::{self, MILLISECOND};
use super::cores::Cores;
use super::decode::Stamp;
use super::guesses;
use super::meter::Usage;
use super::procfs;
use super::readers::Role;
use super::server::Kind;
use super::session::{Pace, Session};
use super::table::Figure;
use super::visits;

/// Before anything is measured.
pub const WARM_UP_SECONDS: f64 = 0.5;
/// Events that are not yet delivered to everybody, at most, when saturated.
const WINDOW: usize = 64;
/// Of the events beside stalled viewers, so that the kernel's buffers are soon full.
const BIG_DATA_BYTES: usize = 4 << 10;
/// Events that are published to nobody, to see what publishing costs the server; half as many warm up.
const UNSEEN: usize = 3_000;
/// The storm's consequences are looked at for at least so long.
const STORM_SECONDS: f64 = 0.5;
/// A storm that takes longer has failed.
const STORM_LIMIT_SECONDS: f64 = 20.0;
/// Events a second, mostly.
pub const RATE: u64 = 50;
/// The figure that tells how much of the server's CPU went into publishing.
pub const PUBLISHING: &str = "of the server's CPU, publishing, about %";

/// One thing that is measured.
#[derive(Clone, Copy, Debug)]
pub enum Scenario {
    /// So many events a second to so many viewers.
    Steady { viewers: usize, rate: u64 },
    /// As fast as they are delivered.
    Saturated { viewers: usize },
    /// Memory of so many viewers.
    Idle { viewers: usize },
    /// So many readers beside as many that never read. The raw broadcaster drops those within seconds,
    /// so it has nothing in memory for them; the kernel keeps what it had sent.
    Stalled { viewers: usize },
    /// So many come at once, beside as many that are there. Only here takpulse has a snapshot for them:
    /// its own reading of this host, once.
    Storm { viewers: usize },
    /// As [`Scenario::Steady`], encrypted beside not.
    TlsSteady { viewers: usize, rate: u64 },
    /// As [`Scenario::Idle`], encrypted beside not.
    TlsIdle { viewers: usize },
    /// As [`Scenario::Stalled`], encrypted beside not.
    TlsStalled { viewers: usize },
    /// One after the other connects, asks for little, and goes.
    Visits { resuming: bool },
    /// So many viewers, before and while somebody guesses passwords, resting so long after each.
    Guess { viewers: usize, pause_ms: u64 },
}

use Scenario::{
    Guess, Idle, Saturated, Stalled, Steady, Storm, TlsIdle, TlsStalled, TlsSteady, Visits,
};

/// Those that are told in one table, and the servers that it compares.
pub const TABLES: [&[Kind]; 3] = [FAN_OUT, ENCRYPTION, ALONE];
const FAN_OUT: &[Kind] = &[Kind::Raw, Kind::Takpulse, Kind::Nchan];
const ENCRYPTION: &[Kind] = &[Kind::Takpulse, Kind::Tls, Kind::Http2];
const ALONE: &[Kind] = &[Kind::Takpulse];

/// All of them, in the tables' order.
pub const ALL: [Scenario; 18] = [
    Steady { viewers: 100, rate: RATE },
    Steady { viewers: 1_000, rate: RATE },
    Steady { viewers: 10_000, rate: 5 },
    Saturated { viewers: 100 },
    Saturated { viewers: 1_000 },
    Saturated { viewers: 10_000 },
    Idle { viewers: 1_000 },
    Idle { viewers: 10_000 },
    Stalled { viewers: 500 },
    Storm { viewers: 1_000 },
    TlsSteady { viewers: 100, rate: RATE },
    TlsSteady { viewers: 1_000, rate: RATE },
    TlsIdle { viewers: 1_000 },
    TlsStalled { viewers: 200 },
    Visits { resuming: false },
    Visits { resuming: true },
    Guess { viewers: 100, pause_ms: 100 },
    Guess { viewers: 100, pause_ms: 0 },
];

impl Scenario {
    /// What it is called, and chosen by.
    pub fn name(self) -> String {
        match self {
            Steady { viewers, rate } => format!("steady: {viewers} viewers, {rate}/s"),
            Saturated { viewers } => format!("saturated: {viewers} viewers"),
            Idle { viewers } => format!("idle: {viewers} viewers"),
            Stalled { viewers } => format!("stalled: {viewers} beside {viewers} readers"),
            Storm { viewers } => format!("storm: {viewers} come to {viewers}"),
            TlsSteady { viewers, rate } => format!("tls: {viewers} viewers, {rate}/s"),
            TlsIdle { viewers } => format!("tls: {viewers} idle viewers"),
            TlsStalled { viewers } => format!("tls: {viewers} stalled beside {viewers} readers"),
            Visits { resuming: false } => "tls: visits, full handshakes".into(),
            Visits { resuming: true } => "tls: visits, resumed sessions".into(),
            Guess { viewers, pause_ms } => {
                let guessers = guesses::CONNECTIONS;
                format!("guess: {viewers} viewers, {guessers} guess, pausing {pause_ms} ms")
            }
        }
    }

    /// So many connections it needs in one process.
    pub fn connections(self) -> usize {
        match self {
            Steady { viewers, .. } | Saturated { viewers } | Idle { viewers } => viewers,
            TlsSteady { viewers, .. } | TlsIdle { viewers } => viewers,
            Stalled { viewers } | Storm { viewers } | TlsStalled { viewers } => 2 * viewers + 1,
            Visits { .. } => visits::AT_A_TIME,
            Guess { viewers, .. } => viewers + guesses::CONNECTIONS,
        }
    }

    /// The servers of its table.
    pub fn table(self) -> &'static [Kind] {
        match self {
            Steady { .. } | Saturated { .. } | Idle { .. } | Stalled { .. } | Storm { .. } => {
                FAN_OUT
            }
            Guess { .. } => ALONE,
            _ => ENCRYPTION,
        }
    }

    /// Whether it says something about this server of its table.
    pub fn is_for(self, kind: Kind) -> bool {
        match kind {
            Kind::Nchan => matches!(self, Steady { .. } | Saturated { .. }),
            Kind::Http2 => !matches!(self, Visits { .. }),
            _ => true,
        }
    }

    /// Runs it once; `scale` shortens what is measured.
    ///
    /// # Errors
    /// The server does not start, or loses viewers.
    pub fn run(self, kind: Kind, cores: Cores, scale: f64) -> io::Result<Vec<Figure>> {
        let mut session = Session::open(kind, matches!(self, Storm { .. }), cores)?;
        match self {
            Steady { viewers, rate } => {
                let (mut figures, usage) = steady(&mut session, viewers, rate, 4.0 * scale)?;
                figures.extend(noise(usage));
                Ok(figures)
            }
            TlsSteady { viewers, rate } => {
                let (mut figures, usage) = steady(&mut session, viewers, rate, 4.0 * scale)?;
                figures.push(Figure::median("driver busy, cores", usage.driver_cores, 2));
                figures.extend(noise(usage));
                Ok(figures)
            }
            Saturated { viewers } => saturated(&mut session, viewers, kind, 2.0 * scale),
            Idle { viewers } | TlsIdle { viewers } => idle(&mut session, viewers),
            Stalled { viewers } | TlsStalled { viewers } => {
                let mut figures = alone(&mut session, viewers, 4.0 * scale)?;
                // The first must not disturb the second.
                drop(session);
                let mut session = Session::open(kind, false, cores)?;
                figures.extend(beside_stalled(&mut session, viewers, 4.0 * scale)?);
                Ok(figures)
            }
            Storm { viewers } => storm(&mut session, viewers, kind, 2.0 * scale),
            Visits { resuming } => visits::measure(&session, resuming, 2.0 * scale),
            Guess { viewers, pause_ms } => {
                guesses::measure(&mut session, viewers, pause_ms * MILLISECOND, scale)
            }
        }
    }
}

fn steady(
    session: &mut Session,
    viewers: usize,
    rate: u64,
    seconds: f64,
) -> io::Result<(Vec<Figure>, Usage)> {
    session.connect(viewers)?;
    let (window, delivered, usage) = paced(session, rate, seconds)?;
    let mut figures = vec![
        Figure::median("CPU, µs a delivery", usage.server * 1e6 / delivered as f64, 2),
        latency(session, window, "p50, ms", 0.50),
        latency(session, window, "p99, ms", 0.99),
    ];
    figures.extend(faults(session));
    Ok((figures, usage))
}

/// Warms up and measures an open loop: the window, the deliveries, the cost.
fn paced(session: &mut Session, rate: u64, seconds: f64) -> io::Result<(usize, u64, Usage)> {
    let warm = clock::now() + clock::seconds(WARM_UP_SECONDS);
    session.keep(&mut Pace::per_second(rate), warm, |_| false)?;
    session.settle()?;
    let (before, meter) = (session.readers.tally.delivered, session.meter());
    let (from, to) = (clock::now(), clock::now() + clock::seconds(seconds));
    let window = session.readers.tally.watch(from, to);
    session.keep(&mut Pace::per_second(rate), to, |_| false)?;
    session.settle()?;
    Ok((window, session.readers.tally.delivered - before, meter.stop()))
}

fn saturated(
    session: &mut Session,
    viewers: usize,
    kind: Kind,
    seconds: f64,
) -> io::Result<Vec<Figure>> {
    let publishing = if kind == Kind::Raw { None } else { Some(publishing(session)?) };
    session.connect(viewers)?;
    session.saturate(WINDOW, clock::now() + clock::seconds(WARM_UP_SECONDS))?;
    let (before, meter) = (session.readers.tally.delivered, session.meter());
    session.saturate(WINDOW, clock::now() + clock::seconds(seconds))?;
    let (delivered, usage) = (session.readers.tally.delivered - before, meter.stop());
    session.settle()?;
    let per_second = delivered as f64 / usage.seconds / 1e6;
    let mut figures = vec![
        Figure::median("million deliveries/s", per_second, 3),
        Figure::median("CPU, µs a delivery", usage.server * 1e6 / delivered as f64, 2),
        Figure::median("driver busy, cores", usage.driver_cores, 2),
        Figure::median("server busy, cores", usage.server / usage.seconds, 2),
    ];
    if let Some(each) = publishing {
        let share = each * delivered as f64 / viewers as f64 / usage.server;
        figures.push(Figure::median("publishing to nobody: CPU, µs an event", each * 1e6, 2));
        figures.push(Figure::median(PUBLISHING, share * 100.0, 1));
    }
    figures.extend(faults(session));
    figures.extend(noise(usage));
    Ok(figures)
}

/// The CPU seconds that the server spends for an event before anybody gets it.
fn publishing(session: &mut Session) -> io::Result<f64> {
    session.publish_unseen(UNSEEN / 2, WINDOW)?;
    let meter = session.meter();
    session.publish_unseen(UNSEEN, WINDOW)?;
    Ok(meter.stop().server / UNSEEN as f64)
}

fn idle(session: &mut Session, viewers: usize) -> io::Result<Vec<Figure>> {
    let meter = session.meter();
    let before = memory_kib(session);
    session.connect(viewers)?;
    // One event, so that each connection has all that it will ever need.
    let soon = clock::now() + 300 * MILLISECOND;
    session.keep(&mut Pace::per_second(5), soon, |_| false)?;
    session.settle()?;
    session.idle(300 * MILLISECOND)?;
    let each = (memory_kib(session) - before) / viewers as f64;
    let mut figures = vec![
        Figure::median("user memory a viewer, KiB", each, 2),
        Figure::median("the server without viewers, MiB", before / 1024.0, 2),
    ];
    figures.extend(faults(session));
    figures.extend(noise(meter.stop()));
    Ok(figures)
}

fn alone(session: &mut Session, viewers: usize, seconds: f64) -> io::Result<Vec<Figure>> {
    session.data_bytes = BIG_DATA_BYTES;
    session.connect(viewers)?;
    let (window, ..) = paced(session, RATE, seconds)?;
    Ok(vec![
        latency(session, window, "readers alone: p99, ms", 0.99),
        Figure::median("alone: user memory, MiB", memory_kib(session) / 1024.0, 2),
    ])
}

fn beside_stalled(session: &mut Session, viewers: usize, seconds: f64) -> io::Result<Vec<Figure>> {
    session.data_bytes = BIG_DATA_BYTES;
    session.connect_beside_stalled(viewers)?;
    let (window, _, usage) = paced(session, RATE, seconds)?;
    let kernel = procfs::tcp_memory_kib() / 1024.0;
    let mut figures = vec![
        latency(session, window, "beside stalled: p99, ms", 0.99),
        Figure::median("beside stalled: user memory, MiB", memory_kib(session) / 1024.0, 2),
        Figure::median("beside stalled: kernel TCP memory of the machine, MiB", kernel, 1),
    ];
    figures.extend(faults(session));
    figures.extend(noise(usage));
    Ok(figures)
}

fn storm(
    session: &mut Session,
    viewers: usize,
    kind: Kind,
    seconds: f64,
) -> io::Result<Vec<Figure>> {
    if kind == Kind::Takpulse {
        session.await_snapshot()?;
    }
    session.connect(viewers)?;
    let meter = session.meter();
    let warm = clock::now() + clock::seconds(WARM_UP_SECONDS);
    let mut pace = Pace::per_second(RATE);
    session.keep(&mut pace, warm, |_| false)?;

    let begins = warm + clock::seconds(seconds);
    let before = session.readers.tally.watch(warm, begins);
    session.keep(&mut pace, begins, |_| false)?;
    let during = session.readers.tally.watch(begins, u64::MAX);
    session.readers.want(viewers, Role::Latecomer, viewers);
    let limit = begins + clock::seconds(STORM_LIMIT_SECONDS);
    session.keep(&mut pace, limit, |readers| readers.are_ready())?;
    let took = (clock::now() - begins) as f64 / MILLISECOND as f64;
    session.keep(&mut pace, begins + clock::seconds(STORM_SECONDS), |_| false)?;
    session.settle()?;

    let mut figures = vec![
        Figure::median("until the last has its snapshot (raw: its head), ms", took, 0),
        latency(session, before, "those there, before: p99, ms", 0.99),
        latency(session, during, "those there, in the storm: p99, ms", 0.99),
        Figure::sum("newcomers not served", session.readers.unserved() as f64),
        Figure::noise(
            "the snapshot, KiB (raw: none)",
            session.readers.snapshot_bytes as f64 / 1024.0,
        ),
    ];
    figures.extend(faults(session));
    figures.extend(noise(meter.stop()));
    Ok(figures)
}

fn memory_kib(session: &Session) -> f64 {
    session.processes().iter().map(|&process| procfs::memory_kib(process)).sum()
}

/// The latency that this share of a window's deliveries did not exceed.
pub fn latency(session: &Session, window: usize, name: &'static str, share: f64) -> Figure {
    let latencies = &session.readers.tally.windows[window].latencies;
    Figure::median(name, latencies.percentile_ms(share), 2)
}

/// What must be 0.
pub fn faults(session: &Session) -> [Figure; 2] {
    let (tally, gone) = (&session.readers.tally, session.readers.gone as u64);
    [
        Figure::sum("lost deliveries", tally.lost as f64),
        Figure::sum(
            "gaps, out of order, viewers gone",
            (tally.gaps + tally.disorder + gone) as f64,
        ),
    ]
}

/// What else the machine did.
pub fn noise(usage: Usage) -> [Figure; 2] {
    [
        Figure::noise("noise: CPU of others, cores", usage.others_cores),
        Figure::noise("noise: stolen, cores", usage.stolen_cores),
    ]
}

/// About how many bytes a frame of the usual events has.
pub fn frame_bytes() -> usize {
    let data = Stamp { sequence: 1, at: clock::now() }.data(super::session::DATA_BYTES);
    "event:note\ndata:\nid:bench-1000\n\n".len() + data.len()
}
