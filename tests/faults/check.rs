//! Comparison of the clients' records with the rows, after traffic has stopped.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use sqlx::{Connection, PgConnection};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    fixtures::{Baseline, Fixtures},
    process::eventually,
    record::{Operation, Record, Tally},
    stack::Stack,
};

/// Time for which an admin who was demoted may act.
const ACTS_AFTER_DEMOTION: Duration = Duration::from_secs(10);

/// A snack with different counts: its id, and likes and hates of the rows, the columns and Redis.
type Counts = (i64, [i64; 2], [i64; 2], [Option<i64>; 2]);

/// Waits until no row is dirty, no transaction runs, and Redis, columns and rows agree. Returns the time it took, and
/// notes a violation when it takes longer than `patience`.
pub async fn wait_for_convergence(stack: &Stack, patience: Duration, complaints: &mut Vec<String>) -> Duration {
    let since = Instant::now();
    let has_converged =
        eventually(patience, async || matches!(pending(stack).await, Ok(pending) if pending.is_empty())).await;
    if !has_converged {
        match pending(stack).await {
            Ok(pending) => complaints
                .extend(pending.into_iter().map(|description| format!("not quiet after {patience:?}: {description}"))),
            Err(error) => complaints.push(format!("not quiet after {patience:?}: {error}")),
        }
    }
    since.elapsed()
}

/// The reasons why the stores have not converged yet.
async fn pending(stack: &Stack) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut db = PgConnection::connect_with(&stack.database()).await?;
    let (dirty, busy): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM reaction_dirty),
             (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'snack-server'
                 -- An aborted transaction has no beginning any more, but is one until it is ended.
                 AND (xact_start IS NOT NULL OR state LIKE 'idle in transaction%'))",
    )
    .fetch_one(&mut db)
    .await?;
    let mut pending = Vec::new();
    if dirty > 0 {
        pending.push(format!("{dirty} dirty rows"));
    }
    if busy > 0 {
        pending.push(format!("{busy} transactions under way"));
    }
    for (snack, rows, columns, redis) in differing_counts(&mut db, stack).await? {
        pending.push(format!("snack {snack}: rows say {rows:?}, columns {columns:?}, Redis {redis:?}"));
    }
    Ok(pending)
}

/// Snacks that were counted before and whose three counts differ.
async fn differing_counts(db: &mut PgConnection, stack: &Stack) -> Result<Vec<Counts>, Box<dyn std::error::Error>> {
    let rows: Vec<(i64, Uuid, i64, i64, i64, i64)> = sqlx::query_as(
        "SELECT s.id, s.uid, count(*) FILTER (WHERE r.type = 'like'), count(*) FILTER (WHERE r.type = 'hate'),
             s.like_reaction_count::bigint, s.hate_reaction_count::bigint
         FROM snacks AS s LEFT JOIN snack_reactions AS r ON r.snack_id = s.id
         GROUP BY s.id HAVING s.counter_epoch > 0 OR count(r.user_id) > 0 ORDER BY s.id",
    )
    .fetch_all(db)
    .await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let names = ["like_count", "hate_count"];
    let keys: Vec<_> =
        rows.iter().flat_map(|(_, uid, ..)| names.map(|name| format!("snack:{{{uid}}}:{name}"))).collect();
    let values = stack.redis_values(&keys).await?;
    let counts = rows.iter().zip(values.chunks_exact(2)).map(|(row, redis)| {
        let (id, _, likes, hates, like_column, hate_column) = *row;
        (id, [likes, hates], [like_column, hate_column], [redis[0], redis[1]])
    });
    Ok(counts.filter(|(_, rows, columns, redis)| rows != columns || rows.map(Some) != *redis).collect())
}

/// Every violation in the rows.
pub async fn violations(stack: &Stack, fixtures: &Fixtures, baseline: &Baseline, record: &Record) -> Vec<String> {
    let mut db = stack.connect().await;
    let mut found = Vec::new();
    let outcome = async {
        // One snapshot for all queries.
        sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ").execute(&mut db).await?;
        check_reactions(&mut db, baseline, record, &mut found).await?;
        check_orders(&mut db, fixtures, baseline, record, &mut found).await?;
        check_operations(&mut db, baseline, record, &mut found).await?;
        check_sessions(&mut db, record, &mut found).await?;
        check_rules(&mut db, &mut found).await
    };
    if let Err(error) = outcome.await {
        found.push(format!("the rows could not be read: {error}"));
    }
    found
}

