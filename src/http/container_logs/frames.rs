//! A log's pieces as Server-Sent Events.
//!
//! Architecture invariant: pure; whatever a container writes, what is sent is text, and ends where its
//! frame ends.

use std::sync::Arc;

use anstream::adapter::strip_bytes;
use serde::Serialize;
use serde_json::json;

use crate::containers::{Cursor, End, Line, Lost, MOST_LINE_BYTES, Piece};
use crate::event::encode_frame;

/// What stands at the end of a line that was cut.
const ELLIPSIS: char = '\u{2026}';

/// What a line is sent as.
#[derive(Serialize)]
struct Shown<'a> {
    stream: &'static str,
    /// In Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<f64>,
    text: &'a str,
}

/// Writes a piece of this container's log.
pub(super) fn frame(container: &Arc<str>, piece: &Piece) -> String {
    match piece {
        Piece::Line(line) => line_frame(container, line),
        Piece::Lost(Lost::Lines(count)) => event("lagged", &json!({ "lost": count })),
        Piece::Lost(Lost::Uncounted) => event("lagged", &json!({})),
    }
}

fn line_frame(container: &Arc<str>, line: &Line) -> String {
    let shown = Shown {
        stream: if line.is_error { "stderr" } else { "stdout" },
        timestamp: line.place.map(|place| place.at_nanoseconds as f64 / 1e9),
        text: &text(&line.text, line.is_cut),
    };
    // Texts and numbers always are JSON.
    let data = serde_json::to_string(&shown).unwrap_or_default();
    let cursor = line.place.map(|place| Cursor { container: container.clone(), place }.to_string());
    encode_frame("log", &data, cursor.as_deref(), None)
}

/// What is readable of a line: without colours and other orders to a terminal, and without what is no text.
fn text(line: &[u8], is_cut: bool) -> String {
    // First of all text: within a broken character an escape would not be seen.
    let whole = String::from_utf8_lossy(line);
    let bare = strip_bytes(whole.as_bytes()).into_vec();
    let mut text: String = String::from_utf8_lossy(&bare).chars().filter_map(readable).collect();
    // What is no UTF-8 has grown.
    let room = MOST_LINE_BYTES - ELLIPSIS.len_utf8();
    if is_cut || text.len() > MOST_LINE_BYTES {
        text.truncate(text.floor_char_boundary(room));
        text.push(ELLIPSIS);
    }
    text
}

/// A progress bar goes back to the line's beginning: what it overwrote stays readable.
fn readable(letter: char) -> Option<char> {
    match letter {
        '\t' => Some(letter),
        '\n' | '\r' | '\x0b' | '\x0c' => Some(' '),
        _ if letter.is_control() => None,
        _ => Some(letter),
    }
}

/// Why nothing more comes.
pub(super) fn end(end: &End) -> String {
    let mut data = json!({ "reason": end.reason.as_str() });
    if let Some(message) = &end.message {
        data["message"] = json!(message);
    }
    event("end", &data)
}

/// That the stream is alive; JavaScript sees no comments.
pub(super) fn ping(now: f64) -> String {
    format!(":heartbeat\n\n{}", event("ping", &json!({ "timestamp": now })))
}

