//! Sign-in under attack: the timing of failed sign-ins, and the cost of many sign-ins for other requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use serde_json::json;
use snack_server::auth::password::hash_blocking;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    client::RoundState,
    record::{Record, percentile},
    rounds::{Report, Round},
};

const PASSWORD: &str = "what they all chose";
const KNOWN: &str = "known@faults.example";
const RESIGNED: &str = "resigned@faults.example";
const UNKNOWN: &str = "unknown@faults.example";
/// Users who sign in at the same time.
const CONCURRENT_SIGN_INS: usize = 50;
/// Clients that read the list of snacks meanwhile, and their pause.
const READERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(20);
/// Number and duration of the measurements without and with the sign-ins.
const TURNS: usize = 5;
const TURN: Duration = Duration::from_secs(3);

/// Measures `samples` failed sign-ins of each kind, then the readers without and with the sign-ins.
pub async fn run(mut round: Round<'_>, samples: usize) -> Report {
    let hash = hash_blocking(PASSWORD).expect("a hash");
    sqlx::query(
        "INSERT INTO users (email, email_key, name, name_key, password_hash, is_deleted)
         SELECT email, email, email, email, $3, email = $2 FROM unnest($1 || $2) AS email ON CONFLICT DO NOTHING",
    )
    .bind([KNOWN.to_owned()].into_iter().chain((0..CONCURRENT_SIGN_INS).map(email_of)).collect::<Vec<_>>())
    .bind(RESIGNED)
    .bind(hash)
    .execute(&mut round.stack.connect().await)
    .await
    .expect("users");
    let mut record = Record::default();
    let mut notes = vec![measure_failed_sign_ins(&mut round, &mut record, samples).await];
    // Timings of a debug build are not meaningful.
    if !cfg!(debug_assertions) {
        notes.push(measure_sign_ins(&mut round, &mut record).await);
    }
    let mut report = round.settle(record).await;
    report.notes = notes;
    report
}

/// One user each: sign-ins of one user would wait for each other's row lock.
fn email_of(number: usize) -> String {
    format!("crowd-{number}@faults.example")
}

/// Tries to sign in, and returns the status and the duration.
async fn sign_in(state: &RoundState, email: &str, password: &str) -> (Option<StatusCode>, Duration) {
    let started = Instant::now();
    let body = json!({"username": email, "password": password});
    let response = state.http.post(format!("{}/auth/token", state.urls[0])).json(&body).send().await;
    let status = match response {
        Ok(response) => {
            let status = response.status();
            response.bytes().await.is_ok().then_some(status)
        }
        Err(_) => None,
    };
    (status, started.elapsed())
}

async fn measure_failed_sign_ins(round: &mut Round<'_>, record: &mut Record, samples: usize) -> String {
    let attempts = [(UNKNOWN, PASSWORD), (KNOWN, "not what they chose"), (RESIGNED, PASSWORD)];
    let mut times = [const { Vec::new() }; 3];
    for sample in 0..samples * attempts.len() {
        // Interleaved, so that each kind follows each other kind.
        let at = (sample + sample / attempts.len()) % attempts.len();
        let (email, password) = attempts[at];
        let (status, took) = sign_in(&round.state, email, password).await;
        record.requests += 1;
        record.refused += 1;
        if status != Some(StatusCode::UNAUTHORIZED) {
            round.add_violation(format!("{email} got {status:?}"));
        }
        times[at].push(took);
    }
    let medians = times.map(|times| percentile(&times, 50));
    let (fastest, slowest) = (medians.iter().min().copied(), medians.iter().max().copied());
    let (fastest, slowest) = (fastest.unwrap_or_default(), slowest.unwrap_or_default());
    // A few samples show a missing hash and no smaller difference.
    let tolerance = if samples >= 500 { 0.05 } else { 0.5 };
    let spread = slowest.as_secs_f64() / fastest.as_secs_f64() - 1.0;
    if spread > tolerance {
        round.add_violation(format!("the medians of failed sign-ins differ by {:.1}%: {medians:?}", spread * 100.0));
    }
    format!(
        "{samples} failed sign-ins each: unknown {:.2?}, wrong {:.2?}, resigned {:.2?}; medians within {:.1}%",
        medians[0],
        medians[1],
        medians[2],
        spread * 100.0
    )
}

async fn measure_sign_ins(round: &mut Round<'_>, record: &mut Record) -> String {
    let (mut alone, mut beside, mut signed_in) = (Vec::new(), Vec::new(), 0);
    for _ in 0..TURNS {
        alone.push(readers(round, record, 0).await.0);
        let (p99, count) = readers(round, record, CONCURRENT_SIGN_INS).await;
        beside.push(p99);
        signed_in += count;
    }
    let (alone, beside) = (percentile(&alone, 50), percentile(&beside, 50));
    if beside > 2 * alone {
        round.add_violation(format!(
            "p99 of GET /snacks is {beside:.2?} beside {CONCURRENT_SIGN_INS} sign-ins, {alone:.2?} without"
        ));
    }
    format!(
        "p99 of GET /snacks: {alone:.2?} alone, {beside:.2?} beside {CONCURRENT_SIGN_INS} sign-ins at once ({signed_in} done), \
         medians of {TURNS}"
    )
}

/// The p99 of the readers while `concurrent` users sign in repeatedly, and the number of sign-ins.
async fn readers(round: &mut Round<'_>, record: &mut Record, concurrent: usize) -> (Duration, usize) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut signing_in = JoinSet::new();
    for number in 0..concurrent {
        let email = email_of(number);
        let (state, stop) = (Arc::clone(&round.state), Arc::clone(&stop));
        signing_in.spawn(async move {
            let mut statuses = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                statuses.push(sign_in(&state, &email, PASSWORD).await.0);
            }
            statuses
        });
    }
    let mut reading = JoinSet::new();
    for number in 0..READERS {
        let (state, stop) = (Arc::clone(&round.state), Arc::clone(&stop));
        reading.spawn(async move {
            let url = format!("{}/snacks", state.urls[0]);
            let (mut times, mut failures) = (Vec::new(), 0);
            while !stop.load(Ordering::Relaxed) {
                let started = Instant::now();
                let access = &state.fixtures.members[number].access;
                let response =
                    async { state.http.get(&url).bearer_auth(access).send().await?.error_for_status()?.bytes().await };
                if response.await.is_err() {
                    failures += 1;
                }
                times.push(started.elapsed());
                sleep(PAUSE).await;
            }
            (times, failures)
        });
    }
    sleep(TURN).await;
    stop.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    while let Some(Ok((own, failures))) = reading.join_next().await {
        times.extend(own);
        if failures > 0 {
            round.add_violation(format!("GET /snacks failed {failures} times beside {concurrent} sign-ins"));
        }
    }
    let mut done = 0;
    while let Some(Ok(statuses)) = signing_in.join_next().await {
        done += statuses.len();
        if let Some(other) = statuses.iter().find(|status| **status != Some(StatusCode::OK)) {
            round.add_violation(format!("a concurrent sign-in got {other:?}"));
        }
    }
    record.requests += times.len() + done;
    record.acknowledged += times.len() + done;
    (percentile(&times, 99), done)
}
