//! A Redis Cluster of processes on this machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use redis::{Client, Cmd, FromRedisValue, RedisResult, aio::MultiplexedConnection, cluster::ClusterClient};
use tokio::time::{Instant, sleep};

/// Password of all nodes.
pub const PASSWORD: &str = "a-password-of-the-cluster";
/// Time for anything to start.
const START: Duration = Duration::from_mins(1);

pub struct Options {
    /// Folder of the data and logs, which the program may write to.
    pub folder: PathBuf,
    /// Makes a command, for example of another user.
    pub program: fn(&Path) -> Command,
    /// Finds a port.
    pub free_port: fn() -> u16,
    pub masters: usize,
    /// Replicas of each master.
    pub replicas: usize,
    /// Time after which the others replace a master that does not respond.
    pub node_timeout: Duration,
    /// Folder of `ca.pem`, `server.pem` and `server.key`. Without them there is no TLS.
    pub certificates: Option<PathBuf>,
}

/// The nodes, which are killed on drop.
pub struct RedisCluster {
    options: Options,
    pub nodes: Vec<Node>,
}

pub struct Node {
    /// Id in the cluster.
    pub id: String,
    /// Port without TLS.
    pub port: u16,
    tls_port: u16,
    bus_port: u16,
    process: Option<Child>,
}

/// State of a node as `CLUSTER NODES` of that node reports it.
struct State {
    /// Ids of the masters that have slots.
    masters: Vec<String>,
    /// The node's own master, if it is a replica.
    master: Option<String>,
}

