//! Faults: each breaks something, checks what must hold meanwhile, and repairs it.

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};

use crate::{
    process::{eventually, send_signal, time_limit},
    proxy::Mode,
    rounds::Round,
    stack::RedisData,
};

/// Time within which a server is healthy after PostgreSQL is.
const HEALTHY_WITHIN: Duration = time_limit(Duration::from_secs(2));
/// Time within which a server ends after SIGTERM.
const STOPS_WITHIN: Duration = Duration::from_secs(15);
/// Time within which readiness shows an outage.
pub const SHOWS_WITHIN: Duration = time_limit(Duration::from_secs(3));
/// Time for a server to start on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// Kills one server. The others, if there are any, work alone for a while.
pub async fn kill_server(round: &mut Round<'_>) {
    let count = round.stack.servers.len();
    let victim = round.rng.usize(..count);
    round.stack.servers[victim].process().kill();
    if count > 1 {
        round.wait_for_responses(50..200).await;
    }
    restart(round, victim).await;
}

async fn restart(round: &mut Round<'_>, server: usize) {
    round.stack.start_server(server);
    if !round.stack.servers[server].wait_until_ready(STARTS_WITHIN).await {
        round.add_violation("the server did not come back");
    }
}

/// Kills Redis, which restarts with none, all or some of its data.
pub async fn kill_redis(round: &mut Round<'_>) {
    let memory = [RedisData::Lost, RedisData::Kept, RedisData::RolledBack][round.index % 3];
    if memory == RedisData::RolledBack {
        round.stack.save_redis();
        round.wait_for_responses(50..200).await;
    }
    round.set_faulty(true);
    round.stack.kill_redis(memory);
    round.load(50..800).await;
    round.stack.start_redis();
    round.stack.await_redis().await;
    round.set_faulty(false);
}

/// Kills PostgreSQL, or one of its processes, which makes it recover by itself.
pub async fn kill_postgres(round: &mut Round<'_>) {
    round.set_faulty(true);
    if round.index.is_multiple_of(2) {
        round.stack.kill_postgres();
        round.load(1..600).await;
        round.stack.start_postgres();
    } else {
        let began = checkpointer_start(round).await;
        round.stack.kill_backend().await;
        let recovered =
            eventually(STARTS_WITHIN, async || checkpointer_start(round).await.is_some_and(|now| Some(now) != began))
                .await;
        if !recovered {
            // Without a backend to kill there is nothing to recover from.
            round.add_violation("PostgreSQL did not recover");
        }
    }
    round.stack.await_postgres().await;
    wait_until_healthy(round).await;
    round.set_faulty(false);
}

/// Start of the checkpointer, which PostgreSQL restarts after a crash and only then.
async fn checkpointer_start(round: &Round<'_>) -> Option<String> {
    let mut db = PgConnection::connect_with(&round.stack.database()).await.ok()?;
    sqlx::query_scalar("SELECT backend_start::text FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
        .fetch_optional(&mut db)
        .await
        .ok()?
}

pub async fn wait_until_healthy(round: &mut Round<'_>) {
    let since = Instant::now();
    for at in 0..round.stack.servers.len() {
        let patience = HEALTHY_WITHIN.saturating_sub(since.elapsed());
        if !round.stack.servers[at].wait_until_ready(patience).await {
            let in_the_end = round.stack.servers[at].wait_until_ready(STARTS_WITHIN).await;
            let took = since.elapsed();
            round.add_violation(format!(
                "not healthy {HEALTHY_WITHIN:?} after PostgreSQL came back; after {took:?}: {in_the_end}"
            ));
        }
    }
}

/// Cuts Redis off. Requests still succeed, which the clients check, and the server stays ready.
pub async fn cut_redis(round: &mut Round<'_>, mode: Mode) {
    let mode = vary_black_hole(round, mode);
    round.set_faulty(true);
    round.stack.redis_proxy.set_mode(mode);
    round.load(600..1500).await;
    for at in 0..round.stack.servers.len() {
        if !round.stack.servers[at].is_ready().await {
            round.add_violation("not ready without Redis");
        }
    }
    round.stack.redis_proxy.set_mode(Mode::Pass);
    round.set_faulty(false);
}

/// Every second black hole is a short one, after which the bytes arrive.
fn vary_black_hole(round: &Round<'_>, mode: Mode) -> Mode {
    if mode == Mode::BlackHole && round.index % 2 == 1 { Mode::Hold } else { mode }
}

/// Cuts PostgreSQL off: the server is not ready, and is ready again soon after the end.
pub async fn cut_postgres(round: &mut Round<'_>, mode: Mode) {
    let mode = vary_black_hole(round, mode);
    round.set_faulty(true);
    round.stack.postgres_proxy.set_mode(mode);
    for at in 0..round.stack.servers.len() {
        if !eventually(SHOWS_WITHIN, async || !round.stack.servers[at].is_ready().await).await {
            round.add_violation("ready stays green without PostgreSQL");
        }
    }
    round.load(200..2500).await;
    round.stack.postgres_proxy.set_mode(Mode::Pass);
    wait_until_healthy(round).await;
    round.set_faulty(false);
}

/// SIGTERM: the server is not ready, accepted requests get their response, the last flush runs, and the exit code is 0.
pub async fn stop_server(round: &mut Round<'_>) {
    let pid = round.stack.servers[0].process().pid();
    let since = Instant::now();
    send_signal("TERM", pid);
    if !eventually(Duration::from_secs(1), async || !round.stack.servers[0].is_ready().await).await {
        round.add_violation("ready stays green after SIGTERM");
    }
    let ended = round.stack.servers[0].process().end(STOPS_WITHIN.saturating_sub(since.elapsed())).await;
    match ended {
        None => round.add_violation(format!("still there {STOPS_WITHIN:?} after SIGTERM")),
        Some(status) if !status.success() => round.add_violation(format!("ended with {status} after SIGTERM")),
        Some(_) => {}
    }
    let left: (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM reaction_dirty), (SELECT count(*) FROM snacks WHERE
             (like_reaction_count, hate_reaction_count) <>
             (SELECT count(*) FILTER (WHERE type = 'like'), count(*) FILTER (WHERE type = 'hate')
              FROM snack_reactions WHERE snack_id = snacks.id))",
    )
    .fetch_one(&mut round.stack.connect().await)
    .await
    .expect("the rows");
    if left != (0, 0) {
        round.add_violation(format!("the last flush left {} dirty rows and {} wrong columns", left.0, left.1));
    }
    round.stack.servers[0].process().kill();
    restart(round, 0).await;
}

/// A second signal ends the server at once.
pub async fn signal_twice(round: &mut Round<'_>) {
    let port = round.stack.servers[0].port;
    let mut slow = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
    // A request without the rest of its body keeps the server from ending.
    let head =
        "POST /auth/logout HTTP/1.1\r\nhost: faults\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.expect("half a request");
    round.load(50..100).await;
    let process = round.stack.servers[0].process();
    let pid = process.pid();
    send_signal("TERM", pid);
    let gone = process.end(Duration::from_millis(500)).await;
    send_signal("TERM", pid);
    let since = Instant::now();
    let ended = process.end(Duration::from_secs(2)).await;
    if gone.is_some() {
        round.add_violation("the first signal did not wait for what was under way");
    } else if ended.is_none() {
        round.add_violation(format!("still there {:?} after a second signal", since.elapsed()));
    }
    round.stack.servers[0].process().kill();
    restart(round, 0).await;
}
