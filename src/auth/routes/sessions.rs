//! Endpoints for one's own sessions.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};

use crate::{
    auth::{
        extract::CurrentUser,
        sessions::{self, LIST, LiveSession},
        state::AuthState,
    },
    error::ApiError,
    http::{
        body::Json,
        openapi::AUTH,
        pagination::{Page, PageQuery, Sorted},
        path::Uid,
        query::Query,
    },
};

/// Lists one's own sessions, newest first.
///
/// A sign-in starts a session. It ends when it is signed out, when its refresh token expires, and when the password changes.
#[utoipa::path(get, path = "/auth/sessions", tag = AUTH, params(PageQuery),
    responses((status = 200, body = Page<LiveSession>)))]
pub async fn list_sessions(
    State(auth): State<Arc<AuthState>>,
    user: CurrentUser,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<LiveSession>>, ApiError> {
    let sorted = Sorted::new(LIST, None, &page)?;
    sessions::list(&auth.db, user.id, user.session_id, &sorted).await.map(Json)
}

/// Ends one of one's own sessions.
///
/// Its refresh token becomes invalid. Its access tokens stay valid until they expire.
#[utoipa::path(delete, path = "/auth/sessions/{id}", tag = AUTH,
    params(("id" = Uuid, Path, description = "Id of the session.")), responses((status = 204)))]
pub async fn end_session(
    State(auth): State<Arc<AuthState>>,
    user: CurrentUser,
    id: Uid,
) -> Result<StatusCode, ApiError> {
    sessions::end_own(&auth.db, &user.actor(), user.id, id.get()?).await?;
    Ok(StatusCode::NO_CONTENT)
}
