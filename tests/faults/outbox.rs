//! Comparison of what a webhook and the inboxes got with the history of the orders.

use std::{collections::HashMap, time::Duration};

use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{
    process::{eventually, time_limit},
    receiver::{Receiver, Subject},
    stack::Stack,
};

/// Time within which a message is sent: 15 s after an attempt whose server died, and a minute after a second one that was answered with an
/// error, with some to spare.
const REPEATED_WITHIN: Duration = Duration::from_secs(85);

/// Result of the comparison.
#[derive(Default)]
pub struct Told {
    pub messages: usize,
    /// Messages that were received more than once, which their id shows.
    pub duplicates: usize,
    pub violations: Vec<String>,
}

/// Last entry of the history of all orders.
pub async fn last_entry(stack: &Stack) -> i64 {
    let last = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM order_history");
    last.fetch_one(&mut stack.connect().await).await.expect("the history")
}

/// Waits until everything is sent, and compares it with the entries after `last`: each was told at least once, under an id of its own,
/// and nothing else was told.
pub async fn check(stack: &mut Stack, receiver: &Receiver, last: i64) -> Told {
    // Some kinds end with servers that were killed.
    stack.serve(1).await;
    let mut told = Told::default();
    let is_empty = async || {
        let Ok(mut db) = PgConnection::connect_with(&stack.database()).await else { return false };
        let pending = sqlx::query_scalar("SELECT count(*) FROM deliveries WHERE status = 'pending'");
        pending.fetch_one(&mut db).await.is_ok_and(|pending: i64| pending == 0)
    };
    if !eventually(time_limit(REPEATED_WITHIN), is_empty).await {
        told.violations.push(format!("deliveries still pending after {REPEATED_WITHIN:?}"));
    }
    let received = receiver.take();
    told.violations.extend(received.violations);
    told.messages = received.messages.values().map(|(_, times)| times).sum();
    told.duplicates = told.messages - received.messages.len();
    let mut db = stack.connect().await;
    compare(&mut db, last, received.messages.into_values().map(|(subject, _)| subject), &mut told.violations).await;
    if let Err(error) = check_inboxes(&mut db, last, &mut told.violations).await {
        told.violations.push(format!("the inboxes could not be read: {error}"));
    }
    told
}

/// Compares the subjects of distinct messages with the history.
async fn compare(
    db: &mut PgConnection,
    last: i64,
    messages: impl Iterator<Item = Subject>,
    violations: &mut Vec<String>,
) {
    let entries: Vec<(Uuid, String)> = sqlx::query_as(
        "SELECT orders.uid, 'order.' || CASE WHEN from_status IS NULL THEN 'created' WHEN from_status = to_status THEN 'arrival_changed'
             ELSE to_status::text END
         FROM order_history AS entry JOIN orders ON orders.id = entry.order_id WHERE entry.id > $1",
    )
    .bind(last)
    .fetch_all(db)
    .await
    .expect("the history");
    let mut counts: HashMap<Subject, (usize, usize)> = HashMap::new();
    for entry in entries {
        counts.entry(entry).or_default().0 += 1;
    }
    for message in messages {
        counts.entry(message).or_default().1 += 1;
    }
    for ((order, kind), (entries, messages)) in counts {
        if entries != messages {
            violations
                .push(format!("{kind} of order {order} happened {entries} times and was told by {messages} messages"));
        }
    }
}

/// Each transition by somebody else is in the inbox of the owner, once.
async fn check_inboxes(db: &mut PgConnection, last: i64, violations: &mut Vec<String>) -> sqlx::Result<()> {
    let wrong: Vec<(Uuid, String, i64)> = sqlx::query_as(
        "SELECT orders.uid, entry.to_status::text, (
             SELECT count(*) FROM notifications
             WHERE user_id = orders.user_id AND order_id = orders.id AND kind::text = 'order_' || entry.to_status) AS told
         FROM order_history AS entry JOIN orders ON orders.id = entry.order_id
         WHERE entry.id > $1 AND entry.from_status <> entry.to_status AND entry.actor_id <> orders.user_id
             AND 1 <> (SELECT count(*) FROM notifications
                 WHERE user_id = orders.user_id AND order_id = orders.id AND kind::text = 'order_' || entry.to_status)",
    )
    .bind(last)
    .fetch_all(db)
    .await?;
    violations.extend(
        wrong
            .into_iter()
            .map(|(order, status, told)| format!("the owner of {order} was told {told} times that it is {status}")),
    );
    Ok(())
}
