//! `HAProxy` before the servers, with the configuration of deploy/.

use std::{path::Path, process::Command, time::Duration};

use crate::process::{Process, eventually, free_port};

const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/haproxy.cfg");

pub struct Balancer {
    /// The URL for clients.
    pub url: String,
    /// The ports of the servers.
    pub ports: [u16; 3],
    /// The URL of the state of the servers, as CSV.
    state_url: String,
    http: reqwest::Client,
    _process: Process,
}

impl Balancer {
    /// Starts it, and no server yet.
    pub fn start(log: &Path) -> Self {
        let (port, state_port, ports) = (free_port(), free_port(), [free_port(), free_port(), free_port()]);
        let mut command = Command::new("haproxy");
        // In the foreground.
        command.args(["-db", "-f", CONFIGURATION]);
        command.env("HTTP_BIND", format!("127.0.0.1:{port}")).env("STATUS_BIND", format!("127.0.0.1:{state_port}"));
        for (index, port) in ports.iter().enumerate() {
            command.env(format!("SERVER_{}", index + 1), format!("127.0.0.1:{port}"));
        }
        Self {
            url: format!("http://127.0.0.1:{port}"),
            ports,
            state_url: format!("http://127.0.0.1:{state_port}/;csv"),
            http: reqwest::Client::builder().no_proxy().build().expect("a client"),
            _process: Process::start(&mut command, log).expect("haproxy"),
        }
    }

    /// Waits until the server numbered `index` gets requests, or no longer does.
    pub async fn wait_until(&self, index: usize, is_up: bool, patience: Duration) -> bool {
        // "DOWN 1/2" is still down.
        let state = if is_up { "UP" } else { "DOWN" };
        eventually(patience, async || self.state(index).await.is_some_and(|now| now.starts_with(state))).await
    }

    async fn state(&self, index: usize) -> Option<String> {
        let table = self.http.get(&self.state_url).send().await.ok()?.text().await.ok()?;
        let column = table.lines().next()?.split(',').position(|name| name == "status")?;
        let line = table.lines().find(|line| line.starts_with(&format!("servers,server-{},", index + 1)))?;
        Some(line.split(',').nth(column)?.to_owned())
    }
}
