//! Commands to a single Redis or to a Redis Cluster.
//!
//! Redis is optional. A command has [`node::COMMAND_TIMEOUT`] and is never retried. Each node has a circuit breaker of its own, so that
//! one that is out of reach costs only the keys that it has.

mod cluster;
mod node;
mod topology;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::future::join_all;
use redis::{Cmd, ConnectionInfo, FromRedisValue, RedisError, RedisResult, Script, Value};

use self::{
    cluster::Cluster,
    node::Node,
    topology::{Group, Share},
};
use crate::{config::RedisUrl, error::chain};

/// A node that has keys, as it is at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Text that is another one after a restart, a failover or a move of slots. None if the node does not tell what it consists of.
    pub mark: Option<String>,
    /// Value of the key that the caller has given to each node.
    pub value: Option<String>,
}

/// The Redis of the settings, connected on first use.
pub struct RedisClient {
    servers: Servers,
    /// Number of calls of [`RedisClient::address`].
    addresses: AtomicUsize,
}

enum Servers {
    Single(Arc<Node>),
    Cluster(Arc<Cluster>),
}

impl RedisClient {
    /// # Errors
    /// `REDIS_URL` is invalid, which the settings have checked.
    pub fn new(url: &RedisUrl) -> RedisResult<Self> {
        let servers = match url.nodes.as_slice() {
            [node] if !url.is_cluster => Servers::Single(Arc::new(Node::new(node.clone())?)),
            nodes => Servers::Cluster(Arc::new(Cluster::new(nodes.to_vec()))),
        };
        Ok(Self { servers, addresses: AtomicUsize::new(fastrand::usize(..1024)) })
    }

    pub const fn is_cluster(&self) -> bool {
        matches!(self.servers, Servers::Cluster(_))
    }

    /// Address for a connection of the caller's own. In a cluster it is another node at each call.
    pub fn address(&self) -> ConnectionInfo {
        match &self.servers {
            Servers::Single(node) => node.address().clone(),
            Servers::Cluster(cluster) => {
                let known = cluster.known_addresses();
                known[self.addresses.fetch_add(1, Ordering::Relaxed) % known.len()].clone()
            }
        }
    }

    /// Tells whether Redis responds: each node that is responsible for keys.
    pub async fn is_reachable(&self) -> bool {
        match &self.servers {
            Servers::Single(node) => node.is_reachable().await,
            Servers::Cluster(cluster) => {
                let topology = cluster.topology().await;
                let masters = join_all(topology.masters().map(Node::is_reachable)).await;
                let is_reachable = topology.is_complete() && masters.into_iter().all(|it| it);
                if !is_reachable {
                    cluster.refresh();
                }
                is_reachable
            }
        }
    }

    /// Sends commands for `count` items, whose keys share the slot of `key`. `command` makes the command of a group of items: all items
    /// on a single Redis, those of one slot in a cluster. Returns each group with its result, which is none if the node does not
    /// respond in time, responds with an error, or is no longer responsible for the slot. Nodes are asked side by side, each with all
    /// its commands at once. A command that calls `script` loads it first where it is missing.
    pub async fn send<T: FromRedisValue>(
        &self,
        count: usize,
        key: impl Fn(usize) -> String,
        script: Option<&Script>,
        command: impl Fn(&[usize]) -> Cmd,
    ) -> Vec<(Group, Option<T>)> {
        if count == 0 {
            return Vec::new();
        }
        match &self.servers {
            Servers::Single(node) => {
                let groups = vec![(0..count).collect()];
                self.send_to(node, groups, script, &command).await
            }
            Servers::Cluster(cluster) => {
                let (nodes, unassigned) = cluster.topology().await.assign((0..count).map(key));
                let sent =
                    nodes.into_iter().map(async |(node, groups)| self.send_to(&node, groups, script, &command).await);
                let mut results: Vec<_> = join_all(sent).await.into_iter().flatten().collect();
                if !unassigned.is_empty() {
                    cluster.refresh();
                    results.push((unassigned, None));
                }
                results
            }
        }
    }

