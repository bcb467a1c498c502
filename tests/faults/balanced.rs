//! Three servers behind `HAProxy`, of which one is killed, frozen or stopped.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    process::{Process, send_signal, time_limit},
    rounds::Round,
    stack::SHUTDOWN_DELAY,
};

/// Time in which the proxy reads that a connection has ended.
const NOTICED_WITHIN: Duration = time_limit(Duration::from_millis(100));
/// Time within which the proxy gives no more requests to a server that does not respond, or gives it some again.
const MARKED_WITHIN: Duration = Duration::from_secs(30);
/// Time of a frozen server in a full run: longer than an admin who was demoted may act.
const FROZEN: Duration = Duration::from_secs(13);
/// Time within which a server ends after `SHUTDOWN_DELAY`.
const STOPS_WITHIN: Duration = Duration::from_secs(15);

/// SIGKILL of a server: the requests that it had are lost, and no others.
pub async fn kill_server(round: &mut Round<'_>) {
    let victim = pick_victim(round);
    process(round, victim).kill();
    round.expect_responses_from(Instant::now() + NOTICED_WITHIN);
    round.wait_for_responses(100..400).await;
    restart(round, victim).await;
}

/// SIGSTOP of a server, and SIGCONT after a while: it loses requests only until the proxy has noticed.
pub async fn freeze_server(round: &mut Round<'_>, full: bool) {
    let victim = pick_victim(round);
    let since = Instant::now();
    let pid = process(round, victim).pid();
    round.set_faulty(true);
    send_signal("STOP", pid);
    if !round.stack.balancer().wait_until(victim, false, MARKED_WITHIN).await {
        round.add_violation("the proxy goes on sending requests to a frozen server");
    }
    round.expect_responses_from(Instant::now());
    round.wait_for_responses(100..400).await;
    if full {
        sleep(FROZEN.saturating_sub(since.elapsed())).await;
    }
    send_signal("CONT", pid);
    wait_until_up(round, victim).await;
    round.set_faulty(false);
}

/// SIGTERM of a server: no request is lost.
pub async fn drain_server(round: &mut Round<'_>) {
    let victim = pick_victim(round);
    let process = process(round, victim);
    send_signal("TERM", process.pid());
    match process.end(SHUTDOWN_DELAY + STOPS_WITHIN).await {
        None => round.add_violation("the server did not end after SIGTERM"),
        Some(status) if !status.success() => round.add_violation(format!("ended with {status} after SIGTERM")),
        Some(_) => {}
    }
    restart(round, victim).await;
}

fn pick_victim(round: &mut Round<'_>) -> usize {
    round.rng.usize(..round.stack.servers.len())
}

fn process<'a>(round: &'a mut Round<'_>, server: usize) -> &'a mut Process {
    round.stack.servers[server].process()
}

async fn restart(round: &mut Round<'_>, server: usize) {
    round.stack.start_server(server);
    wait_until_up(round, server).await;
}

async fn wait_until_up(round: &mut Round<'_>, server: usize) {
    if !round.stack.balancer().wait_until(server, true, MARKED_WITHIN).await {
        round.add_violation("the proxy sends no requests to a server that is ready");
    }
}
