//! What takpulse promises, held to it from outside: the binary is started and spoken to as its users
//! do. Modules are named after the promises.
//!
//! A test that needs a real server is ignored with the reason; `tests/run` installs the servers and
//! runs every test.

mod app;