/// Each reaction is the last acknowledged one, and those of other users are unchanged.
async fn check_reactions(
    db: &mut PgConnection,
    baseline: &Baseline,
    record: &Record,
    found: &mut Vec<String>,
) -> sqlx::Result<()> {
    let now = Baseline::read(db).await?.reactions;
    let keys: HashSet<_> = now.keys().chain(baseline.reactions.keys()).chain(record.reactions.keys()).collect();
    for key in keys {
        let row = now.get(key);
        let is_allowed = match record.reactions.get(key) {
            Some(reaction) => reaction.allows(row),
            None => row == baseline.reactions.get(key),
        };
        if !is_allowed {
            found.push(format!(
                "the reaction of (snack, user) {key:?} is {row:?}, and acknowledged was {:?}",
                record.reactions.get(key)
            ));
        }
    }
    Ok(())
}

/// Each acknowledged order exists once, with its lines and its key, and each existing order was requested.
async fn check_orders(
    db: &mut PgConnection,
    fixtures: &Fixtures,
    baseline: &Baseline,
    record: &Record,
    found: &mut Vec<String>,
) -> sqlx::Result<()> {
    type Row = (Uuid, i64, Option<String>, Option<i64>, Vec<i64>, Vec<i32>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT o.uid, o.user_id, k.key, k.user_id,
             ARRAY(SELECT snack_id FROM purchases WHERE order_id = o.id ORDER BY position),
             ARRAY(SELECT quantity FROM purchases WHERE order_id = o.id ORDER BY position)
         FROM orders AS o LEFT JOIN idempotency_keys AS k ON k.order_uid = o.uid WHERE o.id > $1",
    )
    .bind(baseline.last_order)
    .fetch_all(&mut *db)
    .await?;
    let ids: HashMap<Uuid, i64> = fixtures.menu.iter().map(|menu_item| (menu_item.uid, menu_item.id)).collect();
    let mut by_key: HashMap<&str, Vec<Uuid>> = HashMap::new();
    for (uid, user, key, key_user, snacks, quantities) in &rows {
        let Some((key, requested)) = key.as_ref().and_then(|key| Some((key, record.orders.get(key)?))) else {
            found.push(format!("order {uid} exists and was not requested under its key {key:?}"));
            continue;
        };
        by_key.entry(key).or_default().push(*uid);
        let (wanted, many): (Vec<i64>, Vec<i32>) =
            requested.lines.iter().map(|(uid, quantity)| (ids[uid], *quantity)).unzip();
        if (*user, *key_user) != (requested.user, Some(requested.user)) || *snacks != wanted || *quantities != many {
            found.push(format!(
                "order {uid} of user {user} holds {snacks:?} {quantities:?}, and requested was {requested:?}"
            ));
        }
    }
    for (key, requested) in &record.orders {
        let existing = by_key.get(key.as_str()).map(Vec::as_slice).unwrap_or_default();
        let acknowledged: HashSet<Uuid> = requested.acknowledged.iter().copied().collect();
        if existing.len() > 1 || acknowledged.len() > 1 {
            found.push(format!("key {key}: orders {existing:?} exist, and acknowledged was {acknowledged:?}"));
        } else if let Some(acknowledged) = acknowledged.iter().next() {
            if existing.first() != Some(acknowledged) {
                found.push(format!("key {key}: order {acknowledged} was acknowledged and does not exist"));
            }
        } else if !requested.unknown && !existing.is_empty() {
            found.push(format!("key {key}: order {existing:?} exists and was refused"));
        }
    }
    Ok(())
}

