//! `takpulse check` (placeholder)
#![allow(missing_docs, reason = "replaced within this session")]
use std::process::ExitCode;

use crate::config::Loaded;
pub async fn run(_loaded: Loaded) -> ExitCode {
    ExitCode::SUCCESS
}
