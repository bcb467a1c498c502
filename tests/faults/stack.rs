//! The system under test: a durable PostgreSQL, a Redis, a proxy before each, and servers.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::timeout;

use crate::{
    balancer::Balancer,
    kind::Topology,
    process::{Process, as_service, eventually, free_port, postgres_programs, send_signal},
    proxy::Proxy,
    redis_cluster::{self, RedisCluster},
    standby::{Address, Node, Standby},
};

/// Time for anything to start.
const START: Duration = Duration::from_mins(1);
/// `REACTION_RECONCILE_INTERVAL` of every server.
pub const RECONCILE: Duration = Duration::from_secs(2);
/// `SHUTDOWN_DELAY` of every server behind `HAProxy`.
pub const SHUTDOWN_DELAY: Duration = Duration::from_secs(3);
/// `JWT_SECRET` of every server.
const SECRET: &str = "a secret of the fault harness, 32 bytes or more";

/// The data of Redis after it was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisData {
    Lost,
    Kept,
    /// The data at [`Stack::save_redis`].
    RolledBack,
}

/// The stores, their proxies and the servers.
pub struct Stack {
    /// True when servers connect to the stores without the proxies.
    is_direct: bool,
    /// The servers. Most rounds have one.
    pub servers: Vec<Server>,
    pub postgres_proxy: Proxy,
    pub redis_proxy: Proxy,
    /// The folder of the logs.
    pub folder: PathBuf,
    /// True when the logs outlive the run.
    pub keeps_logs: bool,
    programs: PathBuf,
    /// The only PostgreSQL, or the primary.
    pub postgres: Node,
    pub standby: Option<Standby>,
    redis: Option<Process>,
    redis_port: u16,
    /// In [`Topology::Balanced`].
    balancer: Option<Balancer>,
    /// The Redis Cluster of [`Topology::RedisCluster`], which has no other Redis.
    pub cluster: Option<RedisCluster>,
}

pub struct Server {
    pub url: String,
    pub port: u16,
    process: Option<Process>,
}

impl Stack {
    /// Starts the stores, and no server yet.
    pub async fn start(topology: Topology) -> Self {
        let folder = PathBuf::from(format!("/tmp/snack-faults.{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir_all(folder.join("postgres")).expect("a folder");
        fs::create_dir_all(folder.join("redis")).expect("a folder");
        let programs = postgres_programs().expect("PostgreSQL's programs");
        // The user that runs the stores owns their folders.
        let service = as_service(Path::new("true")).get_program() == "setpriv";
        if service {
            let owned =
                Command::new("chown").arg("postgres:").args([folder.join("postgres"), folder.join("redis")]).status();
            assert!(owned.is_ok_and(|status| status.success()), "chown");
        }
        let postgres_folder = folder.join("postgres");
        let mut initdb = as_service(&programs.join("initdb"));
        initdb.args(["--username=snack", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"]);
        initdb.arg(folder.join("postgres")).current_dir("/");
        let mut initdb = Process::start(&mut initdb, &folder.join("postgres.log")).expect("initdb");
        let made = initdb.end(START).await;
        assert!(made.is_some_and(|status| status.success()), "initdb failed, see {}", folder.display());
        let (postgres_port, redis_port) = (free_port(), free_port());
        let balancer = (topology == Topology::Balanced).then(|| Balancer::start(&folder.join("haproxy.log")));
        let mut stack = Self {
            servers: Vec::new(),
            is_direct: false,
            postgres_proxy: Proxy::start(free_port(), format!("127.0.0.1:{postgres_port}")).await,
            redis_proxy: Proxy::start(free_port(), format!("127.0.0.1:{redis_port}")).await,
            folder,
            keeps_logs: false,
            programs,
            postgres: Node { folder: postgres_folder, port: postgres_port, process: None },
            standby: None,
            redis: None,
            redis_port,
            balancer,
            cluster: None,
        };
        stack.start_postgres();
        if topology == Topology::RedisCluster {
            stack.cluster = Some(RedisCluster::start(stack.cluster_options()).await);
        } else {
            stack.start_redis();
            stack.await_redis().await;
        }
        stack.await_postgres().await;
        if topology == Topology::Standby {
            stack.standby = Some(Standby::start(&stack.programs, &stack.folder, &stack.postgres).await);
        }
        stack
    }

    /// The database, past the proxy.
    pub fn database(&self) -> PgConnectOptions {
        self.postgres.options()
    }

    /// A connection to the database, past the proxy.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect_with(&self.database()).await.expect("PostgreSQL")
    }

    /// Redis, past the proxy.
    pub async fn redis(&self) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.redis_port))?;
        client.get_multiplexed_async_connection().await
    }

