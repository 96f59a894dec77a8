//! Reads a container's log for one viewer, as long as that one takes it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bytes::Bytes;
use tokio::task::consume_budget;
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt};

use super::super::connect::{Address, Engine};
use super::assembler::{Assembler, Message, Shape};
use super::place::{Behind, Search, Verdict};
use super::{Fault, Known, failure, inspect, of_error};
use crate::containers::{
    ContainerId, End, Failure, ID_DIGITS, Line, Log, LogQuery, Lost, MOST_TAIL, Piece, Places,
    Reason, Writer, queue,
};

/// So long a no of the engine's is waited for. Podman, and Docker 25, answer nothing at all before the first
/// line: whoever asked does not wait for that.
const HEARING: Duration = Duration::from_millis(500);

/// To look through the last lines takes an engine a moment; whoever comes back waits for it.
const LOOKING: Duration = Duration::from_secs(15);

/// Longer than anybody watches: bollard would give up a quiet container.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// So many bytes are made into lines at once: the lines of a larger piece could take many times its memory.
const AT_ONCE: usize = 16 << 10;

/// Begins to read.
///
/// # Errors
/// The container is not there, or the engine does not let us or cannot.
pub async fn open(known: Known, id: &ContainerId, query: LogQuery) -> Result<Log, Failure> {
    let Known { address, engine, said } = known;
    let full_id = said.id.unwrap_or_default();
    let has_terminal = said.config.and_then(|config| config.tty) == Some(true);
    let container: Arc<str> = full_id.get(..ID_DIGITS).unwrap_or(&full_id).into();
    let Some(id) = ContainerId::parse(&full_id) else { return Err(Failure::Missing(id.clone())) };
    let after = query.after.as_ref().filter(|cursor| cursor.container == container);
    let after = after.map(|cursor| cursor.place);
    let shape = if has_terminal { Shape::Raw } else { Shape::Frames };
    let tail = if after.is_some() { MOST_TAIL } else { query.tail.min(MOST_TAIL) };
    let behind = match after {
        Some(last_seen) => {
            let once = target(&id, &LogQuery { follow: false, ..query.clone() }, tail);
            let search = search(body(&engine, &once), shape, Search::of(last_seen));
            let found =
                timeout(LOOKING, search).await.map_err(|_| failure(&Fault::Silent, &address))?;
            Some(found.map_err(|why| of_log_error(&why, &address, &id))?.behind())
        }
        None => None,
    };
    let mut body = Box::pin(body(&engine, &target(&id, &query, tail)));
    let first = match timeout(HEARING, body.next()).await {
        Ok(Some(Err(why))) => return Err(of_log_error(&why, &address, &id)),
        Ok(first) => Some(first),
        Err(_) => None,
    };
    let (writer, reader) = queue();
    let reading = Reading {
        address,
        engine,
        id,
        writer,
        assembler: Assembler::new(shape),
        places: Places::default(),
        behind,
        owed: if query.follow { Some(tail) } else { None },
        query,
    };
    tokio::spawn(reading.run(first, body));
    Ok(Log { container, pieces: reader })
}

/// Looks through a log for the place where a reader has left off.
async fn search(
    body: impl Stream<Item = Result<Bytes, Error>>,
    shape: Shape,
    mut search: Search,
) -> Result<Search, Error> {
    let (mut body, mut assembler) = (pin!(body), Assembler::new(shape));
    let mut places = Places::default();
    let mut lines = Vec::new();
    while let Some(bytes) = body.next().await {
        for part in bytes?.chunks(AT_ONCE) {
            assembler.push(part, &mut lines);
            for line in lines.drain(..) {
                let place = line.at_nanoseconds.map(|at| places.next(at, &line.text));
                if search.take(place) {
                    return Ok(search);
                }
            }
            consume_budget().await;
        }
    }
    assembler.finish(&mut lines);
    for line in lines {
        search.take(line.at_nanoseconds.map(|at| places.next(at, &line.text)));
    }
    Ok(search)
}

/// The request's path and query.
fn target(id: &ContainerId, query: &LogQuery, tail: u32) -> String {
    // Whole seconds, which every engine understands; the rest is left out here.
    let since = query.since_nanoseconds.map(|since| format!("&since={}", since / 1_000_000_000));
    format!(
        "/containers/{id}/logs?stdout=true&stderr=true&timestamps=true&follow={}&tail={tail}{}",
        query.follow,
        since.unwrap_or_default(),
    )
}

/// A log's bytes as they come: bollard's own decoder holds what a terminal writes until a line ends, however
/// long that takes, and looks through all of it for each new byte.
fn body(engine: &Engine, target: &str) -> impl Stream<Item = Result<Bytes, Error>> + use<> {
    engine.body(target, FOR_EVER)
}