impl RedisCluster {
    /// Starts all nodes side by side and waits until they serve every slot.
    pub async fn start(options: Options) -> Self {
        let count = options.masters * (1 + options.replicas);
        let ports = |_| {
            let [port, tls_port, bus_port] = [(); 3].map(|()| (options.free_port)());
            Node { id: String::new(), port, tls_port, bus_port, process: None }
        };
        let nodes = (0..count).map(ports).collect();
        let mut cluster = Self { options, nodes };
        for at in 0..count {
            cluster.start_node(at);
        }
        for at in 0..count {
            cluster.nodes[at].id =
                cluster.until(async |cluster| cluster.command(at, &words("CLUSTER MYID")).await.ok()).await;
        }
        let masters = cluster.options.masters;
        for at in 0..masters {
            let slot = |at: usize| at * 16384 / masters;
            let slots = format!("CLUSTER ADDSLOTSRANGE {} {}", slot(at), slot(at + 1) - 1);
            for command in [format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1), slots] {
                cluster.command::<()>(at, &words(&command)).await.expect("slots");
            }
        }
        for (at, other) in (0..count).flat_map(|at| (0..count).map(move |other| (at, other))) {
            let Node { port, tls_port, bus_port, .. } = cluster.nodes[other];
            let port = if cluster.options.certificates.is_some() { tls_port } else { port };
            let meet = format!("CLUSTER MEET 127.0.0.1 {port} {bus_port}");
            cluster.command::<()>(at, &words(&meet)).await.expect("a meeting");
        }
        for at in masters..count {
            let replicate = words(&format!("CLUSTER REPLICATE {}", cluster.nodes[at % masters].id));
            cluster.until(async |cluster| cluster.command::<()>(at, &replicate).await.ok()).await;
        }
        cluster.until(async |cluster| cluster.is_whole().await.then_some(())).await;
        cluster
    }

    /// Waits until `condition` has a value.
    async fn until<T>(&self, condition: impl AsyncFn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + START;
        loop {
            if let Some(value) = condition(self).await {
                return value;
            }
            assert!(Instant::now() < deadline, "no cluster, see {}", self.options.folder.display());
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn node_folder(&self, at: usize) -> PathBuf {
        self.options.folder.join(self.nodes[at].port.to_string())
    }

    /// Starts a node with the data that it has.
    pub fn start_node(&mut self, at: usize) {
        let folder = self.node_folder(at);
        let made = (self.options.program)(Path::new("mkdir")).arg("-p").arg(&folder).status();
        assert!(made.is_ok_and(|status| status.success()), "a folder");
        let Node { port, tls_port, bus_port, .. } = self.nodes[at];
        let mut command = (self.options.program)(Path::new("redis-server"));
        command.arg("--dir").arg(&folder).args(["--logfile", "log"]).stdout(Stdio::null()).current_dir("/");
        let settings = format!(
            "--bind 127.0.0.1 --port {port} --cluster-enabled yes --cluster-port {bus_port} --cluster-node-timeout {} \
             --cluster-replica-validity-factor 0 --cluster-allow-replica-migration no --repl-diskless-sync-delay 0 \
             --repl-ping-replica-period 1 --requirepass {PASSWORD} --masterauth {PASSWORD} --appendonly yes --save",
            self.options.node_timeout.as_millis()
        );
        command.args(settings.split_whitespace()).arg("");
        if let Some(certificates) = &self.options.certificates {
            let tls = format!("--tls-port {tls_port} --tls-cluster yes --tls-replication yes --tls-auth-clients no");
            command.args(tls.split_whitespace());
            for (setting, file) in [("ca-cert", "ca.pem"), ("cert", "server.pem"), ("key", "server.key")] {
                command.arg(format!("--tls-{setting}-file")).arg(certificates.join(file));
            }
        }
        self.nodes[at].process = Some(command.spawn().expect("redis-server"));
    }

    pub fn kill(&mut self, at: usize) {
        if let Some(mut process) = self.nodes[at].process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Sends STOP, after which connections stay open without responses, or CONT.
    pub fn signal(&self, at: usize, signal: &str) {
        let process = self.nodes[at].process.as_ref().expect("a process").id().to_string();
        let status = Command::new("kill").args([format!("-{signal}"), process]).status();
        assert!(status.expect("kill").success());
    }

    /// Deletes the data of a killed node, but not what it knows of the cluster.
    pub fn wipe(&self, at: usize) {
        let _ = fs::remove_dir_all(self.node_folder(at).join("appendonlydir"));
    }

    /// `REDIS_URL` with the nodes of `range`.
    pub fn url(&self, range: std::ops::Range<usize>) -> String {
        let is_tls = self.options.certificates.is_some();
        let address = |node: &Node| format!("127.0.0.1:{}", if is_tls { node.tls_port } else { node.port });
        let nodes: Vec<_> = self.nodes[range].iter().map(address).collect();
        format!("{}://default:{PASSWORD}@{}", if is_tls { "rediss-cluster" } else { "redis-cluster" }, nodes.join(","))
    }

    fn node_url(&self, at: usize) -> String {
        format!("redis://default:{PASSWORD}@127.0.0.1:{}", self.nodes[at].port)
    }

    /// A connection to all nodes.
    pub async fn connect(&self) -> RedisResult<redis::cluster_async::ClusterConnection> {
        let urls = (0..self.nodes.len()).map(|at| self.node_url(at));
        ClusterClient::new(urls.collect::<Vec<_>>())?.get_async_connection().await
    }

    async fn connect_to(&self, at: usize) -> RedisResult<MultiplexedConnection> {
        Client::open(self.node_url(at))?.get_multiplexed_async_connection().await
    }

    /// Sends a command to one node.
    pub async fn command<T: FromRedisValue>(&self, at: usize, command: &Cmd) -> RedisResult<T> {
        command.query_async(&mut self.connect_to(at).await?).await
    }

    async fn state(&self, at: usize) -> Option<State> {
        let info: String = self.command(at, &words("CLUSTER INFO")).await.ok()?;
        let lines: String = self.command(at, &words("CLUSTER NODES")).await.ok()?;
        let nodes: Vec<Vec<&str>> = lines.lines().map(|line| line.split_whitespace().collect()).collect();
        let is_sound = |flags: &str| !["fail", "handshake", "noaddr"].iter().any(|flag| flags.contains(flag));
        let own = nodes.iter().find(|node| node[2].contains("myself"))?;
        let mut masters: Vec<_> = nodes.iter().filter(|node| node[2].contains("master") && node.len() > 8).collect();
        masters.sort_unstable();
        let is_ok = info.contains("cluster_state:ok")
            && nodes.len() == self.nodes.len()
            && nodes.iter().all(|node| is_sound(node[2]));
        is_ok.then(|| State {
            masters: masters.iter().map(|node| node[0].to_owned()).collect(),
            master: own[2].contains("slave").then(|| own[3].to_owned()),
        })
    }

    /// Masters that have slots, as the node `at` sees them.
    pub async fn masters(&self, at: usize) -> Vec<usize> {
        let lines: String = self.command(at, &words("CLUSTER NODES")).await.unwrap_or_default();
        let is_master = |node: &Node| {
            lines.lines().any(|line| {
                let words: Vec<_> = line.split_whitespace().collect();
                words[0] == node.id && words[2].contains("master") && !words[2].contains("fail") && words.len() > 8
            })
        };
        (0..self.nodes.len()).filter(|at| is_master(&self.nodes[*at])).collect()
    }

    /// Tells whether every node serves, all have the same masters, and every replica has the data of its master.
    pub async fn is_whole(&self) -> bool {
        let mut masters = Vec::new();
        for at in 0..self.nodes.len() {
            let Some(state) = self.state(at).await else { return false };
            let replication: String = self.command(at, &words("INFO replication")).await.unwrap_or_default();
            let has_data = match state.master {
                Some(_) => replication.contains("master_link_status:up"),
                None => replication.matches("state=online").count() == self.options.replicas,
            };
            masters.push(state.masters);
            if !has_data || masters[0].len() != self.options.masters || masters[0] != masters[at] {
                return false;
            }
        }
        true
    }
}

impl Drop for RedisCluster {
    fn drop(&mut self) {
        for at in 0..self.nodes.len() {
            self.kill(at);
            if !std::thread::panicking() {
                let _ = fs::remove_dir_all(self.node_folder(at));
            }
        }
        // Only an empty one.
        let _ = fs::remove_dir(&self.options.folder);
    }
}

/// Command of words that are separated by blanks.
pub fn words(text: &str) -> Cmd {
    let mut words = text.split_whitespace();
    let mut command = redis::cmd(words.next().unwrap_or_default());
    for word in words {
        command.arg(word);
    }
    command
}