/// Each transition and each change of a member type has one row for each acknowledgement, and at most one for each
/// unknown result.
async fn check_operations(
    db: &mut PgConnection,
    baseline: &Baseline,
    record: &Record,
    found: &mut Vec<String>,
) -> sqlx::Result<()> {
    let steps: Vec<(i64, String, String)> = sqlx::query_as(
        "SELECT h.actor_id, o.uid::text, h.to_status::text FROM order_history AS h JOIN orders AS o ON o.id = h.order_id
         WHERE h.id > $1 AND h.from_status IS NOT NULL",
    )
    .bind(baseline.last_step)
    .fetch_all(&mut *db)
    .await?;
    let audited: Vec<(i64, String, String, String)> = sqlx::query_as(
        "SELECT actor_id, action, split_part(subject, ' ', 1), split_part(subject, ' ', 2) FROM audit_log
         WHERE id > $1 AND outcome = 'ok' AND action IN ('order_status_change', 'member_type_change')",
    )
    .bind(baseline.last_audit)
    .fetch_all(&mut *db)
    .await?;
    let of = |wanted: &str| {
        let rows = audited.iter().filter(|(_, action, ..)| action == wanted);
        rows.map(|(actor, _, subject, to)| (*actor, subject.clone(), to.clone())).collect()
    };
    compare("history", steps, &record.transitions, found);
    compare("audited transitions", of("order_status_change"), &record.transitions, found);
    compare("audited member types", of("member_type_change"), &record.member_types, found);
    check_roles(db, baseline, found).await
}

/// Nobody moves an order of another user longer than [`ACTS_AFTER_DEMOTION`] after being demoted.
async fn check_roles(db: &mut PgConnection, baseline: &Baseline, found: &mut Vec<String>) -> sqlx::Result<()> {
    let wrong: Vec<(i64, Uuid, String)> = sqlx::query_as(
        "WITH roles AS (
             SELECT split_part(subject, ' ', 1)::bigint AS id, split_part(subject, ' ', 2) AS role, at AS since,
                 coalesce(lead(at) OVER (PARTITION BY split_part(subject, ' ', 1) ORDER BY id), 'infinity') AS until
             FROM audit_log WHERE outcome = 'ok' AND action = 'member_type_change')
         SELECT h.actor_id, o.uid, (h.at - roles.since)::text
         FROM order_history AS h JOIN orders AS o ON o.id = h.order_id JOIN roles ON roles.id = h.actor_id
         WHERE h.id > $1 AND h.actor_id <> o.user_id AND roles.role = 'member'
             AND h.at > roles.since + make_interval(secs => $2) AND h.at < roles.until",
    )
    .bind(baseline.last_step)
    .bind(ACTS_AFTER_DEMOTION.as_secs_f64())
    .fetch_all(db)
    .await?;
    found.extend(
        wrong
            .into_iter()
            .map(|(user, order, late)| format!("user {user} moved order {order}, {late} after a demotion")),
    );
    Ok(())
}

fn compare(
    description: &str,
    rows: Vec<(i64, String, String)>,
    acknowledged: &HashMap<Operation, Tally>,
    found: &mut Vec<String>,
) {
    let mut counts: HashMap<Operation, usize> = HashMap::new();
    for (actor, subject, to) in rows {
        *counts.entry(Operation { actor, subject, to }).or_default() += 1;
    }
    let operations: HashSet<&Operation> = counts.keys().chain(acknowledged.keys()).collect();
    for operation in operations {
        let existing = counts.get(operation).copied().unwrap_or_default();
        let tally = acknowledged.get(operation).copied().unwrap_or_default();
        if existing < tally.acknowledged || existing > tally.acknowledged + tally.unknown {
            found
                .push(format!("{description}: {operation:?} exists {existing} times, and the outcomes were {tally:?}"));
        }
    }
}

