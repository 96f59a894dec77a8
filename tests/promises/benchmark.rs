//! The benchmark measures what it says: its readers lose no frame, wherever the network tears it, and
//! its arithmetic is right. (The benchmark itself is run by hand, and never fails.)

#[path = "../../benches/fanout/answers.rs"]
mod answers;
#[path = "../../benches/fanout/decode.rs"]
mod decode;
#[path = "../../benches/fanout/figures.rs"]
mod figures;
#[path = "../../benches/fanout/http2.rs"]
mod http2;
#[path = "../../benches/fanout/tally.rs"]
mod tally;

use answers::Answers;
use decode::{Decoder, Stamp};
use figures::{Histogram, median, range};
use http2::Frames;
use tally::Tally;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";

/// The frames of this response when it comes in pieces of this size, and whether it has ended.
fn frames(response: &str, piece: usize) -> (Vec<String>, bool) {
    let mut decoder = Decoder::new();
    let mut frames = Vec::new();
    for bytes in response.as_bytes().chunks(piece) {
        let mut take = |frame: &[u8]| frames.push(String::from_utf8_lossy(frame).into_owned());
        decoder.feed(bytes, &mut take).expect("a stream of events");
    }
    assert!(decoder.has_head());
    (frames, decoder.has_ended())
}

#[test]
fn frames_are_read_plain_and_in_chunks_wherever_they_are_torn() {
    let plain = format!("{HEAD}\r\n: hello\n\nevent:note\ndata:{{}}\n\ndata:2\n\nunfinished\n");
    let chunked = format!(
        "{HEAD}Transfer-Encoding: chunked\r\n\r\n9\r\n: hello\n\n\r\n\
         15\r\nevent:note\ndata:{{}}\n\nd\r\n6;x=y\r\nata:2\n\r\n1\r\n\n\r\n0\r\n\r\n"
    );
    let expected = [": hello", "event:note\ndata:{}", "data:2"];
    for piece in 1..plain.len().max(chunked.len()) {
        assert_eq!(frames(&plain, piece), (expected.map(String::from).into(), false), "{piece}");
        assert_eq!(frames(&chunked, piece), (expected.map(String::from).into(), true), "{piece}");
    }
}

