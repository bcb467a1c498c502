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
    fixtures::{Cast, OpenOrder, Person},
    process::promised,
    record::{Outcome, Record},
    rng::pick,
};

/// Timeout of a request.
const PATIENCE: Duration = Duration::from_secs(12);
/// Additional pause after a request that reached no server.
const TURNED_AWAY: Duration = Duration::from_millis(50);
/// Time within which an outage of Postgres is reported.
const TOLD_WITHIN: Duration = promised(Duration::from_secs(3));

/// State that the clients of a round share.
pub struct Ground {
    pub cast: Arc<Cast>,
    pub urls: Vec<String>,
    pub http: reqwest::Client,
    pub stop: AtomicBool,
    /// Number of requests that got a response.
    pub answered: AtomicUsize,
    /// True while the fault lasts.
    pub faulty: AtomicBool,
    /// The end of the fault.
    pub mended: Mutex<Option<Instant>>,
    /// True when 503 is an expected response in this round.
    pub may_be_unavailable: bool,
    /// True when a request may stay without a response.
    pub may_lose_answers: bool,
    /// Longest pause of a client between requests, in milliseconds.
    pub think: usize,
    pub orders: Mutex<Vec<OpenOrder>>,
    /// Part of every idempotency key of this round.
    pub name: String,
}

impl Ground {
    /// The orders that the admins know.
    pub fn orders(&self) -> std::sync::MutexGuard<'_, Vec<OpenOrder>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the flush has been able to run for `time`, which it is not while Postgres is unreachable.
    pub fn flushes_since(&self, time: Duration) -> bool {
        let mended = *self.mended.lock().unwrap_or_else(PoisonError::into_inner);
        !self.may_be_unavailable
            || (!self.faulty.load(Ordering::Relaxed) && mended.is_none_or(|mended| mended.elapsed() > time))
    }

    pub fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }
}

/// An HTTP client that keeps connections, or that opens one for each request.
pub fn http(keeps_connections: bool) -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(if keeps_connections { 64 } else { 0 })
        .timeout(PATIENCE)
        .build()
        .expect("a client")
}

/// A client with its user and its record.
pub struct Client {
    pub ground: Arc<Ground>,
    pub person: Person,
    pub rng: Rng,
    pub record: Record,
    turned_away: bool,
}

impl Client {
    pub fn new(ground: Arc<Ground>, person: Person, rng: Rng) -> Self {
        Self { ground, person, rng, record: Record::default(), turned_away: false }
    }

    pub async fn think(&mut self) {
        let pause = self.rng.usize(1..self.ground.think.max(2));
        tokio::time::sleep(Duration::from_millis(pause as u64)).await;
        if std::mem::take(&mut self.turned_away) {
            tokio::time::sleep(TURNED_AWAY).await;
        }
    }

    /// A request to one of the servers, to be sent with [`Client::change`].
    pub fn request(&mut self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = pick(&mut self.rng, &self.ground.urls).clone();
        self.ground.http.request(method, format!("{url}{path}")).bearer_auth(&self.person.access)
    }

    /// Sends a request that may change something, and counts its outcome.
    pub async fn change(&mut self, what: &str, request: reqwest::RequestBuilder) -> Outcome {
        let (outcome, complaint) = send(&self.ground, what, request).await;
        self.count(&outcome, complaint);
        outcome
    }

    /// Sends two requests at once.
    pub async fn change_twice(
        &mut self,
        what: &str,
        one: reqwest::RequestBuilder,
        two: reqwest::RequestBuilder,
    ) -> [Outcome; 2] {
        let (one, two) = tokio::join!(send(&self.ground, what, one), send(&self.ground, what, two));
        self.count(&one.0, one.1);
        self.count(&two.0, two.1);
        [one.0, two.0]
    }

    /// Reads `path`, which exists: anything but a success or an outage is a violation.
    pub async fn read(&mut self, path: &str) -> Option<Value> {
        let request = self.request(Method::GET, path);
        let (outcome, complaint) = send(&self.ground, path, request).await;
        self.count(&outcome, complaint);
        match outcome {
            Outcome::Ok(body) => Some(body),
            Outcome::Refused(status, code) => {
                self.complain(format!("GET {path} was refused: {status} {code}"));
                None
            }
            Outcome::NotSent | Outcome::Unknown => None,
        }
    }

    fn count(&mut self, outcome: &Outcome, complaint: Option<String>) {
        self.record.violations.extend(complaint);
        if *outcome == Outcome::NotSent {
            self.turned_away = true;
            return;
        }
        self.record.requests += 1;
        self.ground.answered.fetch_add(1, Ordering::Relaxed);
        match outcome {
            Outcome::Ok(_) => self.record.acknowledged += 1,
            Outcome::Unknown => self.record.unknown += 1,
            Outcome::Refused(..) => self.record.refused += 1,
            Outcome::NotSent => {}
        }
    }

    pub fn complain(&mut self, what: String) {
        self.record.violations.push(what);
    }
}

/// Sends a request, and returns its outcome with a violation when the response is not an expected one.
async fn send(ground: &Ground, what: &str, request: reqwest::RequestBuilder) -> (Outcome, Option<String>) {
    let started = Instant::now();
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => return (Outcome::NotSent, None),
        Err(error) => return (Outcome::Unknown, lost(ground, what, &error)),
    };
    let status = answer.status();
    let retry_after = answer.headers().contains_key("retry-after");
    let text = match answer.text().await {
        Ok(text) => text,
        Err(error) => return (Outcome::Unknown, lost(ground, what, &error)),
    };
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    if status.is_success() {
        return (Outcome::Ok(body), None);
    }
    let took = started.elapsed();
    if status == StatusCode::SERVICE_UNAVAILABLE && ground.may_be_unavailable {
        let complaint = if !retry_after {
            Some(format!("{what}: a 503 without Retry-After"))
        } else if took > TOLD_WITHIN {
            Some(format!("{what}: a 503 after {took:?}"))
        } else {
            None
        };
        return (Outcome::Unknown, complaint);
    }
    if status.is_server_error() {
        return (Outcome::Unknown, Some(format!("{what}: {status}: {text}")));
    }
    let code = body["code"].as_str().unwrap_or_default().to_owned();
    (Outcome::Refused(status.as_u16(), code), None)
}

fn lost(ground: &Ground, what: &str, error: &reqwest::Error) -> Option<String> {
    (!ground.may_lose_answers).then(|| {
        let cause = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source()).last();
        let cause = cause.map(ToString::to_string).unwrap_or_default();
        format!("{what}: no answer: {cause}")
    })
}
