//! A Redis Cluster. Which node has which slots is read when a node does not respond or is no longer responsible.
//!
//! The cluster client of the redis crate does not fit: while it reads the slots again it sends nothing to any node, and it waits for
//! each node that does not respond (docs/decisions/0007-redis-cluster.md).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use redis::{ConnectionInfo, ErrorKind, RedisError};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    node::{COMMAND_TIMEOUT, CONNECTION_TIMEOUT},
    topology::{Topology, View},
};
use crate::error::chain;

/// Number of nodes that are asked for the slots.
const ASKED: usize = 6;
/// Time between two readings of the slots.
const PAUSE: Duration = Duration::from_millis(500);

pub struct Cluster {
    /// Nodes of the settings.
    seeds: Vec<ConnectionInfo>,
    /// None before the first reading.
    topology: watch::Sender<Option<Arc<Topology>>>,
    /// A permit for one reading at a time.
    reading: Arc<Semaphore>,
    /// The last reading failed.
    is_failing: AtomicBool,
}

impl Cluster {
    /// Connects to nothing.
    pub fn new(seeds: Vec<ConnectionInfo>) -> Self {
        Self {
            seeds,
            topology: watch::Sender::new(None),
            reading: Arc::new(Semaphore::new(1)),
            is_failing: AtomicBool::new(false),
        }
    }

    /// The topology that was read last. Waits for the first reading as long as for a command.
    pub async fn topology(self: &Arc<Self>) -> Arc<Topology> {
        if self.topology.borrow().is_none() {
            self.refresh();
            let mut readings = self.topology.subscribe();
            let _ = timeout(COMMAND_TIMEOUT, readings.wait_for(Option::is_some)).await;
        }
        self.topology.borrow().clone().unwrap_or_default()
    }

    /// The topology of a new reading, which waits for the one under way.
    pub async fn fresh_topology(self: &Arc<Self>) -> Arc<Topology> {
        if let Ok(_permit) = self.reading.acquire().await {
            self.read().await;
        }
        self.topology().await
    }

    /// Addresses of all nodes, and those of the settings.
    pub fn known_addresses(&self) -> Vec<ConnectionInfo> {
        let read = self.topology.borrow().as_ref().map(|topology| topology.addresses.clone()).unwrap_or_default();
        let mut known = read;
        for seed in &self.seeds {
            if known.iter().all(|address| address.addr() != seed.addr()) {
                known.push(seed.clone());
            }
        }
        known
    }

    /// Reads the slots in the background, unless that is being done or was done just now.
    pub fn refresh(self: &Arc<Self>) {
        if let Ok(permit) = Arc::clone(&self.reading).try_acquire_owned() {
            let cluster = Arc::clone(self);
            tokio::spawn(async move {
                cluster.read().await;
                sleep(PAUSE).await;
                drop(permit);
            });
        }
    }

    async fn read(&self) {
        let former = self.topology.borrow().clone().unwrap_or_default();
        let read = self.best_view().await.and_then(|view| Topology::new(view, &former));
        match &read {
            Ok(_) if self.is_failing.swap(false, Ordering::Relaxed) => {
                tracing::info!("slots of the Redis Cluster read")
            }
            Err(error) if !self.is_failing.swap(true, Ordering::Relaxed) => {
                tracing::warn!(error = %chain(error), "slots of the Redis Cluster not read, trying again");
            }
            _ => {}
        }
        self.topology.send_replace(Some(read.map_or(former, Arc::new)));
    }

    /// Asks some nodes and returns the latest view. A node that was cut off from the others may have an old one.
    async fn best_view(&self) -> Result<View, RedisError> {
        let mut known = self.known_addresses();
        fastrand::shuffle(&mut known);
        let mut views: FuturesUnordered<_> = known.into_iter().take(ASKED).map(View::ask).collect();
        let mut best: Result<View, _> = Err(RedisError::from((ErrorKind::Io, "no node responds in time")));
        let mut deadline = Instant::now() + CONNECTION_TIMEOUT;
        while let Ok(Some(view)) = timeout_at(deadline, views.next()).await {
            let rank = |view: &View| (view.is_ok, view.epoch);
            if view.as_ref().is_ok_and(|view| view.is_ok) {
                // Does not wait long for nodes that may be dead.
                deadline = deadline.min(Instant::now() + COMMAND_TIMEOUT);
            }
            let is_better = match (&view, &best) {
                (Ok(view), Ok(best)) => rank(view) > rank(best),
                (Err(_), Ok(_)) => false,
                (_, Err(_)) => true,
            };
            if is_better {
                best = view;
            }
        }
        best
    }
}