#[test]
fn what_is_no_stream_of_events_is_refused() {
    for response in [
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/event-stream\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
        &format!("{HEAD}Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
    ] {
        assert!(Decoder::new().feed(response.as_bytes(), &mut |_| {}).is_err(), "{response}");
    }
}

#[test]
fn answers_are_read_wherever_they_are_torn() {
    let accepted = "HTTP/1.1 202 Accepted\r\ncontent-length: 4\r\n\r\n{}\r\n";
    let refused = "HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n";
    let stream = format!("{accepted}{refused}{accepted}HTTP/1.1 202 ");
    for piece in 1..stream.len() {
        let (mut answers, mut statuses) = (Answers::default(), Vec::new());
        for bytes in stream.as_bytes().chunks(piece) {
            let take = |status, _: &[u8]| {
                statuses.push(status);
                Ok(())
            };
            answers.feed(bytes, take).expect("answers");
        }
        assert_eq!(statuses, [202, 429, 202], "{piece}");
    }
    for bad in ["HTTP/1.1 202 Accepted\r\n\r\n", "nonsense\r\n\r\n"] {
        assert!(Answers::default().feed(bad.as_bytes(), |_, _| Ok(())).is_err(), "{bad}");
    }
    let refuse = |_, _: &[u8]| Err("no".to_owned());
    assert_eq!(Answers::default().feed(refused.as_bytes(), refuse), Err("no".into()));
}

#[test]
fn a_stream_in_http2_is_read_wherever_it_is_torn() {
    let settings = b"\0\0\0\x04\0\0\0\0\0".as_slice();
    let head = b"\0\0\x03\x01\x04\0\0\0\x01\x88ab".as_slice();
    let (one, two) = (b"\0\0\x04\0\0\0\0\0\x01one\n", b"\0\0\x05\0\0\0\0\0\x01\ntwo\n");
    let answer = [settings, head, one, two].concat();
    for piece in 1..=answer.len() {
        let (mut frames, mut text) = (Frames::default(), Vec::new());
        for bytes in answer.chunks(piece) {
            let take = |bytes: &[u8]| {
                text.extend_from_slice(bytes);
                Ok(())
            };
            frames.feed(bytes, take).expect("a stream");
        }
        let expected = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\none\n\ntwo\n";
        assert_eq!(String::from_utf8_lossy(&text), expected, "{piece}");
    }
    let refused = b"\0\0\x03\x01\x04\0\0\0\x01\x8dab";
    assert!(Frames::default().feed(refused, |_| Ok(())).is_err());
    let request = http2::request("box:1", "/stream", "Bearer x");
    let asked = b"\x82\x87\x04\x07/stream\x01\x05box:1";
    assert!(request.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    assert!(request.windows(asked.len()).any(|bytes| bytes == asked));
}

#[test]
fn a_stamp_comes_back_out_of_its_frame() {
    let stamp = Stamp { sequence: 7, at: 1_234_567_890_123 };
    let data = stamp.data(300);
    assert_eq!(data.len(), 300);
    let frame = format!("event:note\ndata:{data}\nid:bench-7");
    assert_eq!(Stamp::read(frame.as_bytes()), Some(stamp));
    assert_eq!(Stamp::read(b"event:ping\ndata:{\"timestamp\":1}"), None);
}

#[test]
fn what_is_lost_left_out_out_of_order_or_late_is_counted() {
    let mut tally = Tally::default();
    tally.readers = 2;
    let window = tally.watch(0, 3_000_000);
    assert_eq!([tally.publish(), tally.publish(), tally.publish()], [1, 2, 3]);
    let at = |sequence| Stamp { sequence, at: sequence * 1_000_000 };
    let (mut whole, mut torn) = (0, 0);
    (1..=3).for_each(|sequence| tally.deliver(at(sequence), &mut whole, 5_000_000));
    for sequence in [1, 3, 3, 2] {
        tally.deliver(at(sequence), &mut torn, 5_000_000);
    }
    assert_eq!((tally.delivered, tally.gaps, tally.disorder), (5, 1, 2));
    assert_eq!((tally.under_way(), tally.lost), (2, 0));
    tally.give_up();
    assert_eq!((tally.under_way(), tally.lost), (0, 1));
    // From when it was to be published; the third is outside of the window.
    let slowest = tally.windows[window].latencies.percentile_ms(1.0);
    assert!((slowest / 4.0 - 1.0).abs() < 0.02, "{slowest}");
    assert_eq!(tally.publish(), 4);
    tally.deliver(at(4), &mut whole, 5_000_000);
    tally.deliver(at(4), &mut torn, 5_000_000);
    assert_eq!((tally.under_way(), tally.lost), (0, 1));
}

#[test]
fn a_percentile_is_off_by_less_than_two_percent() {
    let mut histogram = Histogram::new();
    assert_eq!(histogram.percentile_ms(0.5), 0.0);
    (1..=100_000).for_each(|value| histogram.record(value * 1_000));
    for (share, expected) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
        let found = histogram.percentile_ms(share);
        assert!((found / expected - 1.0).abs() < 0.02, "{share}: {found}");
    }
    histogram.record(u64::MAX);
    assert!(histogram.percentile_ms(1.0) > 1e12);
}

#[test]
fn a_median_is_the_middle_and_a_range_the_ends() {
    for (values, middle) in [(vec![], 0.0), (vec![3.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0], 2.5)] {
        assert_eq!(median(&values), middle, "{values:?}");
    }
    assert_eq!(range(&[3.0, 1.0, 2.0]), (1.0, 3.0));
}