    fn cluster_options(&self) -> redis_cluster::Options {
        redis_cluster::Options {
            folder: self.folder.join("redis"),
            program: as_service,
            free_port,
            masters: 3,
            replicas: 1,
            node_timeout: Duration::from_secs(1),
            certificates: None,
        }
    }

    /// The values of `keys` in Redis.
    pub async fn redis_values(&self, keys: &[String]) -> redis::RedisResult<Vec<Option<i64>>> {
        let mut command = redis::cmd("MGET");
        command.arg(keys);
        match &self.cluster {
            Some(cluster) => command.query_async(&mut cluster.connect().await?).await,
            None => command.query_async(&mut self.redis().await?).await,
        }
    }

    pub fn start_postgres(&mut self) {
        self.postgres.start(&self.programs);
    }

    /// Waits until PostgreSQL accepts connections.
    pub async fn await_postgres(&self) {
        let up = eventually(START, async || PgConnection::connect_with(&self.database()).await.is_ok()).await;
        assert!(up, "PostgreSQL did not start, see {}", self.folder.display());
    }

    /// Kills PostgreSQL and all its processes at once, like a power failure.
    pub fn kill_postgres(&mut self) {
        self.postgres.kill();
    }

    /// The address of the primary and its standby.
    pub fn address(&self) -> &Address {
        &self.standby.as_ref().expect("a standby").address
    }

    /// Promotes the standby. What was the primary takes its place.
    pub async fn promote_standby(&mut self) {
        let standby = self.standby.as_mut().expect("a standby");
        standby.promote().await;
        std::mem::swap(&mut standby.node, &mut self.postgres);
    }

    /// Makes the former primary a standby of the present one.
    pub async fn rebuild_standby(&mut self) {
        self.standby.as_mut().expect("a standby").follow(&self.programs, &self.postgres).await;
    }

    /// Kills one backend of a server. PostgreSQL then ends the others and recovers by itself.
    pub async fn kill_backend(&self) {
        let pid = sqlx::query_scalar::<_, i32>(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'snack-server' ORDER BY state = 'active' DESC LIMIT 1",
        )
        .fetch_optional(&mut self.connect().await)
        .await;
        if let Ok(Some(pid)) = pid {
            send_signal("KILL", pid.unsigned_abs());
        }
    }

    /// Starts Redis, which keeps its data on disk.
    pub fn start_redis(&mut self) {
        let mut command = as_service(Path::new("redis-server"));
        command.args(["--bind", "127.0.0.1", "--port", &self.redis_port.to_string()]);
        command.args(["--save", "", "--appendonly", "yes", "--dir"]).arg(self.folder.join("redis")).current_dir("/");
        self.redis = Some(Process::start(&mut command, &self.folder.join("redis.log")).expect("redis-server"));
    }

    /// Waits until Redis responds.
    pub async fn await_redis(&self) {
        let responds = async || {
            let Ok(mut connection) = self.redis().await else {
                return false;
            };
            redis::cmd("PING").query_async::<()>(&mut connection).await.is_ok()
        };
        assert!(eventually(START, responds).await, "Redis did not start, see {}", self.folder.display());
    }

    /// Copies the data of Redis for [`RedisData::RolledBack`].
    pub fn save_redis(&self) {
        self.copy_redis("appendonlydir", "remembered");
    }

    fn copy_redis(&self, from: &str, to: &str) {
        let redis = self.folder.join("redis");
        let _ = fs::remove_dir_all(redis.join(to));
        let copied = as_service(Path::new("cp")).arg("-r").arg(redis.join(from)).arg(redis.join(to)).status();
        assert!(copied.is_ok_and(|status| status.success()), "a copy of what Redis holds");
    }

    /// Kills Redis, and leaves it the data that `memory` says.
    pub fn kill_redis(&mut self, memory: RedisData) {
        drop(self.redis.take());
        match memory {
            RedisData::Kept => {}
            RedisData::Lost => {
                let _ = fs::remove_dir_all(self.folder.join("redis/appendonlydir"));
            }
            RedisData::RolledBack => self.copy_redis("remembered", "appendonlydir"),
        }
    }

