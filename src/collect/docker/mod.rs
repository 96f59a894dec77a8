//! Placeholder until the collector lands.
#![allow(missing_docs, reason = "replaced within this session")]
use super::{CollectError, Collector};
use crate::config::DockerConfig;
use crate::event::Topic;
pub struct DockerCollector;
impl DockerCollector {
    pub fn new(_: &DockerConfig) -> Self {
        Self
    }
}
#[derive(serde::Serialize)]
pub struct DockerStatus {
    message: String,
}
impl Collector for DockerCollector {
    type Report = DockerStatus;
    const TOPIC: Topic = Topic::DockerStatus;
    async fn collect(&mut self) -> Result<DockerStatus, CollectError> {
        Ok(DockerStatus { message: "placeholder".into() })
    }
    fn failed(&self, e: &CollectError) -> DockerStatus {
        DockerStatus { message: e.to_string() }
    }
}