/// Each session has the tokens that were issued, and at most one that is live.
async fn check_sessions(db: &mut PgConnection, record: &Record, found: &mut Vec<String>) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = record.sessions.iter().map(|session| session.id).collect();
    let rows: Vec<(Uuid, Vec<Uuid>, Vec<Uuid>)> = sqlx::query_as(
        "SELECT s.id, array_agg(t.jti), coalesce(array_agg(t.jti) FILTER (WHERE t.used_at IS NULL AND s.ended_at IS NULL), '{}')
         FROM sessions AS s JOIN refresh_tokens AS t ON t.session_id = s.id WHERE s.id = ANY($1) GROUP BY s.id",
    )
    .bind(ids)
    .fetch_all(db)
    .await?;
    let rows: HashMap<Uuid, _> = rows.into_iter().map(|(id, all, live)| (id, (all, live))).collect();
    for session in &record.sessions {
        let Some((all, live)) = rows.get(&session.id) else {
            found.push(format!("the sign-in of {session:?} has gone"));
            continue;
        };
        let acknowledged = session.tokens.len();
        let kept = session.tokens.iter().all(|jti| all.contains(jti));
        let certain = session.unknown == 0 && !session.reused;
        let live_one = !certain || live.as_slice() == &session.tokens[acknowledged - 1..];
        if live.len() > 1 || !kept || all.len() > acknowledged + session.unknown || !live_one {
            found.push(format!("{session:?}: {} tokens are there, live are {live:?}", all.len()));
        }
    }
    Ok(())
}

/// Rules that hold for the rows at any time. Each query returns the violations.
const RULES: &[(&str, &str)] = &[
    (
        "a snack in two open orders",
        "SELECT p.snack_id::text FROM purchases AS p JOIN orders AS o ON o.id = p.order_id
         WHERE o.status IN ('created', 'approved', 'ordered') GROUP BY p.snack_id HAVING count(*) > 1",
    ),
    (
        "no active admin",
        "SELECT 'none' WHERE NOT EXISTS (SELECT FROM users WHERE member_type = 'admin' AND NOT is_deleted)",
    ),
    (
        "a history that is no way",
        "SELECT order_id::text FROM (SELECT order_id, from_status, lag(to_status) OVER (PARTITION BY order_id ORDER BY id) AS before
             FROM order_history) AS step WHERE from_status IS DISTINCT FROM before",
    ),
    (
        "an order that is not where its history ends, or has more versions than steps",
        "SELECT o.id::text FROM orders AS o LEFT JOIN (SELECT order_id, count(*) AS steps, max(id) AS last FROM order_history
             GROUP BY order_id) AS h ON h.order_id = o.id LEFT JOIN order_history AS step ON step.id = h.last
         WHERE o.status IS DISTINCT FROM step.to_status OR o.version IS DISTINCT FROM h.steps",
    ),
    (
        "an order with nothing in it",
        "SELECT id::text FROM orders AS o WHERE NOT EXISTS (SELECT FROM purchases WHERE order_id = o.id)",
    ),
    (
        "a key that stands for no order",
        "SELECT key FROM idempotency_keys AS k WHERE response IS NULL
             OR NOT EXISTS (SELECT FROM orders WHERE uid = k.order_uid AND user_id = k.user_id)",
    ),
    (
        "an order with two keys",
        "SELECT order_uid::text FROM idempotency_keys GROUP BY order_uid HAVING count(*) > 1",
    ),
    (
        "a sign-in with two live refresh tokens",
        "SELECT s.id::text FROM sessions AS s JOIN refresh_tokens AS t ON t.session_id = s.id
         WHERE s.ended_at IS NULL AND t.used_at IS NULL GROUP BY s.id HAVING count(*) > 1",
    ),
    (
        "a connection that was left inside a transaction",
        "SELECT format('%s is %s since %s, began %s ago: %s', pid, state, clock_timestamp() - state_change,
             clock_timestamp() - xact_start, query) FROM pg_stat_activity WHERE application_name = 'snack-server'
         AND state LIKE 'idle in transaction%' AND clock_timestamp() - state_change > interval '1 second'",
    ),
];

async fn check_rules(db: &mut PgConnection, found: &mut Vec<String>) -> sqlx::Result<()> {
    for (rule, question) in RULES {
        let wrong: Vec<String> = sqlx::query_scalar(*question).fetch_all(&mut *db).await?;
        if !wrong.is_empty() {
            let (few, all) = (&wrong[..wrong.len().min(5)], wrong.len());
            found.push(format!("{rule}: {few:?} ({all} in all)"));
        }
    }
    Ok(())
}
