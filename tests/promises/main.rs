//! What takpulse promises, held to it from outside: the binary is started and spoken to as its users
//! do. Modules are named after the promises.
//!
//! A test that needs a real server is ignored with the reason; `tests/run` installs the servers and
//! runs every test.

// How to start and speak to things.
mod app;
mod browser;
mod connection;
mod engine;
mod inside;
mod proxies;
mod site;
mod taky;
mod wire;
mod world;

// Promises.
mod bad_input;
mod benchmark;
mod bus;
mod configuration;
mod crowd;
mod dashboard;
mod docker;
mod handover;
mod house;
mod lifecycle;
mod limits;
mod one_file;
mod protocol;
mod proxy;
mod publish;
mod resume;
mod stream;
mod tak;
mod viewers;
