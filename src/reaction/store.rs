//! Reactions in Postgres.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use sqlx::PgPool;
use uuid::Uuid;

use super::counts::{Counts, ReactionType};
use crate::{
    db::errors::is_lock_timeout,
    error::{ApiError, Code, chain},
};

/// Change of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub from: Option<ReactionType>,
    pub to: Option<ReactionType>,
    /// Epoch of the last flush of the snack. Counts in Redis under an older one are stale.
    pub epoch: i64,
}

/// Requested reaction of a user to a snack.
#[derive(Clone, Copy, Debug)]
pub struct ReactionCommand {
    pub snack: Uuid,
    pub user: i64,
    /// None cancels the present reaction.
    pub reaction: Option<ReactionType>,
}

pub type Outcome = Result<Change, ApiError>;

/// Wait of a batch for a lock. All its requests and those behind it wait too.
pub const BATCH_LOCK_TIMEOUT: Duration = Duration::from_millis(50);
/// Shortest time that Postgres knows.
const NO_WAIT: Duration = Duration::from_millis(1);
/// Wait of a single reaction for a lock. Below the three seconds within which a client must get a 503.
pub const SINGLE_LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Writes a batch with [`write`]. If that fails, each command is written by itself, so that one does not spoil the others. The outcome
/// is none for a command that waited for a lock longer than [`BATCH_LOCK_TIMEOUT`].
pub async fn write_batch(db: &PgPool, commands: &[ReactionCommand]) -> Result<Vec<Option<Outcome>>, ApiError> {
    match write(db, commands, BATCH_LOCK_TIMEOUT).await {
        Ok(outcomes) => return Ok(outcomes.into_iter().map(Some).collect()),
        Err(error) if error.code == Code::Unavailable && !is_lock_timeout(&error) => return Err(error),
        Err(error) => tracing::debug!(error = %chain(&error), "batch of reactions failed, writing them one by one"),
    }
    let mut outcomes = Vec::with_capacity(commands.len());
    // Somebody who locks one reaction to a snack may have locked many, which are waited for once.
    let mut locked = HashSet::new();
    for command in commands {
        let lock_timeout = if locked.contains(&command.snack) { NO_WAIT } else { BATCH_LOCK_TIMEOUT };
        outcomes.push(match write(db, std::slice::from_ref(command), lock_timeout).await {
            Ok(written) => written.into_iter().next(),
            Err(error) if is_lock_timeout(&error) => {
                locked.insert(command.snack);
                None
            }
            Err(error) if error.code == Code::Unavailable => return Err(error),
            Err(error) => Some(Err(error)),
        });
    }
    Ok(outcomes)
}

/// Writes commands in their order with one statement and one commit, or several if a user has two commands for the same snack. Each
/// command has its own outcome: the change; `not_found` for an unknown snack; `duplicate_reaction`; `reaction_not_found` if there
/// is none to cancel; `invalid_token` for an unknown user.
///
/// # Errors
/// Postgres out of reach, or a lock that is held for longer than `lock_timeout`.
pub async fn write(
    db: &PgPool,
    commands: &[ReactionCommand],
    lock_timeout: Duration,
) -> Result<Vec<Outcome>, ApiError> {
    let mut outcomes: Vec<Option<Outcome>> = commands.iter().map(|_| None).collect();
    let mut left: Vec<usize> = (0..commands.len()).collect();
    while !left.is_empty() {
        // An INSERT must not affect the same row twice.
        let mut met = HashSet::new();
        let (now, later) =
            left.into_iter().partition::<Vec<_>, _>(|at| met.insert((commands[*at].snack, commands[*at].user)));
        let written = write_distinct(db, now.iter().map(|at| &commands[*at]), lock_timeout).await?;
        for (at, outcome) in now.into_iter().zip(written) {
            outcomes[at] = Some(outcome);
        }
        left = later;
    }
    Ok(outcomes.into_iter().flatten().collect())
}

