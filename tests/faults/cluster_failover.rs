//! A Redis Cluster whose master is killed.

use crate::rounds::Round;

/// SIGKILL of a master. Its replica takes over, and the counters converge.
pub async fn kill_master(round: &mut Round<'_>) {
    round.load(200..1000).await;
}
