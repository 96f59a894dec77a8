//! Placeholder until the collector lands.
#![allow(missing_docs, reason = "replaced within this session")]
use super::{CollectError, Collector};
use crate::config::{HostConfig, SystemConfig};
use crate::event::Topic;
pub struct SystemCollector;
impl SystemCollector {
    pub fn new(_: &SystemConfig, _: &HostConfig) -> Self {
        Self
    }
}
#[derive(serde::Serialize)]
pub struct SystemMetrics {
    message: String,
}
impl Collector for SystemCollector {
    type Report = SystemMetrics;
    const TOPIC: Topic = Topic::SystemMetrics;
    async fn collect(&mut self) -> Result<SystemMetrics, CollectError> {
        Ok(SystemMetrics { message: "placeholder".into() })
    }
    fn failed(&self, e: &CollectError) -> SystemMetrics {
        SystemMetrics { message: e.to_string() }
    }
}
