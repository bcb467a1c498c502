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
    client::Ground,
    record::{Record, percentile},
    rounds::{Report, Round},
};

const PASSWORD: &str = "what they all chose";
const KNOWN: &str = "known@faults.example";
const RESIGNED: &str = "resigned@faults.example";
const UNKNOWN: &str = "unknown@faults.example";
/// Users who sign in at the same time.
const CROWD: usize = 50;
/// Clients that read the list of snacks meanwhile, and their pause.
const READERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(20);
/// Number and duration of the measurements without and with the sign-ins.
const TURNS: usize = 5;
const TURN: Duration = Duration::from_secs(3);

/// Measures `samples` failed sign-ins of each kind, then the readers without and with the sign-ins.
pub async fn play(mut round: Round<'_>, samples: usize) -> Report {
    let hash = hash_blocking(PASSWORD).expect("a hash");
    sqlx::query(
        "INSERT INTO users (email, email_key, name, name_key, password_hash, is_deleted)
         SELECT email, email, email, email, $3, email = $2 FROM unnest($1 || $2) AS email ON CONFLICT DO NOTHING",
    )
    .bind([KNOWN.to_owned()].into_iter().chain((0..CROWD).map(one_of_crowd)).collect::<Vec<_>>())
    .bind(RESIGNED)
    .bind(hash)
    .execute(&mut round.stack.connect().await)
    .await
    .expect("users");
    let mut record = Record::default();
    let mut notes = vec![refusals(&mut round, &mut record, samples).await];
    // Timings of a debug build are not meaningful.
    if !cfg!(debug_assertions) {
        notes.push(crowd(&mut round, &mut record).await);
    }
    let mut report = round.settle(record).await;
    report.notes = notes;
    report
}

/// One user each: sign-ins of one user would wait for each other's row lock.
fn one_of_crowd(number: usize) -> String {
    format!("crowd-{number}@faults.example")
}

/// Tries to sign in, and returns the status and the duration.
async fn sign_in(ground: &Ground, email: &str, password: &str) -> (Option<StatusCode>, Duration) {
    let started = Instant::now();
    let body = json!({"username": email, "password": password});
    let answer = ground.http.post(format!("{}/auth/token", ground.urls[0])).json(&body).send().await;
    let status = match answer {
        Ok(answer) => {
            let status = answer.status();
            answer.bytes().await.is_ok().then_some(status)
        }
        Err(_) => None,
    };
    (status, started.elapsed())
}

async fn refusals(round: &mut Round<'_>, record: &mut Record, samples: usize) -> String {
    let tries = [(UNKNOWN, PASSWORD), (KNOWN, "not what they chose"), (RESIGNED, PASSWORD)];
    let mut times = [const { Vec::new() }; 3];
    for sample in 0..samples * tries.len() {
        // Interleaved, so that each kind follows each other kind.
        let at = (sample + sample / tries.len()) % tries.len();
        let (email, password) = tries[at];
        let (status, took) = sign_in(&round.ground, email, password).await;
        record.requests += 1;
        record.refused += 1;
        if status != Some(StatusCode::UNAUTHORIZED) {
            round.complain(format!("{email} was answered with {status:?}"));
        }
        times[at].push(took);
    }
    let medians = times.map(|times| percentile(&times, 50));
    let (quickest, slowest) = (medians.iter().min().copied(), medians.iter().max().copied());
    let (quickest, slowest) = (quickest.unwrap_or_default(), slowest.unwrap_or_default());
    // A few samples show a missing hash and no smaller difference.
    let tolerance = if samples >= 500 { 0.05 } else { 0.5 };
    let spread = slowest.as_secs_f64() / quickest.as_secs_f64() - 1.0;
    if spread > tolerance {
        round.complain(format!("the medians of refused sign-ins differ by {:.1}%: {medians:?}", spread * 100.0));
    }
    format!(
        "{samples} refused sign-ins each: unknown {:.2?}, wrong {:.2?}, resigned {:.2?}; medians within {:.1}%",
        medians[0],
        medians[1],
        medians[2],
        spread * 100.0
    )
}

async fn crowd(round: &mut Round<'_>, record: &mut Record) -> String {
    let (mut alone, mut beside, mut signed_in) = (Vec::new(), Vec::new(), 0);
    for _ in 0..TURNS {
        alone.push(readers(round, record, 0).await.0);
        let (p99, count) = readers(round, record, CROWD).await;
        beside.push(p99);
        signed_in += count;
    }
    let (alone, beside) = (percentile(&alone, 50), percentile(&beside, 50));
    if beside > 2 * alone {
        round.complain(format!("p99 of GET /snacks is {beside:.2?} beside {CROWD} sign-ins, {alone:.2?} without"));
    }
    format!(
        "p99 of GET /snacks: {alone:.2?} alone, {beside:.2?} beside {CROWD} sign-ins at once ({signed_in} done), \
         medians of {TURNS}"
    )
}

/// The p99 of the readers while `crowd` users sign in repeatedly, and the number of sign-ins.
async fn readers(round: &mut Round<'_>, record: &mut Record, crowd: usize) -> (Duration, usize) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut signing_in = JoinSet::new();
    for number in 0..crowd {
        let email = one_of_crowd(number);
        let (ground, stop) = (Arc::clone(&round.ground), Arc::clone(&stop));
        signing_in.spawn(async move {
            let mut statuses = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                statuses.push(sign_in(&ground, &email, PASSWORD).await.0);
            }
            statuses
        });
    }
    let mut reading = JoinSet::new();
    for number in 0..READERS {
        let (ground, stop) = (Arc::clone(&round.ground), Arc::clone(&stop));
        reading.spawn(async move {
            let url = format!("{}/snacks", ground.urls[0]);
            let (mut times, mut failures) = (Vec::new(), 0);
            while !stop.load(Ordering::Relaxed) {
                let started = Instant::now();
                let access = &ground.cast.members[number].access;
                let answer =
                    async { ground.http.get(&url).bearer_auth(access).send().await?.error_for_status()?.bytes().await };
                if answer.await.is_err() {
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
            round.complain(format!("GET /snacks failed {failures} times beside {crowd} sign-ins"));
        }
    }
    let mut done = 0;
    while let Some(Ok(statuses)) = signing_in.join_next().await {
        done += statuses.len();
        if let Some(other) = statuses.iter().find(|status| **status != Some(StatusCode::OK)) {
            round.complain(format!("a sign-in of a crowd was answered with {other:?}"));
        }
    }
    record.requests += times.len() + done;
    record.acknowledged += times.len() + done;
    (percentile(&times, 99), done)
}
