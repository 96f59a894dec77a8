//! Placeholder until the collector lands.
#![allow(missing_docs, reason = "replaced within this session")]
use super::{CollectError, Collector};
use crate::config::{HostConfig, TakConfig};
use crate::event::Topic;
pub struct TakCollector;
impl TakCollector {
    pub fn new(_: &TakConfig, _: &HostConfig) -> Self {
        Self
    }
}
#[derive(serde::Serialize)]
pub struct TakStatus {
    message: String,
}
impl Collector for TakCollector {
    type Report = TakStatus;
    const TOPIC: Topic = Topic::TakStatus;
    async fn collect(&mut self) -> Result<TakStatus, CollectError> {
        Ok(TakStatus { message: "placeholder".into() })
    }
    fn failed(&self, e: &CollectError) -> TakStatus {
        TakStatus { message: e.to_string() }
    }
}
