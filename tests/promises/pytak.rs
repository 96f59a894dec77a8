//! A client that somebody else has written: PyTAK, on which many gateways of the field stand.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::cot_client::Who;
use crate::program::{Program, bin};

/// Says who it is, each second, over the connection that PyTAK makes and keeps.
const SCRIPT: &str = r#"import asyncio, configparser, json, sys, xml.etree.ElementTree as ET
import pytak

settings, who = map(json.loads, sys.argv[1:])

class Presence(pytak.QueueWorker):
    async def handle_data(self, data):
        await self.put_queue(data)

    async def run(self, _=-1):
        device = ET.Element("takv", device="gateway", platform="PyTAK", os="Linux", version="1")
        group = ET.Element("__group", name=who["team"], role=who["role"])
        while True:
            event = pytak.cot_event(
                lat=47.1, lon=9.5, cot_type="a-f-G-U-C", uid=who["uid"],
                callsign=who["callsign"], detail=pytak.cot_detail(device, group))
            await self.handle_data(pytak.serialize_cot(event))
            await asyncio.sleep(1)

async def main():
    config = configparser.ConfigParser()
    config["gateway"] = settings
    tool = pytak.CLITool(config["gateway"])
    await tool.setup()
    tool.add_task(Presence(tool.tx_queue, config["gateway"]))
    await tool.run()

asyncio.run(main())
"#;

/// A running client; it leaves when dropped.
pub struct PyTak {
    _client: Program,
    _dir: TempDir,
}

impl PyTak {
    /// Connects to this port.
    pub fn plain(port: u16, who: Who) -> PyTak {
        PyTak::start(who, &serde_json::json!({ "COT_URL": format!("tcp://127.0.0.1:{port}") }))
    }

    /// As [`PyTak::plain`], over TLS with this certificate and its key.
    pub fn tls(port: u16, who: Who, (certificate, key): (&Path, &Path)) -> PyTak {
        let settings = serde_json::json!({
            "COT_URL": format!("tls://127.0.0.1:{port}"),
            "PYTAK_TLS_CLIENT_CERT": certificate,
            "PYTAK_TLS_CLIENT_KEY": key,
            "PYTAK_TLS_DONT_VERIFY": "1",
            "PYTAK_TLS_DONT_CHECK_HOSTNAME": "1",
        });
        PyTak::start(who, &settings)
    }

    fn start(who: Who, settings: &serde_json::Value) -> PyTak {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let script = dir.path().join("gateway.py");
        std::fs::write(&script, SCRIPT).expect("the script is written");
        let Who { uid, callsign, team, role } = who;
        let who = serde_json::json!({"uid": uid, "callsign": callsign, "team": team, "role": role});
        let mut command = Command::new(bin("TEST_TAKPULSE_PYTAK").join("python"));
        command.arg(script).args([settings.to_string(), who.to_string()]).current_dir(dir.path());
        PyTak { _client: Program::start(&mut command, "pytak", dir.path()), _dir: dir }
    }
}
