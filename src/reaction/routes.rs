//! Endpoints of reactions.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{
    counts::ReactionType,
    state::{ReactionState, apply_reaction},
    store::ReactionCommand,
};
use crate::{
    auth::extract::CurrentUser,
    error::ApiError,
    http::{
        body::{Json, non_null},
        openapi::REACTIONS,
        path::Uid,
    },
};

/// Reaction request.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"type": "like"}))]
pub struct Reaction {
    #[schema(required, value_type = ReactionType)]
    #[serde(default, deserialize_with = "non_null")]
    #[validate(required(code = "required"))]
    r#type: Option<ReactionType>,
}

/// Reactions to a snack after a change.
#[derive(Serialize, ToSchema)]
#[schema(as = ReactionAnswer)]
pub struct ReactionResponse {
    snack_uid: Uuid,
    #[schema(required)]
    my_reaction: Option<ReactionType>,
    like_reaction_count: i32,
    hate_reaction_count: i32,
    /// Likes divided by hates; the likes if there are no hates; 1 if there are no reactions.
    like_ratio: f64,
}

/// Likes or hates a snack. Replaces the caller's other reaction.
#[utoipa::path(post, path = "/snacks/{uid}/reaction", tag = REACTIONS, params(("uid" = Uuid, Path)), request_body = Reaction,
    responses((status = 200, body = ReactionResponse)))]
pub async fn react(
    State(reactions): State<Arc<ReactionState>>,
    user: CurrentUser,
    uid: Uid,
    Json(body): Json<Reaction>,
) -> Result<Json<ReactionResponse>, ApiError> {
    let snack = uid.get()?;
    let reaction = body.r#type.ok_or_else(|| ApiError::invalid("type", "required"))?;
    apply(&reactions, ReactionCommand { snack, user: user.id, reaction: Some(reaction) }).await
}

/// Cancels the caller's reaction to a snack.
#[utoipa::path(delete, path = "/snacks/{uid}/reaction", tag = REACTIONS, params(("uid" = Uuid, Path)),
    responses((status = 200, body = ReactionResponse)))]
pub async fn cancel_reaction(
    State(reactions): State<Arc<ReactionState>>,
    user: CurrentUser,
    uid: Uid,
) -> Result<Json<ReactionResponse>, ApiError> {
    let snack = uid.get()?;
    apply(&reactions, ReactionCommand { snack, user: user.id, reaction: None }).await
}

async fn apply(reactions: &Arc<ReactionState>, command: ReactionCommand) -> Result<Json<ReactionResponse>, ApiError> {
    let counts = apply_reaction(reactions, command).await?;
    Ok(Json(ReactionResponse {
        snack_uid: command.snack,
        my_reaction: command.reaction,
        like_reaction_count: counts.likes,
        hate_reaction_count: counts.hates,
        like_ratio: counts.ratio(),
    }))
}