/// As any other no; one for want of a log driver that can be read says what to do.
fn of_log_error(error: &Error, address: &Address, id: &ContainerId) -> Failure {
    match of_error(error, address, id) {
        Failure::Failed(message) if message.contains("driver") => Failure::Failed(format!(
            "{message}; its log goes elsewhere: read it there, or make the container anew with a log driver \
             that can be read (json-file, local, journald)"
        )),
        failure => failure,
    }
}

/// A log that is being read.
struct Reading {
    address: Address,
    engine: Engine,
    id: ContainerId,
    query: LogQuery,
    writer: Writer,
    assembler: Assembler,
    places: Places,
    /// Where the viewer has left off.
    behind: Option<Behind>,
    /// So many more lines are owed; `None`: all are.
    owed: Option<u32>,
}

type Chunk = Option<Result<Bytes, Error>>;

impl Reading {
    /// Reads until the log ends or nobody takes it any more; `first` is what was heard already.
    async fn run(
        mut self,
        mut first: Option<Chunk>,
        mut body: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    ) {
        let failure = loop {
            let chunk = match first.take() {
                Some(chunk) => chunk,
                None => tokio::select! {
                    chunk = body.next() => chunk,
                    () = self.writer.reader_gone() => return,
                },
            };
            match chunk {
                Some(Ok(bytes)) => self.take(&bytes).await,
                Some(Err(why)) => break Some(why),
                None => break None,
            }
            // Nothing above need ever wait, and this is one thread.
            consume_budget().await;
        };
        let mut rest = Vec::new();
        self.assembler.finish(&mut rest);
        self.give(rest).await;
        let end = self.end(failure).await;
        self.writer.end(end);
    }

    async fn take(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(AT_ONCE) {
            let mut lines = Vec::new();
            self.assembler.push(part, &mut lines);
            self.give(lines).await;
            consume_budget().await;
        }
    }

    async fn give(&mut self, messages: Vec<Message>) {
        for message in messages {
            let owed = self.owed != Some(0);
            self.owed = self.owed.map(|owed| owed.saturating_sub(1));
            let Some((line, gap)) = self.judge(message) else { continue };
            if gap {
                self.writer.owe(Piece::Lost(Lost::Uncounted)).await;
            }
            if owed {
                self.writer.owe(Piece::Line(line)).await;
            } else {
                self.writer.put(line);
            }
        }
    }

    /// The line, unless it was seen or is too old; and whether something before it is lost.
    fn judge(&mut self, message: Message) -> Option<(Line, bool)> {
        let Message { is_error, at_nanoseconds, text, is_cut } = message;
        let place = at_nanoseconds.map(|at| self.places.next(at, &text));
        let verdict = self.behind.as_mut().map_or(Verdict::New, |behind| behind.judge(place));
        let since = self.query.since_nanoseconds;
        let is_old = at_nanoseconds.zip(since).is_some_and(|(at, since)| at < since);
        if verdict == Verdict::Seen || is_old {
            return None;
        }
        Some((Line { is_error, place, text, is_cut }, verdict == Verdict::NewAfterGap))
    }

    /// Why nothing more comes.
    async fn end(&mut self, failure: Option<Error>) -> End {
        if let Some(said) = self.assembler.take_complaint() {
            let message = format!("the engine cannot read this log any further: {said}");
            return End { reason: Reason::Failed, message: Some(message) };
        }
        match failure {
            Some(why @ Error::DockerResponseServerError { .. }) => {
                let message = of_log_error(&why, &self.address, &self.id).to_string();
                End { reason: Reason::Failed, message: Some(message) }
            }
            None if !self.query.follow => Reason::End.into(),
            broken => self.ask_why(broken.is_some()).await,
        }
    }

    /// Asks what has become of the container. `broken`: whether the answer broke off.
    async fn ask_why(&self, broken: bool) -> End {
        match inspect(&self.engine, &self.address, &self.id).await {
            Err(Failure::Missing(_)) => Reason::Removed.into(),
            Err(why) => End { reason: Reason::EngineGone, message: Some(why.to_string()) },
            Ok(_) if broken => Reason::EngineGone.into(),
            Ok(said) => {
                let state = said.state.unwrap_or_default();
                let status = state.status.map(|status| status.to_string()).unwrap_or_default();
                match status.as_str() {
                    "removing" | "dead" => Reason::Removed.into(),
                    "running" | "restarting" | "paused" => Reason::Restarted.into(),
                    _ => Reason::NotRunning.into(),
                }
            }
        }
    }
}
