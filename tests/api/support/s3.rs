//! An S3-compatible server (moto), as a process of its own.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;
use snack_server::config::AwsSettings;

/// A server with the bucket `snack`. It ends when the process of the tests does.
pub struct S3Server {
    pub port: u16,
    pub access_key: String,
    pub secret_key: String,
    /// Holds its standard input.
    _process: Child,
}

/// The server of all tests, each of which has a prefix of its own.
pub fn server() -> &'static S3Server {
    static SERVER: OnceLock<S3Server> = OnceLock::new();
    SERVER.get_or_init(S3Server::start)
}

impl S3Server {
    fn start() -> Self {
        let mut process = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.local/s3/bin/python"))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/s3/server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the environment of scripts/python-venv, which scripts/test makes");
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().expect("an output"));
        stdout.read_line(&mut line).expect("a line");
        let started: Value = serde_json::from_str(&line).expect("JSON");
        let key = |name: &str| started[name].as_str().expect("a key").to_owned();
        Self {
            port: started["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port"),
            access_key: key("access_key"),
            secret_key: key("secret_key"),
            _process: process,
        }
    }

    /// Variables for a client that reaches the server at `port`.
    pub fn variables(&self, port: u16) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT", format!("http://127.0.0.1:{port}")),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", self.access_key.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.secret_key.clone()),
        ]
    }

    /// The same as settings.
    pub fn settings(&self, port: u16) -> AwsSettings {
        AwsSettings(self.variables(port).map(|(name, value)| (name.to_owned(), value.into())).to_vec())
    }
}
