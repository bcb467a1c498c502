//! Three servers behind a proxy, of which one is killed, frozen or stopped.

use crate::rounds::Round;

/// SIGKILL of a server: the requests that it had are lost, and no others.
pub async fn kill_server(round: &mut Round<'_>) {
    round.load(200..1000).await;
}

/// SIGSTOP of a server, and SIGCONT after a while: it does not act on roles of before.
pub async fn freeze_server(round: &mut Round<'_>) {
    round.load(200..1000).await;
}

/// SIGTERM of a server: no request is lost.
pub async fn drain_server(round: &mut Round<'_>) {
    round.load(200..1000).await;
}
