//! A primary PostgreSQL that fails, and its standby that is promoted behind the same address.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    fixtures::TestUser,
    process::{eventually, time_limit},
    rounds::Round,
};

/// Time within which writes work after the promotion.
const HEALTHY_WITHIN: Duration = time_limit(Duration::from_secs(5));
/// Time within which the servers leave what was the primary. The listener pings every five seconds.
const LEFT_WITHIN: Duration = time_limit(Duration::from_secs(10));
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
        let work = async || {
            server.is_ready().await && writes(round, at, &users).await.iter().all(|status| *status == StatusCode::OK)
        };
        if !eventually(HEALTHY_WITHIN.saturating_sub(since.elapsed()), work).await {
            round.add_violation(format!("{WRITES} writes did not all work {HEALTHY_WITHIN:?} after the promotion"));
        }
    }
    let took = since.elapsed().as_millis();
    round.notes.push(format!("{} {}: writes worked {took} ms after the promotion", round.kind, round.index));
    check_connections(round, former).await;
    round.set_faulty(false);
    round.stack.rebuild_standby().await;
}

/// Checks that the servers leave what was the primary, at the port `former`.
async fn check_connections(round: &mut Round<'_>, former: u16) {
    let few = OUTSIDE_OF_POOL * round.stack.servers.len();
    let address = round.stack.address();
    if !eventually(LEFT_WITHIN, async || address.sessions(former) <= few).await {
        let left = address.sessions(former);
        round.add_violation(format!("{left} connections are left to what was the primary"));
    }
    if round.index % 4 != 2 {
        return;
    }
    // It responds, and a listener there would hear of no change. A commit that waits for the promoted standby holds its process for
    // ever, also without a client.
    let left =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name IN ('snack-server', 'snack-server listener')
        AND wait_event IS DISTINCT FROM 'SyncRep'";
    let node = &round.stack.standby.as_ref().expect("a standby").node;
    let mut db = PgConnection::connect_with(&node.options()).await.expect("what was the primary");
    let mut count = 0;
    let deadline = Instant::now() + LEFT_WITHIN;
    while Instant::now() < deadline {
        count = sqlx::query_scalar::<_, i64>(left).fetch_one(&mut db).await.expect("a number");
        if count == 0 {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    round.add_violation(format!("{count} connections to what was the primary read or listen there"));
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
