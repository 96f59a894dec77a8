//! As much of HTTP/2 as one stream on a connection of its own needs.
//!
//! Windows are opened so far that none is ever full, and nothing is ever answered: a run is over before
//! the server asks whether anybody is there.

/// What every connection begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Frames' types.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
/// Of a HEADERS frame: nothing follows in the request or in its head.
const END_STREAM_AND_HEADERS: u8 = 0x5;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MOST_WINDOW: u32 = (1 << 31) - 1;
/// The windows are so large before anybody says otherwise.
const USUAL_WINDOW: u32 = 65_535;
/// HPACK (RFC 7541): the indexed field `:status: 200`.
const STATUS_200: u8 = 0x88;
/// What a good answer's head is handed over as.
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

/// A connection's first bytes: the request is in them.
pub fn request(authority: &str, path: &str, token: &str) -> Vec<u8> {
    // `:method: GET` and `:scheme: https` stand in the table whole; of the others, the name does.
    let mut fields = vec![0x82, 0x87];
    let named: [(&[u8], &str); 4] = [
        (&[0x04], path),
        (&[0x01], authority),
        (&[0x0f, 0x04], "text/event-stream"),
        (&[0x0f, 0x08], token),
    ];
    for (name, value) in named {
        fields.extend_from_slice(name);
        // Below 127 bytes, the length is one byte.
        fields.push(u8::try_from(value.len()).unwrap_or(u8::MAX).min(126));
        fields.extend_from_slice(value.as_bytes());
    }
    let mut window = INITIAL_WINDOW_SIZE.to_be_bytes().to_vec();
    window.extend_from_slice(&MOST_WINDOW.to_be_bytes());
    [
        PREFACE.to_vec(),
        frame(SETTINGS, 0, 0, &window),
        frame(WINDOW_UPDATE, 0, 0, &(MOST_WINDOW - USUAL_WINDOW).to_be_bytes()),
        frame(HEADERS, END_STREAM_AND_HEADERS, 1, &fields),
    ]
    .concat()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Turns an answer into HTTP/1.1's.
#[derive(Debug, Default)]
pub struct Frames {
    /// A frame whose end has not come yet.
    partial: Vec<u8>,
}

impl Frames {
    /// Takes what came; a head and the pieces of the body are handed over.
    ///
    /// # Errors
    /// It is not a good answer, or ends.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        self.partial.extend_from_slice(bytes);
        let mut rest = self.partial.as_slice();
        while let Some((head, behind)) = rest.split_first_chunk::<9>() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let Some(payload) = behind.get(..length) else { break };
            match (head[3], payload.first()) {
                (DATA, _) => take(payload)?,
                (HEADERS, Some(&STATUS_200)) => take(HEAD)?,
                (kind @ (HEADERS | RST_STREAM | GOAWAY), _) => {
                    return Err(format!("a frame of type {kind}: {payload:?}"));
                }
                _ => {}
            }
            rest = &behind[length..];
        }
        let read = self.partial.len() - rest.len();
        self.partial.drain(..read);
        Ok(())
    }
}
