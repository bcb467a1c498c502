//! A primary PostgreSQL that fails, and its standby that is promoted behind the same address.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    fixtures::TestUser,
    process::eventually,
    rounds::Round,
};

/// Time within which writes work after the promotion.
const HEALTHY_WITHIN: Duration = Duration::from_secs(5);
/// Time within which the servers leave what was the primary. The listener pings every five seconds.
const LEFT_WITHIN: Duration = Duration::from_secs(10);
/// Connections of a server that are not in its pool: the listener's and the watchdog's. They stay at a silent primary until they
/// are needed.
const OUTSIDE_OF_POOL: usize = 2;
/// Writes at once to each server. More than a pool has connections.
const WRITES: i64 = 24;

/// Fails over, and checks that writes work and that no connection is left to what was the primary.
pub async fn fail_over(round: &mut Round<'_>) {
    let (former, promoted) = {
        let standby = round.stack.standby.as_ref().expect("a standby");
        (round.stack.postgres.port, standby.node.port)
    };
    let users = {
        let mut db = round.stack.connect().await;
        round.fixtures.extra_users(&mut db, WRITES).await.0
    };
    round.set_faulty(true);
    match round.index % 4 {
        // The primary is killed, and its connections are closed.
        0 => {
            round.stack.kill_postgres();
            round.load(1..600).await;
            round.stack.promote_standby().await;
            round.stack.address().lead(former, promoted);
            round.stack.address().close(former);
        }
        // The primary falls silent, and its connections stay open.
        1 => {
            round.stack.postgres.freeze();
            round.load(1..600).await;
            round.stack.promote_standby().await;
            round.stack.address().lead(former, promoted);
        }
        // The primary is demoted and goes on reading. Its connections stay open.
        2 => {
            round.stack.postgres.execute("ALTER SYSTEM SET default_transaction_read_only = on").await;
            round.stack.postgres.execute("SELECT pg_reload_conf()").await;
            round.load(1..600).await;
            round.stack.promote_standby().await;
            round.stack.address().lead(former, promoted);
        }
        // The address leads to the standby before it is promoted, so that new connections are read-only at first.
        _ => {
            round.stack.kill_postgres();
            round.stack.address().lead(former, promoted);
            round.stack.address().close(former);
            round.load(300..1500).await;
            round.stack.promote_standby().await;
        }
    }
    let since = Instant::now();
    for at in 0..round.stack.servers.len() {
        let server = &round.stack.servers[at];
        let works = async || server.is_ready().await && writes(round, at, &users[..1]).await == [StatusCode::OK];
        if !eventually(HEALTHY_WITHIN.saturating_sub(since.elapsed()), works).await {
            round.add_violation(format!("no write {HEALTHY_WITHIN:?} after the promotion"));
        }
    }
    let took = since.elapsed().as_millis();
    round.notes.push(format!("{} {}: writes worked {took} ms after the promotion", round.kind, round.index));
    for at in 0..round.stack.servers.len() {
        let failed = writes(round, at, &users).await.into_iter().filter(|status| *status != StatusCode::OK).count();
        if failed > 0 {
            round.add_violation(format!("{failed} of {WRITES} writes failed after writes worked"));
        }
    }
    let few = OUTSIDE_OF_POOL * round.stack.servers.len();
    if !eventually(LEFT_WITHIN, async || round.stack.address().sessions(former) <= few).await {
        let left = round.stack.address().sessions(former);
        round.add_violation(format!("{left} connections are left to what was the primary"));
    }
    round.set_faulty(false);
    round.stack.rebuild_standby().await;
}

/// Statuses of a write of each of `users` at the server numbered `at`, all at once.
async fn writes(round: &Round<'_>, at: usize, users: &[TestUser]) -> Vec<StatusCode> {
    let url = format!("{}/auth/users/profile", round.state.urls[at]);
    let requests: JoinSet<_> = users
        .iter()
        .map(|user| {
            let request = round.state.http.request(Method::PATCH, &url).bearer_auth(&user.access);
            let request = request.json(&json!({"name": format!("name {}", fastrand::u32(..))}));
            async move { request.send().await.map_or(StatusCode::BAD_GATEWAY, |response| response.status()) }
        })
        .collect();
    requests.join_all().await
}
