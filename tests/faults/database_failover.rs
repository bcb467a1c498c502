//! A primary PostgreSQL that is killed, and its standby that is promoted.

use crate::rounds::Round;

/// SIGKILL of the primary. The standby is promoted behind the same address.
pub async fn kill_primary(round: &mut Round<'_>) {
    round.load(200..1000).await;
}
