//! What the driver and a server under test say to each other: one TCP connection to the driver.
//!
//! The server says its address in one line; from then on each line from the driver is an event to
//! publish, `<topic> <data>`. Lines that came together are published together. The connection's end
//! is the server's: one that is left behind ends by itself.

use takpulse::event::{Event, EventId, Topic, unix_now};

/// The lines from the driver, put together again.
#[derive(Debug, Default)]
pub struct Orders {
    /// A line whose end has not come yet.
    partial: Vec<u8>,
    published: u64,
}

impl Orders {
    /// Takes what came; each whole line becomes the event to publish. Every server makes it in the
    /// same way, so that all frames are alike.
    pub fn feed(&mut self, bytes: &[u8], mut publish: impl FnMut(Event)) {
        self.partial.extend_from_slice(bytes);
        let whole = memchr::memrchr(b'\n', &self.partial).map_or(0, |end| end + 1);
        for line in self.partial[..whole].split(|&byte| byte == b'\n') {
            let Some((topic, data)) =
                std::str::from_utf8(line).ok().and_then(|line| line.split_once(' '))
            else {
                continue;
            };
            self.published += 1;
            publish(event(self.published, topic, data));
        }
        self.partial.drain(..whole);
    }
}

fn event(number: u64, topic: &str, data: &str) -> Event {
    let id = EventId::parse(&format!("bench-{number}")).expect("an id of letters and digits");
    let topic = Topic::parse(topic).expect("the driver's topics are good ones");
    Event::encode(id, topic, "bench".into(), unix_now(), data)
}
