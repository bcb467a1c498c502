//! A client: sends requests, waits for responses, and records both.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use fastrand::Rng;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::{
    fixtures::{Fixtures, OpenOrder, TestUser},
    process::time_limit,
    record::{Outcome, Record},
    rng::pick,
};

/// Timeout of a request.
const TIMEOUT: Duration = Duration::from_secs(12);
/// Additional pause after a request that reached no server.
const NOT_SENT_PAUSE: Duration = Duration::from_millis(50);
/// Time within which an outage of Postgres is reported.
const REPORTED_WITHIN: Duration = time_limit(Duration::from_secs(3));

/// State that the clients of a round share.
pub struct RoundState {
    pub fixtures: Arc<Fixtures>,
    pub urls: Vec<String>,
    pub http: reqwest::Client,
    pub stop: AtomicBool,
    /// Number of requests that got a response.
    pub response_count: AtomicUsize,
    /// True while the fault lasts.
    pub faulty: AtomicBool,
    /// The end of the fault.
    pub repaired_at: Mutex<Option<Instant>>,
    /// True when Postgres is unreachable during the fault, which is reported in time.
    pub may_be_unavailable: bool,
    /// True when locks may be held during the fault, or nothing written: then the flush does not run, and 503 is an expected response.
    pub may_stall: bool,
    /// True when a request may stay without a response.
    pub may_lose_responses: bool,
    /// Time from which on each new request gets one again, in such a round.
    pub responds_from: Mutex<Option<Instant>>,
    /// Longest pause of a client between requests, in milliseconds.
    pub think: usize,
    pub orders: Mutex<Vec<OpenOrder>>,
    /// Part of every idempotency key of this round.
    pub name: String,
}

impl RoundState {
    /// The orders that the admins know.
    pub fn orders(&self) -> std::sync::MutexGuard<'_, Vec<OpenOrder>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when the flush has been able to run for `time`, which it is not while Postgres is unreachable, or while a frozen server
    /// holds its lock.
    pub fn flushes_since(&self, time: Duration) -> bool {
        let repaired_at = *self.repaired_at.lock().unwrap_or_else(PoisonError::into_inner);
        !self.may_stall
            || (!self.faulty.load(Ordering::Relaxed)
                && repaired_at.is_none_or(|repaired_at| repaired_at.elapsed() > time))
    }

    /// True when a request that began at `started` may stay without a response.
    fn may_lose(&self, started: Instant) -> bool {
        let responds_from = *self.responds_from.lock().unwrap_or_else(PoisonError::into_inner);
        self.may_lose_responses && responds_from.is_none_or(|from| started < from)
    }

    pub fn is_running(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }
}

/// An HTTP client that keeps connections, or that opens one for each request.
pub fn http(keeps_connections: bool) -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(if keeps_connections { 64 } else { 0 })
        .timeout(TIMEOUT)
        // Shorter than the server's. A request on a connection that the server closes at that moment would be lost.
        .pool_idle_timeout(Duration::from_secs(5))
        .build()
        .expect("a client")
}

/// A client with its user and its record.
pub struct Client {
    pub state: Arc<RoundState>,
    pub user: TestUser,
    pub rng: Rng,
    pub record: Record,
    was_not_sent: bool,
}

impl Client {
    pub fn new(state: Arc<RoundState>, user: TestUser, rng: Rng) -> Self {
        Self { state, user, rng, record: Record::default(), was_not_sent: false }
    }

    pub async fn think(&mut self) {
        let duration = self.rng.usize(1..self.state.think.max(2));
        tokio::time::sleep(Duration::from_millis(duration as u64)).await;
        if std::mem::take(&mut self.was_not_sent) {
            tokio::time::sleep(NOT_SENT_PAUSE).await;
        }
    }

