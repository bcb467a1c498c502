//! One client: sends, waits, and notes what it was told.

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

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(12);
/// How much longer it pauses when nobody listened.
const TURNED_AWAY: Duration = Duration::from_millis(50);
/// Within what time an outage of Postgres has to be told.
const TOLD_WITHIN: Duration = promised(Duration::from_secs(3));

/// What the clients of a round share.
pub struct Ground {
    pub cast: Arc<Cast>,
    pub urls: Vec<String>,
    pub http: reqwest::Client,
    pub stop: AtomicBool,
    /// How many requests have been answered.
    pub answered: AtomicUsize,
    /// True while the fault lasts.
    pub faulty: AtomicBool,
    /// When the fault ended.
    pub mended: Mutex<Option<Instant>>,
    /// Whether a 503 is a fair answer in this round.
    pub may_be_unavailable: bool,
    /// Whether a request that was sent may stay without an answer.
    pub may_lose_answers: bool,
    /// How long a client pauses between requests: up to so many milliseconds.
    pub think: usize,
    pub orders: Mutex<Vec<OpenOrder>>,
    /// In every key of this round.
    pub name: String,
}

impl Ground {
    /// The orders that the admins know of.
    pub fn orders(&self) -> std::sync::MutexGuard<'_, Vec<OpenOrder>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the flush has been at work for `time`, which it cannot be while Postgres is away.
    pub fn flushes_since(&self, time: Duration) -> bool {
        let mended = *self.mended.lock().unwrap_or_else(PoisonError::into_inner);
        !self.may_be_unavailable
            || (!self.faulty.load(Ordering::Relaxed) && mended.is_none_or(|mended| mended.elapsed() > time))
    }

    /// Whether the clients are to go on.
    pub fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }
}

/// A client that is made for each kind of server outage: one that keeps connections, or one that opens one for each request.
pub fn http(keeps_connections: bool) -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(if keeps_connections { 64 } else { 0 })
        .timeout(PATIENCE)
        .build()
        .expect("a client")
}

/// Somebody at work.
pub struct Client {
    pub ground: Arc<Ground>,
    pub person: Person,
    pub rng: Rng,
    pub record: Record,
    turned_away: bool,
}

impl Client {
    /// A client of `person`.
    pub fn new(ground: Arc<Ground>, person: Person, rng: Rng) -> Self {
        Self { ground, person, rng, record: Record::default(), turned_away: false }
    }

    /// Pauses between requests.
    pub async fn think(&mut self) {
        let pause = self.rng.usize(1..self.ground.think.max(2));
        tokio::time::sleep(Duration::from_millis(pause as u64)).await;
        if std::mem::take(&mut self.turned_away) {
            tokio::time::sleep(TURNED_AWAY).await;
        }
    }

    /// Finds the request fit to be sent by [`Client::send`] to one of the servers.
    pub fn request(&mut self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = pick(&mut self.rng, &self.ground.urls).clone();
        self.ground.http.request(method, format!("{url}{path}")).bearer_auth(&self.person.access)
    }

    /// Sends a request that may change something, and counts what became of it.
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

    /// Reads `path`, which exists: anything but an answer or an outage is wrong.
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

    /// Notes a violation.
    pub fn complain(&mut self, what: String) {
        self.record.violations.push(what);
    }
}

/// Sends a request and tells what became of it, with a complaint where the answer is none that it may give.
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
