//! Endpoints for profiles, and for the users that admins manage.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use crate::{
    auth::{
        extract::{AdminUser, CurrentUser},
        rules,
        state::AuthState,
        users::{self, Filter, LIST, MemberType, User},
    },
    error::ApiError,
    http::{
        body::{Json, non_null},
        openapi::AUTH,
        pagination::{Page, PageQuery, Sorted, ordering_schema},
        path::Id,
        query::Query,
    },
    outbox::Outbox,
};

/// Returns one's own profile.
#[utoipa::path(get, path = "/auth/users/profile", tag = AUTH, responses((status = 200, body = User)))]
pub async fn get_profile(State(db): State<PgPool>, user: CurrentUser) -> Result<Json<User>, ApiError> {
    users::get(&db, user.id).await.map(Json)
}

/// Changes to a profile.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"name": "김과자"}))]
pub struct ProfileChange {
    #[schema(required, min_length = 1, max_length = 50)]
    #[validate(custom(function = rules::user_name))]
    #[serde(default)]
    name: String,
}

/// Changes one's own profile.
#[utoipa::path(patch, path = "/auth/users/profile", tag = AUTH, request_body = ProfileChange,
    responses((status = 200, body = User)))]
pub async fn change_profile(
    State(db): State<PgPool>,
    user: CurrentUser,
    Json(body): Json<ProfileChange>,
) -> Result<Json<User>, ApiError> {
    users::rename(&db, user.id, &body.name).await.map(Json)
}

fn orderings() -> utoipa::openapi::Object {
    ordering_schema(LIST, "Sort order. A leading `-` reverses it.")
}

/// Filter and sort order of users.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsersQuery {
    /// Part of the name or of the email, ignoring case. The domain may be written as `한국.kr` or as `xn--3e0b707e.kr`.
    search: Option<String>,
    member_type: Option<MemberType>,
    is_deleted: Option<bool>,
    #[param(schema_with = orderings)]
    ordering: Option<String>,
}

/// Lists users, including those who resigned.
#[utoipa::path(get, path = "/auth/users", tag = AUTH, params(UsersQuery, PageQuery),
    responses((status = 200, body = Page<User>)))]
pub async fn list_users(
    State(db): State<PgPool>,
    _: AdminUser,
    Query(query): Query<UsersQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<User>>, ApiError> {
    let sorted = Sorted::new(LIST, query.ordering.as_deref(), &page)?;
    let filter =
        Filter { search: query.search.as_deref(), member_type: query.member_type, is_deleted: query.is_deleted };
    users::list(&db, &filter, &sorted).await.map(Json)
}

/// New role of a user.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"member_type": "admin"}))]
pub struct MemberTypeChange {
    #[schema(required, value_type = MemberType)]
    #[serde(default, deserialize_with = "non_null")]
    #[validate(required(code = "required"))]
    member_type: Option<MemberType>,
}

/// Changes the role of a user, starting with their next request.
#[utoipa::path(method(put, patch), path = "/auth/users/{id}", tag = AUTH, params(("id" = i64, Path, description = "Id of the user.")),
    request_body = MemberTypeChange, responses((status = 200, body = User)))]
pub async fn change_member_type(
    State(auth): State<Arc<AuthState>>,
    State(outbox): State<Arc<Outbox>>,
    AdminUser(admin): AdminUser,
    id: Id,
    Json(body): Json<MemberTypeChange>,
) -> Result<Json<User>, ApiError> {
    let id = id.get()?;
    let member_type = body.member_type.ok_or_else(|| ApiError::invalid("member_type", "required"))?;
    let user = users::change_member_type(&auth.db, Some(&outbox), &admin.actor(), id, member_type).await?;
    auth.user_cache.invalidate(id);
    Ok(Json(user))
}

/// Removes a member who has left the company.
///
/// The account is marked as deleted, and all its tokens become invalid. Orders and reactions stay. A member who has left already stays
/// as they are.
#[utoipa::path(delete, path = "/auth/users/{id}", tag = AUTH, params(("id" = i64, Path, description = "Id of the user.")),
    responses((status = 204)))]
pub async fn remove_user(
    State(auth): State<Arc<AuthState>>,
    AdminUser(admin): AdminUser,
    id: Id,
) -> Result<StatusCode, ApiError> {
    let id = id.get()?;
    users::remove(&auth.db, &admin.actor(), id).await?;
    auth.user_cache.invalidate(id);
    Ok(StatusCode::NO_CONTENT)
}

/// Restores a member who has left.
///
/// They sign in with their former password. Their role is `member`, also if they were an admin.
#[utoipa::path(post, path = "/auth/users/{id}/restore", tag = AUTH, params(("id" = i64, Path, description = "Id of the user.")),
    responses((status = 200, body = User)))]
pub async fn restore_user(
    State(auth): State<Arc<AuthState>>,
    AdminUser(admin): AdminUser,
    id: Id,
) -> Result<Json<User>, ApiError> {
    let id = id.get()?;
    let user = users::restore(&auth.db, &admin.actor(), id).await?;
    auth.user_cache.invalidate(id);
    Ok(Json(user))
}

/// Result of a check that passed.
#[derive(Serialize, ToSchema)]
pub struct Success {
    #[schema(example = "Success")]
    detail: &'static str,
}

const SUCCESS: Json<Success> = Json(Success { detail: "Success" });

/// Checks that the token is valid.
#[utoipa::path(get, path = "/checks/is_authenticated", tag = AUTH, responses((status = 200, body = Success)))]
pub async fn check_authenticated(_: CurrentUser) -> Json<Success> {
    SUCCESS
}

/// Checks that the token belongs to an admin.
#[utoipa::path(get, path = "/checks/is_admin", tag = AUTH, responses((status = 200, body = Success)))]
pub async fn check_admin(_: AdminUser) -> Json<Success> {
    SUCCESS
}
