//! nchan, the module that makes nginx a broadcaster: a private one, where Debian's packages `nginx` and
//! `libnginx-mod-nchan` are installed.
//!
//! It is published to as its users do, by HTTP: see [`super::poster`].

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::cores::Cores;
use super::poster::Manner;
use super::procfs;
use super::server;

const PROGRAM: &str = "/usr/sbin/nginx";
const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// The path of the stream.
pub const STREAM: &str = "/stream";

/// Whether it can be started here.
pub fn is_installed() -> bool {
    Path::new(PROGRAM).exists() && Path::new(MODULE).exists()
}

/// One worker; nothing outside of the directory; so many messages are kept that a burst is not lost.
fn configuration(directory: &Path, address: SocketAddr) -> String {
    let directory = directory.display();
    format!(
        "load_module {MODULE};
user root;
worker_processes 1;
daemon off;
pid {directory}/pid;
error_log stderr error;
worker_rlimit_nofile 20000;
events {{ worker_connections 19000; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  tcp_nodelay on;
  keepalive_requests 100000000;
  server {{
    listen {address} backlog=4096;
    location = /publish {{
      nchan_publisher;
      nchan_channel_id bench;
      nchan_message_buffer_length 1000;
      nchan_message_timeout 60s;
    }}
    location = {STREAM} {{
      nchan_subscriber eventsource;
      nchan_channel_id bench;
      nchan_subscriber_first_message newest;
    }}
  }}
}}
"
    )
}

/// Starts it and waits until it listens; with the master its worker, and where it listens.
///
/// # Errors
/// It does not start.
pub fn start(directory: &Path, cores: Cores) -> io::Result<(Child, Vec<u32>, SocketAddr)> {
    // nginx cannot say which port it was given: take one that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let file = directory.join("nginx.conf");
    std::fs::write(&file, configuration(directory, address))?;
    let mut command = Command::new(PROGRAM);
    command.arg("-p").arg(directory).arg("-e").arg("stderr").arg("-c").arg(file);
    command.stdin(Stdio::null());
    let mut child = cores.on_servers_core(|| command.spawn())?;
    // The master listens before there is a worker.
    let working = server::wait_for(|| {
        let processes = procfs::family(child.id());
        let works = processes.len() > 1 && TcpStream::connect(address).is_ok();
        Ok(works.then_some(processes))
    });
    let processes = working.inspect_err(|_| server::end(&mut child, &[]))?;
    Ok((child, processes, address))
}

/// The topic goes into the head. 201: somebody waits for the event, 202: nobody does yet.
pub fn manner() -> Manner {
    Manner {
        head: Box::new(|topic| format!("X-EventSource-Event: {topic}\r\n")),
        body: |_, _, data| data.to_owned(),
        accepted: &[201, 202],
    }
}