fn event(name: &str, data: &serde_json::Value) -> String {
    encode_frame(name, &data.to_string(), None, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::{Place, Reason};

    fn line(text: &[u8]) -> Piece {
        let place = Some(Place { at_nanoseconds: 1_700_000_000_123_456_789, digest: 1, nth: 2 });
        Piece::Line(Line { is_error: false, place, text: text.into(), is_cut: false })
    }

    fn frame_of(piece: &Piece) -> String {
        frame(&"0123456789ab".into(), piece)
    }

    #[test]
    fn every_piece_is_a_frame_of_its_own() {
        let error = Line { is_error: true, text: b"oh".into(), ..Line::default() };
        let message = Some("do this".to_owned());
        for (frame, wanted) in [
            (
                frame_of(&line(b"a \"b\"")),
                "event:log\ndata:{\"stream\":\"stdout\",\"timestamp\":1700000000.1234567,\"text\":\"a \\\"b\\\"\"}\n\
                 id:0123456789ab-1700000000123456789-00000001-2\n\n",
            ),
            (
                frame_of(&Piece::Line(error)),
                "event:log\ndata:{\"stream\":\"stderr\",\"text\":\"oh\"}\n\n",
            ),
            (frame_of(&Piece::Lost(Lost::Lines(3))), "event:lagged\ndata:{\"lost\":3}\n\n"),
            (frame_of(&Piece::Lost(Lost::Uncounted)), "event:lagged\ndata:{}\n\n"),
            (end(&Reason::NotRunning.into()), "event:end\ndata:{\"reason\":\"not_running\"}\n\n"),
            (
                end(&End { reason: Reason::EngineGone, message }),
                "event:end\ndata:{\"message\":\"do this\",\"reason\":\"engine_gone\"}\n\n",
            ),
            (ping(1.5), ":heartbeat\n\nevent:ping\ndata:{\"timestamp\":1.5}\n\n"),
        ] {
            assert_eq!(frame, wanted);
        }
    }

    #[test]
    fn what_is_meant_for_a_terminal_is_left_out_and_what_is_no_text_is_marked() {
        for (bytes, wanted) in [
            (&b"\x1b[1;31mred\x1b[0m and \x1b]8;;http://x\x07link\x1b]8;;\x07"[..], "red and link"),
            (b"\x1b[38;2;1;2;3mx\x1b[K\x1b[2J\x1b(By", "xy"),
            (b"tab\there 10%\r20%", "tab\there 10% 20%"),
            ("gr\u{fc}n \u{2714} \u{1f600}".as_bytes(), "gr\u{fc}n \u{2714} \u{1f600}"),
            (b"bell\x07 null\x00 del\x7f", "bell null del"),
            (b"latin \xe4\xf6 x", "latin \u{fffd}\u{fffd} x"),
            (b"", ""),
        ] {
            assert_eq!(text(bytes, false), wanted, "{bytes:?}");
        }
    }

    #[test]
    fn nothing_is_longer_than_the_limit_and_what_was_cut_says_so() {
        let most = MOST_LINE_BYTES;
        for (bytes, is_cut, ends) in [
            (vec![b'x'; most], false, "x"),
            (vec![b'x'; most], true, "x\u{2026}"),
            (vec![0xff; most], false, "\u{fffd}\u{2026}"),
            ("\u{fc}".repeat(most / 2).into_bytes(), true, "\u{fc}\u{2026}"),
            (b"short".to_vec(), true, "short\u{2026}"),
        ] {
            let text = text(&bytes, is_cut);
            assert!(text.len() <= most && text.ends_with(ends), "{} {}", text.len(), ends);
        }
    }

    #[test]
    fn whatever_a_container_writes_is_one_frame_with_json_in_it() {
        let mut random = fastrand::Rng::with_seed(3);
        let letters = b"\x1b\x1b[]0;mH\x07\x9b\xc2\xe2\x82\xac\xf0\x9f\x98\x80\xff\x00\r\n\x7f id:data:\"\\ax";
        for _ in 0..20_000 {
            let bytes: Vec<u8> =
                (0..random.usize(..40)).map(|_| letters[random.usize(..letters.len())]).collect();
            let frame = frame_of(&line(&bytes));
            let lines: Vec<&str> = frame.split('\n').collect();
            let [event, data, id, "", ""] = lines[..] else { panic!("{bytes:?}: {frame:?}") };
            assert!(event == "event:log" && id.starts_with("id:0123456789ab-"), "{frame:?}");
            let json: serde_json::Value =
                serde_json::from_str(&data["data:".len()..]).expect("JSON");
            let text = json["text"].as_str().expect("text");
            assert!(text.chars().all(|letter| letter == '\t' || !letter.is_control()), "{frame:?}");
        }
    }
}
