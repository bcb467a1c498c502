//! The calls about reactions.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{
    Counts, ReactionType,
    counters::{Shift, Stored},
    store::{self, Change, Outcome, Wish},
};
use crate::{
    app::state::AppState,
    auth::Member,
    error::{ApiError, Code},
    http::{Json, Uid, openapi::REACTIONS},
};

/// What one thinks of a snack.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"type": "like"}))]
pub struct Reaction {
    #[schema(required, value_type = ReactionType)]
    #[serde(default, deserialize_with = "crate::http::body::present")]
    #[validate(required(code = "required"))]
    r#type: Option<ReactionType>,
}

/// What becomes of a snack by a reaction.
#[derive(Serialize, ToSchema)]
pub struct ReactionAnswer {
    snack_uid: Uuid,
    #[schema(required)]
    my_reaction: Option<ReactionType>,
    like_reaction_count: i32,
    hate_reaction_count: i32,
    /// Likes by hates; the likes where nobody hates it; 1 where nobody has rated it.
    like_ratio: f64,
}

/// Likes or hates a snack. The other reaction than before changes over.
#[utoipa::path(post, path = "/snacks/{uid}/reaction", tag = REACTIONS, params(("uid" = Uuid, Path)), request_body = Reaction,
    responses((status = 200, body = ReactionAnswer)))]
pub async fn react(
    State(state): State<AppState>,
    member: Member,
    uid: Uid,
    Json(body): Json<Reaction>,
) -> Result<Json<ReactionAnswer>, ApiError> {
    let snack = uid.get()?;
    let reaction = body.r#type.ok_or_else(|| ApiError::invalid("type", "required"))?;
    become_of(&state, Wish { snack, user: member.id, reaction: Some(reaction) }).await
}

/// Takes one's reaction back.
#[utoipa::path(delete, path = "/snacks/{uid}/reaction", tag = REACTIONS, params(("uid" = Uuid, Path)),
    responses((status = 200, body = ReactionAnswer)))]
pub async fn cancel_reaction(
    State(state): State<AppState>,
    member: Member,
    uid: Uid,
) -> Result<Json<ReactionAnswer>, ApiError> {
    let snack = uid.get()?;
    become_of(&state, Wish { snack, user: member.id, reaction: None }).await
}

/// Writes the row and counts the change, together with those of others who react at the same time.
async fn become_of(state: &AppState, wish: Wish) -> Result<Json<ReactionAnswer>, ApiError> {
    let written = state.reactions.ask((), wish, {
        let state = state.clone();
        move |wishes| {
            let state = state.clone();
            async move {
                let write = async |db: &_, wishes: &_| store::write_batch(db, wishes).await;
                write_and_count(&state, &wishes, write).await
            }
        }
    });
    let (change, counted) = match written.await? {
        Some(counted) => counted,
        None => wait_for_lock(state, wish).await?,
    };
    let snack = wish.snack;
    let counts: Counts = match counted {
        Some(counts) => counts,
        None => store::count(&state.db, snack).await?,
    };
    Ok(Json(ReactionAnswer {
        snack_uid: snack,
        my_reaction: change.to,
        like_reaction_count: counts.likes,
        hate_reaction_count: counts.hates,
        like_ratio: counts.ratio(),
    }))
}

/// Writes and counts a reaction by itself, after a lock has kept it out of its batch.
async fn wait_for_lock(state: &AppState, wish: Wish) -> Result<Counted, ApiError> {
    let _permit = state.locked_reactions.try_acquire().map_err(|_| Code::Unavailable)?;
    let write = async |db: &_, wishes: &_| {
        let outcomes = store::write(db, wishes, store::SINGLE_LOCK_TIMEOUT).await?;
        Ok(outcomes.into_iter().map(Some).collect())
    };
    let counted = write_and_count(state, &[wish], write).await?.into_iter().next();
    counted.ok_or(Code::Internal)??.ok_or_else(|| Code::Unavailable.into())
}

/// A change, and the counts that resulted if Redis knows them.
type Counted = (Change, Option<Counts>);

/// Writes the rows with `write`, then counts the committed changes in Redis, each on the epoch that was read before. Redis counts
/// for nothing where a flush has passed it by: it was out of reach then, or has lost what it was told. None stands for a
/// reaction that was not written because of a lock.
async fn write_and_count(
    state: &AppState,
    wishes: &[Wish],
    write: impl AsyncFnOnce(&PgPool, &[Wish]) -> Result<Vec<Option<Outcome>>, ApiError>,
) -> Result<Vec<Result<Option<Counted>, ApiError>>, ApiError> {
    let snacks: Vec<Uuid> = wishes.iter().map(|wish| wish.snack).collect();
    let before = state.counters.believed(&snacks).await;
    let outcomes = state.pulse.guard(write(&state.db, wishes)).await.ok_or(Code::Unavailable)??;
    let mut shifts = Vec::with_capacity(wishes.len());
    // Where the answer to a shift is to be found.
    let mut written = Vec::with_capacity(wishes.len());
    for ((outcome, stored), snack) in outcomes.into_iter().zip(before).zip(snacks) {
        let outcome = outcome.transpose();
        written.push(outcome.map(|change| {
            change.map(|change| match stored {
                Some(Stored { epoch, .. }) if epoch >= change.epoch => {
                    shifts.push(Shift { snack, epoch, change });
                    (change, Some(shifts.len() - 1))
                }
                _ => {
                    state.counters.miss(snack, change.epoch);
                    (change, None)
                }
            })
        }));
    }
    let counts = state.counters.shift(&shifts).await;
    let counted = |(change, at): (Change, Option<usize>)| (change, at.and_then(|at| counts.get(at).copied().flatten()));
    Ok(written.into_iter().map(|outcome| outcome.map(|change| change.map(counted))).collect())
}