    /// The settings of every server, without its address.
    pub fn settings(&self) -> HashMap<String, String> {
        let (postgres, redis) = if let Some(standby) = &self.standby {
            (standby.address.port, self.redis_port)
        } else if self.is_direct {
            (self.postgres.port, self.redis_port)
        } else {
            (self.postgres_proxy.port, self.redis_proxy.port)
        };
        let database = format!("postgres://snack@127.0.0.1:{postgres}/postgres");
        let redis = match &self.cluster {
            Some(cluster) => cluster.url(0..cluster.nodes.len()),
            None => format!("redis://127.0.0.1:{redis}"),
        };
        let media = format!("file://{}", self.folder.join("media").display());
        let mut settings: HashMap<String, String> = [
            ("DATABASE_URL", database.as_str()),
            ("REDIS_URL", &redis),
            ("MEDIA_URL", &media),
            ("JWT_SECRET", SECRET),
            ("ACCESS_TOKEN_TTL", "1day"),
            ("REFRESH_TOKEN_GRACE", "0s"),
            ("REACTION_FLUSH_INTERVAL", "100ms"),
            ("REACTION_RECONCILE_INTERVAL", "2s"),
            // All requests come from one address.
            ("LIMIT_SIGN_IN_ACCOUNT", "1000000/1s"),
            ("LIMIT_SIGN_IN_ADDRESS", "1000000/1s"),
            ("LIMIT_CONNECTIONS_ADDRESS", "4096"),
            ("LIMIT_WRITES_USER", "1000000/1s"),
            // The receiver of the webhook.
            ("OUTBOUND_ALLOW_HTTP", "true"),
            ("OUTBOUND_ALLOW_PRIVATE", "true"),
            ("RUST_LOG", "warn"),
            ("LOG_FORMAT", "json"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if self.balancer.is_some() {
            settings.insert("TRUSTED_PROXIES".to_owned(), "127.0.0.1".to_owned());
            settings.insert("SHUTDOWN_DELAY".to_owned(), format!("{}s", SHUTDOWN_DELAY.as_secs()));
        }
        settings
    }

    /// Lets servers connect to the stores directly, because the proxies would distort a measurement, or through the
    /// proxies. Ends the servers that run otherwise.
    pub fn connect_directly(&mut self, past: bool) {
        if self.is_direct != past {
            self.is_direct = past;
            self.servers.clear();
        }
    }

    /// Makes exactly `count` servers run and be ready.
    pub async fn serve(&mut self, count: usize) {
        while self.servers.len() < count {
            let balanced = self.balancer.as_ref().and_then(|balancer| balancer.ports.get(self.servers.len()));
            let port = balanced.copied().unwrap_or_else(free_port);
            let url = format!("http://127.0.0.1:{port}");
            self.servers.push(Server { url, port, process: None });
        }
        for server in self.servers.drain(count..) {
            drop(server);
        }
        for at in 0..count {
            if self.servers[at].process.as_mut().is_none_or(|process| process.ended().is_some()) {
                self.start_server(at);
            }
        }
        for (index, server) in self.servers.iter().enumerate() {
            let mut ready = server.wait_until_ready(START).await;
            if let Some(balancer) = &self.balancer {
                ready &= balancer.wait_until(index, true, START).await;
            }
            assert!(ready, "a server did not start, see {}", self.folder.display());
        }
    }

    /// Starts the server numbered `at`.
    pub fn start_server(&mut self, at: usize) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_snack-server"));
        command.env_clear().envs(self.settings());
        command.env("HTTP_ADDR", format!("127.0.0.1:{}", self.servers[at].port));
        let log = self.folder.join(format!("server-{at}.log"));
        self.servers[at].process = Some(Process::start(&mut command, &log).expect("snack-server"));
    }

    /// The proxy before the servers.
    pub fn balancer(&self) -> &Balancer {
        self.balancer.as_ref().expect("a topology with a balancer")
    }

    /// The URLs for clients.
    pub fn urls(&self) -> Vec<String> {
        match &self.balancer {
            Some(balancer) => vec![balancer.url.clone()],
            None => self.servers.iter().map(|server| server.url.clone()).collect(),
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.servers.clear();
        self.kill_postgres();
        if let Some(standby) = &mut self.standby {
            standby.node.kill();
        }
        drop(self.redis.take());
        drop(self.cluster.take());
        for data in ["postgres", "standby", "redis", "media"] {
            let _ = fs::remove_dir_all(self.folder.join(data));
        }
        if !self.keeps_logs && !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Server {
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("a server that was started")
    }

    /// Asks the server on a new connection if it is ready.
    pub async fn is_ready(&self) -> bool {
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client");
        let requested = client.get(format!("{}/health/ready", self.url)).send();
        matches!(timeout(Duration::from_secs(4), requested).await, Ok(Ok(response)) if response.status() == 200)
    }

    /// Waits until the server is ready, at most for `patience`.
    pub async fn wait_until_ready(&self, patience: Duration) -> bool {
        eventually(patience, || self.is_ready()).await
    }
}
