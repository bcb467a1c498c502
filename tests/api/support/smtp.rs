//! A real SMTP server (aiosmtpd), as a process of its own.

use std::process::Stdio;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{Duration, timeout},
};

const TIMEOUT: Duration = Duration::from_mins(1);

pub struct SmtpServer {
    pub port: u16,
    lines: Lines<BufReader<ChildStdout>>,
    /// Killed on drop.
    _process: Child,
}

impl SmtpServer {
    /// Starts tests/support/smtp/server.py with `arguments`.
    pub async fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.local/smtp/bin/python"))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/smtp/server.py"))
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the environment of scripts/python-venv, which scripts/test makes");
        let mut lines = BufReader::new(process.stdout.take().expect("an output")).lines();
        let port = next_line(&mut lines).await.parse().expect("a port");
        Self { port, lines, _process: process }
    }

    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Waits for the next mail.
    pub async fn mail(&mut self) -> Value {
        serde_json::from_str(&next_line(&mut self.lines).await).expect("JSON")
    }
}

async fn next_line(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    timeout(TIMEOUT, lines.next_line()).await.expect("a line in time").expect("an output").expect("a line")
}