    /// A request to one of the servers, to be sent with [`Client::change`].
    pub fn request(&mut self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = pick(&mut self.rng, &self.state.urls).clone();
        self.state.http.request(method, format!("{url}{path}")).bearer_auth(&self.user.access)
    }

    /// Sends a request that may change something, and counts its outcome.
    pub async fn change(&mut self, description: &str, request: reqwest::RequestBuilder) -> Outcome {
        let (outcome, violation) = send(&self.state, description, request).await;
        self.count(&outcome, violation);
        outcome
    }

    /// Sends two requests at once.
    pub async fn change_twice(
        &mut self,
        description: &str,
        one: reqwest::RequestBuilder,
        two: reqwest::RequestBuilder,
    ) -> [Outcome; 2] {
        let (one, two) = tokio::join!(send(&self.state, description, one), send(&self.state, description, two));
        self.count(&one.0, one.1);
        self.count(&two.0, two.1);
        [one.0, two.0]
    }

    /// Reads `path`, which exists: anything but a success or an outage is a violation.
    pub async fn read(&mut self, path: &str) -> Option<Value> {
        let request = self.request(Method::GET, path);
        let (outcome, violation) = send(&self.state, path, request).await;
        self.count(&outcome, violation);
        match outcome {
            Outcome::Ok(body) => Some(body),
            Outcome::Refused(status, code) => {
                self.add_violation(format!("GET {path} was refused: {status} {code}"));
                None
            }
            Outcome::NotSent | Outcome::Unknown => None,
        }
    }

    fn count(&mut self, outcome: &Outcome, violation: Option<String>) {
        self.record.violations.extend(violation);
        if *outcome == Outcome::NotSent {
            self.was_not_sent = true;
            return;
        }
        self.record.requests += 1;
        self.state.response_count.fetch_add(1, Ordering::Relaxed);
        match outcome {
            Outcome::Ok(_) => self.record.acknowledged += 1,
            Outcome::Unknown => self.record.unknown += 1,
            Outcome::Refused(..) => self.record.refused += 1,
            Outcome::NotSent => {}
        }
    }

    pub fn add_violation(&mut self, description: String) {
        self.record.violations.push(description);
    }
}

/// Sends a request, and returns its outcome with a violation when the response is not an expected one.
async fn send(state: &RoundState, description: &str, request: reqwest::RequestBuilder) -> (Outcome, Option<String>) {
    let started = Instant::now();
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_connect() => return (Outcome::NotSent, None),
        Err(error) => return (Outcome::Unknown, lost(state, started, description, &error)),
    };
    let status = response.status();
    let retry_after = response.headers().contains_key("retry-after");
    let text = match response.text().await {
        Ok(text) => text,
        Err(error) => return (Outcome::Unknown, lost(state, started, description, &error)),
    };
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    if status.is_success() {
        return (Outcome::Ok(body), None);
    }
    let took = started.elapsed();
    if status == StatusCode::SERVICE_UNAVAILABLE && state.may_stall {
        let violation = if !retry_after {
            Some(format!("{description}: a 503 without Retry-After"))
        } else if state.may_be_unavailable && took > REPORTED_WITHIN {
            Some(format!("{description}: a 503 after {took:?}"))
        } else {
            None
        };
        return (Outcome::Unknown, violation);
    }
    if matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT) && state.may_lose(started) {
        // The proxy has lost the server.
        return (Outcome::Unknown, None);
    }
    if status.is_server_error() {
        return (Outcome::Unknown, Some(format!("{description}: {status}: {text}")));
    }
    let code = body["code"].as_str().unwrap_or_default().to_owned();
    (Outcome::Refused(status.as_u16(), code), None)
}

fn lost(state: &RoundState, started: Instant, description: &str, error: &reqwest::Error) -> Option<String> {
    (!state.may_lose(started)).then(|| {
        let cause = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source()).last();
        let cause = cause.map(ToString::to_string).unwrap_or_default();
        format!("{description}: no answer: {cause}")
    })
}
