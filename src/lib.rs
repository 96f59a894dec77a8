//! takpulse: host metrics, Docker containers and the TAK server of one box, live in a browser, from
//! one static binary.
//!
//! The data's way through the house, and the only way imports may point:
//!
//! ```text
//! main -> app -> http -> hub -> bus -> event
//!          |---> collect ------> bus      http ---> access, tls
//!          '---> config, shutdown, telemetry
//! ```
//!
//! A [`collect::Collector`] reads one source; the runner publishes what it read on a [`bus::Bus`];
//! the [`hub`] keeps the latest state and a bounded history, and hands both to the viewers that
//! [`http`] serves.
//!
//! [`access`] keeps users, sessions and tokens: the gate in `http` asks it who is asking. [`tls`] keeps the
//! certificates: its own, and whose are believed (`tls -> access, config, event, keystore`). [`keystore`]
//! reads certificates and keys of every format, for `tls` and for the TAK collector. `takpulse check`, `token`,
//! `hash-password`, `reset-password` and `publish` are other ways in (`main -> check -> app, collect`;
//! `main -> passwords -> access`; `main -> post -> tls`); `cli` only reads the command line.
//!
//! [`containers`] is how the web asks the Docker collector about one container, and has it restarted:
//! both know it, and not each other (`http, collect -> containers`).
//!
//! Architecture invariants: HTTP knows no collector and collectors know no HTTP; [`event`] knows no
//! I/O; [`config`] is a leaf. `tests/promises/house.rs` holds the imports to these arrows.

pub mod access;
pub mod app;
pub mod bus;
pub mod check;
pub mod cli;
pub mod collect;
pub mod config;
pub mod containers;
pub mod event;
pub mod http;
pub mod hub;
pub mod keystore;
pub mod passwords;
pub mod post;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
