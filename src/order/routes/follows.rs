//! Endpoints to follow an order.

use axum::{extract::State, http::StatusCode};
use sqlx::PgPool;

use super::super::follow;
use crate::{
    auth::extract::CurrentUser,
    error::ApiError,
    http::{openapi::ORDERS, path::Uid},
};

/// Follows an order: "I want this too". Followers are told what the owner is told.
#[utoipa::path(put, path = "/orders/{uid}/follow", tag = ORDERS, params(("uid" = Uuid, Path)), responses((status = 204)))]
pub async fn follow_order(State(db): State<PgPool>, user: CurrentUser, uid: Uid) -> Result<StatusCode, ApiError> {
    follow::follow(&db, user.id, uid.get()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stops following an order.
#[utoipa::path(delete, path = "/orders/{uid}/follow", tag = ORDERS, params(("uid" = Uuid, Path)), responses((status = 204)))]
pub async fn unfollow_order(State(db): State<PgPool>, user: CurrentUser, uid: Uid) -> Result<StatusCode, ApiError> {
    follow::unfollow(&db, user.id, uid.get()?).await?;
    Ok(StatusCode::NO_CONTENT)
}
