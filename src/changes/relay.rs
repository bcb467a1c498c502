//! The task that passes published changes on.

use std::time::Duration;

use tokio::time::sleep;

use super::Changes;

/// Time in which changes are collected.
const COLLECT_FOR: Duration = Duration::from_millis(50);

/// Passes changes on for ever.
pub async fn run(changes: &Changes) {
    loop {
        changes.wait_published().await;
        sleep(COLLECT_FOR).await;
        changes.receive(changes.take_published());
    }
}
