//! Endpoints for invitations.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    auth::{
        extract::AdminUser,
        invitations::{self, Invitation, LIST, NewInvitation},
        rules,
        state::AuthState,
        users::MemberType,
    },
    error::ApiError,
    http::{
        body::{Json, non_null},
        headers::language,
        openapi::AUTH,
        pagination::{Page, PageQuery, Sorted},
        path::Id,
        query::Query,
    },
};

/// Person to be invited.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"email": "kim@example.com", "member_type": "member"}))]
pub struct InvitationFields {
    /// May have any domain.
    #[schema(required, format = Email, max_length = 254)]
    #[validate(custom(function = rules::email))]
    #[serde(default)]
    email: String,
    /// Role that the person gets.
    #[schema(required, value_type = MemberType)]
    #[serde(default, deserialize_with = "non_null")]
    #[validate(required(code = "required"))]
    member_type: Option<MemberType>,
}

/// Invites a person to sign up.
///
/// The invitation is good for 7 days, once, and takes the place of an earlier one for the same email. If mail is set up, it is mailed in
/// the language of the request. The `url` is only in this response.
#[utoipa::path(post, path = "/auth/invitations", tag = AUTH, request_body = InvitationFields,
    responses((status = 201, body = Invitation)))]
pub async fn create_invitation(
    State(auth): State<Arc<AuthState>>,
    AdminUser(admin): AdminUser,
    headers: HeaderMap,
    Json(body): Json<InvitationFields>,
) -> Result<(StatusCode, Json<Invitation>), ApiError> {
    let member_type = body.member_type.ok_or_else(|| ApiError::invalid("member_type", "required"))?;
    let new = NewInvitation { email: &body.email, member_type, language: language(&headers) };
    let created = invitations::create(&auth.db, &auth.outbox, &auth.links, &admin.actor(), &new).await?;
    Ok((StatusCode::CREATED, Json(created)))
}

/// Lists open invitations, newest first.
#[utoipa::path(get, path = "/auth/invitations", tag = AUTH, params(PageQuery),
    responses((status = 200, body = Page<Invitation>)))]
pub async fn list_invitations(
    State(auth): State<Arc<AuthState>>,
    _: AdminUser,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Invitation>>, ApiError> {
    let sorted = Sorted::new(LIST, None, &page)?;
    invitations::list(&auth.db, &sorted).await.map(Json)
}

/// Withdraws an invitation. Its links no longer work.
#[utoipa::path(delete, path = "/auth/invitations/{id}", tag = AUTH,
    params(("id" = i64, Path, description = "Id of the invitation.")), responses((status = 204)))]
pub async fn delete_invitation(
    State(auth): State<Arc<AuthState>>,
    AdminUser(admin): AdminUser,
    id: Id,
) -> Result<StatusCode, ApiError> {
    invitations::delete(&auth.db, &admin.actor(), id.get()?).await?;
    Ok(StatusCode::NO_CONTENT)
}