async fn write_distinct<'a>(
    db: &PgPool,
    commands: impl Iterator<Item = &'a ReactionCommand> + Clone,
    lock_timeout: Duration,
) -> Result<Vec<Outcome>, ApiError> {
    let snacks: Vec<Uuid> = commands.clone().map(|command| command.snack).collect();
    let users: Vec<i64> = commands.clone().map(|command| command.user).collect();
    let reactions: Vec<Option<ReactionType>> = commands.clone().map(|command| command.reaction).collect();
    // - (SELECT ...) hides the number of commands from Postgres, which would plan again for each number.
    // - All batches write rows in the same order, so that those of two servers do not deadlock.
    // - An inserted row has no xmax; an updated one has that of its update.
    // - set_config sets the timeout for this transaction without a statement of its own.
    // - No foreign key checks ids, so ids of no user are left out by the join. Rows of users and snacks are never deleted.
    let rows = sqlx::query!(
        r#"WITH timeout AS MATERIALIZED (SELECT set_config('lock_timeout', $4, true)),
           requested AS (
               SELECT number, snacks.id AS snack_id, counter_epoch, users.id AS user_id, requested.type
               FROM timeout
               CROSS JOIN unnest((SELECT $1::uuid[]), (SELECT $2::bigint[]), (SELECT $3::reaction_type[]))
                   WITH ORDINALITY AS requested (snack, user_id, type, number)
               JOIN snacks ON snacks.uid = requested.snack
               LEFT JOIN users ON users.id = requested.user_id),
           valid AS (SELECT * FROM requested WHERE user_id IS NOT NULL),
           locked AS (
               SELECT snack_id, user_id FROM snack_reactions JOIN valid USING (snack_id, user_id)
               WHERE valid.type IS NULL ORDER BY snack_id, user_id FOR UPDATE OF snack_reactions),
           deleted AS (
               DELETE FROM snack_reactions AS reaction USING locked
               WHERE reaction.snack_id = locked.snack_id AND reaction.user_id = locked.user_id
               RETURNING reaction.snack_id, reaction.user_id, reaction.type),
           changed AS (
               INSERT INTO snack_reactions AS reaction (snack_id, user_id, type)
               SELECT snack_id, user_id, type FROM valid WHERE type IS NOT NULL ORDER BY snack_id, user_id
               ON CONFLICT ON CONSTRAINT snack_reactions_pkey
               DO UPDATE SET type = excluded.type, created_at = excluded.created_at WHERE reaction.type <> excluded.type
               RETURNING snack_id, user_id, xmax = 0 AS inserted)
           SELECT number AS "number!", counter_epoch AS "epoch!", user_id AS "user?", changed.inserted AS "inserted?",
               deleted.type AS "deleted?: ReactionType"
           FROM requested LEFT JOIN changed USING (snack_id, user_id) LEFT JOIN deleted USING (snack_id, user_id)"#,
        &snacks,
        &users,
        &reactions as &[Option<ReactionType>],
        format!("{}ms", lock_timeout.as_millis())
    )
    .fetch_all(db)
    .await?;
    let mut outcomes: Vec<Outcome> = snacks.iter().map(|_| Err(Code::NotFound.into())).collect();
    for row in rows {
        let Some(at) = usize::try_from(row.number).ok().and_then(|number| number.checked_sub(1)) else { continue };
        outcomes[at] = match reactions[at] {
            _ if row.user.is_none() => Err(Code::InvalidToken.into()),
            Some(to) => row.inserted.ok_or_else(|| Code::DuplicateReaction.into()).map(|inserted| Change {
                from: (!inserted).then_some(to.other()),
                to: Some(to),
                epoch: row.epoch,
            }),
            None => row.deleted.ok_or_else(|| Code::ReactionNotFound.into()).map(|from| Change {
                from: Some(from),
                to: None,
                epoch: row.epoch,
            }),
        };
    }
    Ok(outcomes)
}

pub async fn count(db: &PgPool, snack: Uuid) -> Result<Counts, ApiError> {
    let counts = sqlx::query_as!(
        Counts,
        r#"SELECT count(*) FILTER (WHERE type = 'like')::int AS "likes!", count(*) FILTER (WHERE type = 'hate')::int AS "hates!"
           FROM snack_reactions WHERE snack_id = (SELECT id FROM snacks WHERE uid = $1)"#,
        snack
    );
    Ok(counts.fetch_one(db).await?)
}

/// Counts of each of `snacks`, except for those that do not exist.
pub async fn count_all(db: &PgPool, snacks: &[Uuid]) -> Result<HashMap<Uuid, Counts>, ApiError> {
    let rows = sqlx::query!(
        r#"SELECT snacks.uid, count(*) FILTER (WHERE type = 'like')::int AS "likes!", count(*) FILTER (WHERE type = 'hate')::int AS "hates!"
           FROM snacks LEFT JOIN snack_reactions ON snack_id = snacks.id
           WHERE snacks.uid = ANY(ARRAY(SELECT unnest($1::uuid[]))) GROUP BY snacks.uid"#,
        snacks
    );
    let rows = rows.fetch_all(db).await?;
    Ok(rows.into_iter().map(|row| (row.uid, Counts { likes: row.likes, hates: row.hates })).collect())
}
