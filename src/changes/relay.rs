//! The relay: it passes published changes to the streams of this server, and by Redis Pub/Sub to other servers.
//!
//! Without Redis the streams of each server get its own changes. A server that has subscribed again may have missed changes, so its
//! streams get a resync. A server that could not publish changes publishes them later; repeated changes do no harm.
//!
//! In a cluster every node passes messages on to the others. A node that dies may have accepted messages without passing them on, and
//! the subscriptions at other nodes do not notice. The server that published them then publishes a resync at another node.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use uuid::Uuid;

use super::{Changes, Inbox, Pending};
use crate::{error::chain, redis_client::RedisClient};

/// Version of the messages. Those of another one are ignored; fields can be added without a new one.
const VERSION: u32 = 1;
/// Maximum size of a message in bytes. The largest [`Pending`] is smaller.
const MAX_MESSAGE: usize = 256 * 1024;
/// Time in which changes are collected.
const COLLECT_FOR: Duration = Duration::from_millis(50);
/// Time without a message after which an empty one is published, so that a subscription which has gone silent is noticed.
const HEARTBEAT_AFTER: Duration = Duration::from_secs(5);
/// Time in which a published message must come back.
const MAX_SILENCE: Duration = Duration::from_secs(10);
/// Time limit for a connection and for a command.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Time between a failure and the next attempt.
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub struct Relay {
    changes: Arc<Changes>,
    redis: Arc<RedisClient>,
    channel: String,
    /// Id of this server.
    server: Uuid,
    /// Changes for other servers.
    outgoing: Inbox,
    /// Time of the first message that was published and has not come back.
    awaited: Mutex<Option<Instant>>,
    /// The node of a cluster at which changes are published has not passed them on, and is to be replaced.
    is_cut_off: AtomicBool,
}

/// Header of a message. The fields of [`Pending`] follow.
#[derive(Deserialize)]
struct Envelope {
    version: u32,
    server: Uuid,
}

#[derive(Serialize)]
struct Message<'a> {
    version: u32,
    server: Uuid,
    #[serde(flatten)]
    changes: &'a Pending,
}

#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
    #[error("Redis did not answer in time")]
    Timeout(#[from] tokio::time::error::Elapsed),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("the connection was closed")]
    Closed,
    #[error("messages did not come back")]
    Silent,
}

impl Relay {
    /// Connects to nothing. `prefix` comes before the name of the channel.
    pub fn new(redis: Arc<RedisClient>, prefix: &str, changes: Arc<Changes>) -> Self {
        Self {
            changes,
            redis,
            channel: format!("{prefix}changes"),
            server: Uuid::new_v4(),
            outgoing: Inbox::default(),
            awaited: Mutex::default(),
            is_cut_off: AtomicBool::new(false),
        }
    }

    /// Passes changes on for ever.
    pub async fn run(&self) {
        tokio::join!(self.deliver(), self.publish(), self.subscribe());
    }

    /// Passes changes to the streams of this server, without waiting for Redis.
    async fn deliver(&self) {
        loop {
            self.changes.published.wait().await;
            sleep(COLLECT_FOR).await;
            let changes = self.changes.published.take();
            self.outgoing.merge(changes.clone());
            self.changes.received.merge(changes);
        }
    }

    /// Publishes changes to other servers.
    async fn publish(&self) {
        let (mut connection, mut is_failing) = (None, false);
        loop {
            // A heartbeat if it times out.
            let _ = timeout(HEARTBEAT_AFTER, self.outgoing.wait()).await;
            let changes = self.outgoing.take();
            if self.is_cut_off.swap(false, Ordering::Relaxed) {
                connection = None;
            }
            match self.send(&mut connection, &changes).await {
                Ok(()) => is_failing = false,
                Err(error) => {
                    if !is_failing {
                        tracing::warn!(error = %chain(&error), "changes not published to other servers, trying again");
                    }
                    (connection, is_failing) = (None, true);
                    self.outgoing.merge(if self.redis.is_cluster() { Pending::resync() } else { changes });
                    sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    async fn send(&self, connection: &mut Option<MultiplexedConnection>, changes: &Pending) -> Result<(), RelayError> {
        let message = serde_json::to_vec(&Message { version: VERSION, server: self.server, changes })?;
        let awaited = *self.awaited();
        // Before it is sent, because it may come back at once.
        *self.awaited() = awaited.or_else(|| Some(Instant::now()));
        let sent = timeout(TIMEOUT, async {
            let connection = match connection {
                Some(connection) => connection,
                None => connection.insert(self.client()?.get_multiplexed_async_connection().await?),
            };
            redis::cmd("PUBLISH").arg(&self.channel).arg(message).query_async::<()>(connection).await
        });
        let sent = sent.await.map_err(RelayError::from).and_then(|sent| sent.map_err(RelayError::from));
        if sent.is_err() {
            *self.awaited() = awaited;
        }
        sent
    }

    /// Receives the changes of other servers.
    async fn subscribe(&self) {
        let mut is_failing = false;
        loop {
            let (error, was_subscribed) = match self.open().await {
                Ok(subscription) => (self.follow(subscription).await, true),
                Err(error) => (error, false),
            };
            if matches!(error, RelayError::Silent) && self.redis.is_cluster() {
                self.is_cut_off.store(true, Ordering::Relaxed);
                self.outgoing.merge(Pending::resync());
            }
            if was_subscribed || !is_failing {
                tracing::warn!(error = %chain(&error), "changes of other servers not received, subscribing again");
            }
            is_failing = true;
            sleep(RETRY_AFTER).await;
        }
    }

    /// Client of a node: in a cluster another one at each call.
    fn client(&self) -> redis::RedisResult<redis::Client> {
        redis::Client::open(self.redis.address())
    }

    async fn open(&self) -> Result<redis::aio::PubSub, RelayError> {
        let mut subscription = timeout(TIMEOUT, self.client()?.get_async_pubsub()).await??;
        timeout(TIMEOUT, subscription.subscribe(&self.channel)).await??;
        Ok(subscription)
    }

    /// Receives until the subscription fails.
    async fn follow(&self, mut subscription: redis::aio::PubSub) -> RelayError {
        *self.awaited() = None;
        self.changes.received.merge(Pending::resync());
        tracing::info!("subscribed to the changes of other servers");
        let mut messages = subscription.on_message();
        loop {
            let awaited = *self.awaited();
            let deadline = awaited.unwrap_or_else(Instant::now) + MAX_SILENCE;
            match timeout_at(deadline, messages.next()).await {
                Ok(Some(message)) => self.receive(message.get_payload_bytes()),
                Ok(None) => return RelayError::Closed,
                Err(_) if awaited.is_some() && awaited == *self.awaited() => return RelayError::Silent,
                Err(_) => {}
            }
        }
    }

    fn receive(&self, message: &[u8]) {
        if message.len() > MAX_MESSAGE {
            return;
        }
        let Ok(Envelope { version: VERSION, server }) = serde_json::from_slice(message) else { return };
        if server == self.server {
            *self.awaited() = None;
        } else if let Ok(changes) = serde_json::from_slice::<Pending>(message) {
            self.changes.received.merge(changes);
        }
    }

    fn awaited(&self) -> MutexGuard<'_, Option<Instant>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
