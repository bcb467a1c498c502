//! Users: one's own profile, and what admins see and change of others.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use crate::auth::{
    extract::{Admin, Member},
    users::{self, Filter, MemberType, ORDERINGS, User},
};
use crate::{
    app::state::AppState,
    error::ApiError,
    http::{Id, Json, Page, PageQuery, Query, Sorted, openapi::AUTH, ordering_schema, rules},
};

/// One's own profile.
#[utoipa::path(get, path = "/auth/users/profile", tag = AUTH, responses((status = 200, body = User)))]
pub async fn get_profile(State(state): State<AppState>, member: Member) -> Result<Json<User>, ApiError> {
    users::get(&state.db, member.id).await.map(Json)
}

/// What of a profile can be changed.
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
    State(state): State<AppState>,
    member: Member,
    Json(body): Json<ProfileChange>,
) -> Result<Json<User>, ApiError> {
    users::rename(&state.db, member.id, &body.name).await.map(Json)
}

/// How the list is sorted unless told otherwise.
const DEFAULT_ORDERING: &str = "date_joined";

fn orderings() -> utoipa::openapi::Object {
    ordering_schema(ORDERINGS, DEFAULT_ORDERING, "How to sort; `-` in front reverses.")
}

/// Which users, and in which order.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsersQuery {
    /// A part of the name, or of the email with its domain as it is read (`한국.kr`) or stored (`xn--3e0b707e.kr`), whatever its
    /// case.
    search: Option<String>,
    member_type: Option<MemberType>,
    is_deleted: Option<bool>,
    #[param(schema_with = orderings)]
    ordering: Option<String>,
}

/// Users, those who resigned too unless filtered.
#[utoipa::path(get, path = "/auth/users", tag = AUTH, params(UsersQuery, PageQuery),
    responses((status = 200, body = Page<User>)))]
pub async fn list_users(
    State(state): State<AppState>,
    _: Admin,
    Query(query): Query<UsersQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<User>>, ApiError> {
    let sorted = Sorted::new(ORDERINGS, DEFAULT_ORDERING, query.ordering.as_deref(), &page)?;
    let filter =
        Filter { search: query.search.as_deref(), member_type: query.member_type, is_deleted: query.is_deleted };
    users::list(&state.db, &filter, &sorted).await.map(Json)
}

/// What an admin can change of a user.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"member_type": "admin"}))]
pub struct MemberTypeChange {
    #[schema(required, value_type = MemberType)]
    #[serde(default, deserialize_with = "crate::http::body::present")]
    #[validate(required(code = "required"))]
    member_type: Option<MemberType>,
}

/// Makes a user a member or an admin, with their next request.
#[utoipa::path(method(put, patch), path = "/auth/users/{id}", tag = AUTH, params(("id" = i64, Path, description = "The user's id.")),
    request_body = MemberTypeChange, responses((status = 200, body = User)))]
pub async fn change_member_type(
    State(state): State<AppState>,
    Admin(admin): Admin,
    id: Id,
    Json(body): Json<MemberTypeChange>,
) -> Result<Json<User>, ApiError> {
    let id = id.get()?;
    let member_type = body.member_type.ok_or_else(|| ApiError::invalid("member_type", "required"))?;
    let user = users::change_member_type(&state.db, &admin.actor(), id, member_type).await?;
    state.standings.forget(id);
    Ok(Json(user))
}

/// That a check was passed.
#[derive(Serialize, ToSchema)]
pub struct Success {
    #[schema(example = "Success")]
    detail: &'static str,
}

const SUCCESS: Json<Success> = Json(Success { detail: "Success" });

/// Whether the token is good.
#[utoipa::path(get, path = "/checks/is_authenticated", tag = AUTH, responses((status = 200, body = Success)))]
pub async fn check_authenticated(_: Member) -> Json<Success> {
    SUCCESS
}

/// Whether the token is an admin's.
#[utoipa::path(get, path = "/checks/is_admin", tag = AUTH, responses((status = 200, body = Success)))]
pub async fn check_admin(_: Admin) -> Json<Success> {
    SUCCESS
}
