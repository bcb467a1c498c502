//! A Redis server: its connection and its circuit breaker.
//!
//! After a failure only one probe per [`RETRY_AFTER`] is sent, so that an outage costs requests nothing.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{
    Cmd, ConnectionInfo, ErrorKind, Pipeline, RedisError, RedisResult, Script, ServerError, ServerErrorKind, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::timeout;
use tracing::Instrument;

use crate::{error::chain, telemetry::spans};

/// Time limit of a command.
pub const COMMAND_TIMEOUT: Duration = Duration::from_millis(150);
/// Time limit for a connection, which is opened in the background.
pub const CONNECTION_TIMEOUT: Duration = Duration::from_secs(1);
/// Time between a failure and the next probe.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Connection that is opened on first use, and again when it breaks.
struct Connection {
    manager: ConnectionManager,
    since: Instant,
}

impl Connection {
    fn new(client: redis::Client) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_response_timeout(Some(CONNECTION_TIMEOUT));
        Ok(Self { manager: ConnectionManager::new_lazy_with_config(client, config)?, since: Instant::now() })
    }
}

pub struct Node {
    name: String,
    client: redis::Client,
    connection: Mutex<Connection>,
    breaker: Breaker,
}

impl Node {
    /// Connects on first use.
    ///
    /// # Errors
    /// The address is invalid.
    pub fn new(address: ConnectionInfo) -> RedisResult<Self> {
        let name = address.addr().to_string();
        let client = redis::Client::open(address)?;
        Ok(Self { name, connection: Mutex::new(Connection::new(client.clone())?), client, breaker: Breaker::new() })
    }

    pub fn address(&self) -> &ConnectionInfo {
        self.client.get_connection_info()
    }

    /// Host and port.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn connection(&self) -> ConnectionManager {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.manager.clone()
    }

    /// Opens a new connection, unless the present one may still be opening. The manager replaces a connection that breaks, but not one
    /// that has gone silent.
    fn reconnect(&self) {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.since.elapsed() > CONNECTION_TIMEOUT
            && let Ok(new) = Connection::new(self.client.clone())
        {
            *connection = new;
        }
    }

    pub async fn is_reachable(&self) -> bool {
        let mut connection = self.connection();
        matches!(timeout(COMMAND_TIMEOUT, redis::cmd("PING").query_async::<()>(&mut connection)).await, Ok(Ok(())))
    }

    /// Sends commands at once, unless the circuit breaker is open, and returns their responses. None when the node does not respond in
    /// time or cannot serve. Not retried, because a command that timed out may still run.
    pub async fn send(&self, commands: &[Cmd], script: Option<&Script>) -> Option<Vec<Value>> {
        if !self.breaker.lets_pass() {
            return None;
        }
        let span = spans::redis(if script.is_some() { "EVALSHA" } else { "MGET" });
        let sent =
            timeout(COMMAND_TIMEOUT, send(&mut self.connection(), commands, script)).instrument(span.clone()).await;
        let failure = match sent {
            Ok(Ok(values)) => match values.iter().map(unavailability).collect::<Option<Vec<_>>>() {
                Some(errors) if !errors.is_empty() => RedisError::from(errors[0].clone()),
                _ => {
                    self.breaker.succeeded(&self.name);
                    return Some(values);
                }
            },
            Ok(Err(error)) => error,
            Err(_) => {
                self.reconnect();
                RedisError::from((ErrorKind::Io, "no response in time"))
            }
        };
        spans::fail(&span);
        self.breaker.failed(&self.name, &failure);
        None
    }
}

/// Sends commands, and those again that a missing script has kept from being executed.
async fn send(
    connection: &mut ConnectionManager,
    commands: &[Cmd],
    script: Option<&Script>,
) -> RedisResult<Vec<Value>> {
    let mut values = request(connection, commands).await?;
    let Some(script) = script else { return Ok(values) };
    let is_unknown =
        |value: &Value| matches!(value, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript));
    let refused: Vec<usize> = (0..values.len()).filter(|at| is_unknown(&values[*at])).collect();
    if !refused.is_empty() {
        script.load_async(connection).await?;
        let commands: Vec<Cmd> = refused.iter().map(|at| commands[*at].clone()).collect();
        for (at, value) in refused.into_iter().zip(request(connection, &commands).await?) {
            values[at] = value;
        }
    }
    Ok(values)
}

async fn request(connection: &mut ConnectionManager, commands: &[Cmd]) -> RedisResult<Vec<Value>> {
    if let [command] = commands {
        return Ok(vec![connection.req_packed_command(command).await?]);
    }
    let mut pipeline = Pipeline::with_capacity(commands.len());
    for command in commands {
        pipeline.add_command(command.clone());
    }
    connection.req_packed_commands(&pipeline, 0, commands.len()).await
}

/// Error of a node that cannot serve any key at present.
fn unavailability(value: &Value) -> Option<&ServerError> {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown};
    match value {
        Value::ServerError(error) if matches!(error.kind(), Some(BusyLoading | ClusterDown | MasterDown)) => {
            Some(error)
        }
        _ => None,
    }
}

/// Circuit breaker. After a failure it is open for [`RETRY_AFTER`] and then lets one probe pass at a time.
struct Breaker {
    start: Instant,
    /// Time of the next probe in milliseconds since `start`. 0 while the breaker is closed.
    retry_at: AtomicU64,
}

impl Breaker {
    fn new() -> Self {
        Self { start: Instant::now(), retry_at: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn next_retry(&self) -> u64 {
        self.now() + u64::try_from(RETRY_AFTER.as_millis()).unwrap_or_default()
    }

    fn lets_pass(&self) -> bool {
        let retry_at = self.retry_at.load(Ordering::Relaxed);
        if retry_at == 0 {
            return true;
        }
        let probe =
            || self.retry_at.compare_exchange(retry_at, self.next_retry(), Ordering::Relaxed, Ordering::Relaxed);
        self.now() >= retry_at && probe().is_ok()
    }

    fn succeeded(&self, node: &str) {
        if self.retry_at.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!(node, "Redis reachable again");
        }
    }

    fn failed(&self, node: &str, error: &RedisError) {
        if self.retry_at.swap(self.next_retry(), Ordering::Relaxed) == 0 {
            tracing::warn!(node, error = %chain(error), "Redis out of reach, counting in Postgres");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_breaker_lets_nothing_pass_and_a_success_closes_it() {
        let breaker = Breaker::new();
        assert!(breaker.lets_pass());
        breaker.failed("a:6379", &RedisError::from((ErrorKind::Io, "gone")));
        assert!(!breaker.lets_pass());
        breaker.succeeded("a:6379");
        assert!(breaker.lets_pass());
    }

    #[test]
    fn one_probe_at_a_time_passes_after_the_pause() {
        let breaker = Breaker::new();
        breaker.retry_at.store(1, Ordering::Relaxed);
        while breaker.now() < 2 {
            std::hint::spin_loop();
        }
        assert!(breaker.lets_pass());
        assert!(!breaker.lets_pass());
    }
}