    /// Nodes that have keys. None instead of those that are not known.
    async fn shares(&self) -> Vec<Option<Share>> {
        match &self.servers {
            Servers::Single(node) => {
                vec![Some(Share { node: Arc::clone(node), slots: String::new(), tag: "0".to_owned() })]
            }
            Servers::Cluster(cluster) => {
                let topology = cluster.fresh_topology().await;
                let mut shares: Vec<_> = topology.shares().into_iter().map(Some).collect();
                if !topology.is_complete() {
                    shares.push(None);
                }
                shares
            }
        }
    }

    /// State of each node that has keys. `key` makes the key of a node, which contains the hash tag that it gets. None for a node that
    /// does not respond.
    pub async fn states(&self, key: impl Fn(&str) -> String) -> Vec<Option<NodeState>> {
        let states = self.shares().await.into_iter().map(async |share| self.state(&share?, &key).await);
        join_all(states).await
    }

    async fn state(&self, share: &Share, key: impl Fn(&str) -> String) -> Option<NodeState> {
        let info = |section: &str| redis::cmd("INFO").arg(section).to_owned();
        let commands = [info("server"), info("replication"), redis::cmd("MGET").arg(key(&share.tag)).to_owned()];
        let Some(values) = share.node.send(&commands, None).await else {
            self.refresh();
            return None;
        };
        let mut values = values.into_iter().map(Value::extract_error);
        // `run_id` is another one after a restart, and `master_replid` also when a replica has been made a master.
        let mut field = |name: &str| {
            let text = String::from_redis_value(values.next()?.ok()?).ok()?;
            Some(text.lines().find_map(|line| line.trim_end().strip_prefix(name))?.to_owned())
        };
        let (run_id, replication_id) = (field("run_id:"), field("master_replid:"));
        let (name, slots) = (share.node.name(), &share.slots);
        let mark = run_id.zip(replication_id).map(|(run, replication)| format!("{name} {run} {replication}{slots}"));
        let [value]: [Option<String>; 1] = self.read(&share.node, values.next()?.ok()?)?;
        Some(NodeState { mark, value })
    }

    /// Sets the key that [`RedisClient::states`] reads at each node. Returns whether all nodes have it.
    pub async fn set_at_each(&self, key: impl Fn(&str) -> String, value: &str) -> bool {
        let set = async |share: Option<Share>| {
            let share = share?;
            let values = share.node.send(&[redis::cmd("SET").arg(key(&share.tag)).arg(value).to_owned()], None).await?;
            self.read::<()>(&share.node, values.into_iter().next()?)
        };
        join_all(self.shares().await.into_iter().map(set)).await.iter().all(Option::is_some)
    }

    async fn send_to<T: FromRedisValue>(
        &self,
        node: &Node,
        groups: Vec<Group>,
        script: Option<&Script>,
        command: &impl Fn(&[usize]) -> Cmd,
    ) -> Vec<(Group, Option<T>)> {
        let commands: Vec<Cmd> = groups.iter().map(|group| command(group)).collect();
        let Some(values) = node.send(&commands, script).await else {
            self.refresh();
            return groups.into_iter().map(|group| (group, None)).collect();
        };
        groups.into_iter().zip(values).map(|(group, value)| (group, self.read(node, value))).collect()
    }

    /// Value of a response. None for an error.
    fn read<T: FromRedisValue>(&self, node: &Node, value: Value) -> Option<T> {
        let parsed = value.extract_error().and_then(|value| T::from_redis_value(value).map_err(RedisError::from));
        let error = match parsed {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        if self.is_cluster() && error.is_cluster_error() {
            // Moved to another node, or not served at present. The command was not executed.
            self.refresh();
        } else {
            // For example because a key has a value of another type.
            tracing::warn!(node = node.name(), error = %chain(&error), "Redis command failed");
        }
        None
    }

    fn refresh(&self) {
        if let Servers::Cluster(cluster) = &self.servers {
            cluster.refresh();
        }
    }
}
