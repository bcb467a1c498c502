//! A Redis or a Redis Cluster of a test's own that can be killed, stopped, or restarted empty.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::net::TcpStream;

use super::{
    process::folder,
    redis_cluster::{Options, RedisCluster},
    test_app::TestApp,
};

/// A redis-server on a port of its own, killed on drop.
pub struct Redis {
    pub port: u16,
    process: Option<Child>,
}

impl Redis {
    /// A port without a process.
    pub fn absent() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        Self { port, process: None }
    }

    pub async fn start() -> Self {
        let mut redis = Self::absent();
        redis.launch().await;
        redis
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts the process without data, and waits until it listens.
    pub async fn launch(&mut self) {
        self.launch_with(&["--port", &self.port.to_string()]).await;
    }

    /// Starts it with TLS only, and the certificate `server.pem` in `folder`.
    pub async fn launch_with_tls(&mut self, folder: &Path) {
        let file = |name: &str| folder.join(name).to_str().expect("a path").to_owned();
        let [ca, certificate, key] = ["ca.pem", "server.pem", "server.key"].map(file);
        let files = ["--tls-ca-cert-file", &ca, "--tls-cert-file", &certificate, "--tls-key-file", &key];
        let port = self.port.to_string();
        let ports = ["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"];
        self.launch_with(&[files, ports].concat()).await;
    }

    async fn launch_with(&mut self, settings: &[&str]) {
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            // Else a replica stores what it gets in the working folder, and the next Redis loads it.
            .args(["--repl-diskless-load", "swapdb"])
            .args(settings)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server, which `make test` installs");
        self.process = Some(process);
        let deadline = Instant::now() + Duration::from_secs(15);
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            assert!(Instant::now() < deadline, "redis-server does not listen");
            tokio::task::yield_now().await;
        }
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a kill");
            process.wait().expect("its end");
        }
    }

    /// Sends STOP, after which connections stay open without responses, or CONT, after which pending commands are
    /// executed.
    pub fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("a process").id().to_string();
        let status = Command::new("kill").args([format!("-{signal}"), process]).status();
        assert!(status.expect("kill").success());
    }

    /// Sends a command and returns its response as text.
    pub async fn command(&self, words: &[&str]) -> String {
        let client = redis::Client::open(self.url()).expect("a URL");
        let mut connection = client.get_multiplexed_async_connection().await.expect("Redis");
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query_async(&mut connection).await.expect("a response")
    }

    pub async fn app(&self) -> TestApp {
        TestApp::with(|config| config.redis_url = self.url().parse().expect("a URL")).await
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three masters. A master that stops is not replaced during a test.
pub async fn three_masters(certificates: Option<&Path>) -> RedisCluster {
    RedisCluster::start(Options {
        folder: folder(),
        program: |program| Command::new(program),
        free_port: || Redis::absent().port,
        masters: 3,
        replicas: 0,
        node_timeout: Duration::from_mins(10),
        certificates: certificates.map(Path::to_owned),
    })
    .await
}

/// A server that has to find two of the nodes by itself.
pub async fn cluster_app(cluster: &RedisCluster) -> TestApp {
    TestApp::with(|config| config.redis_url = cluster.url(0..1).parse().expect("a URL")).await
}
