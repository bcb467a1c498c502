//! Endpoints of channels. All are for admins.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::Deserialize;
use sqlx::PgPool;
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError, ValidationErrors};

use super::{
    message, rules, sender,
    state::ChannelState,
    store::{self, CHANNELS as CHANNEL_LIST, Channel, ChannelKind, ChannelUpdate, DELIVERIES, Delivery, NewChannel},
};
use crate::{
    auth::{extract::AdminUser, users},
    error::ApiError,
    http::{
        body::{Json, non_null},
        headers::{Language, language},
        openapi::CHANNELS,
        pagination::{Page, PageQuery, Sorted},
        path::{Id, Parameters},
        query::Query,
    },
    outbox::{DeliveryStatus, EventType},
};

/// Lists the channels, oldest first. There are at most 100.
#[utoipa::path(get, path = "/channels", tag = CHANNELS, params(PageQuery), responses((status = 200, body = Page<Channel>)))]
pub async fn list_channels(
    State(db): State<PgPool>,
    _: AdminUser,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Channel>>, ApiError> {
    store::list(&db, &Sorted::new(CHANNEL_LIST, None, &page)?).await.map(Json)
}

/// Channel to be created.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"kind": "slack", "name": "#snacks", "url": "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXX",
    "events": ["order.created", "budget.reached"]}))]
pub struct ChannelFields {
    #[schema(required, value_type = ChannelKind)]
    #[serde(default, deserialize_with = "non_null")]
    kind: Option<ChannelKind>,
    #[schema(required, min_length = 1, max_length = 100)]
    #[serde(default)]
    name: String,
    /// `https://` URL on the public internet, unless the server is set up to allow others.
    #[schema(required, max_length = 2000)]
    #[serde(default)]
    url: String,
    #[schema(required, value_type = Vec<EventType>, min_items = 1)]
    #[serde(default, deserialize_with = "non_null")]
    events: Option<Vec<EventType>>,
    /// `true` by default.
    #[schema(nullable = false)]
    #[serde(default, deserialize_with = "non_null")]
    enabled: Option<bool>,
    /// Language of the messages for Slack. That of the request by default.
    #[schema(nullable = false)]
    #[serde(default, deserialize_with = "non_null")]
    language: Option<Language>,
}

/// Creates a channel. The response to a webhook has the `secret` that verifies its signatures.
#[utoipa::path(post, path = "/channels", tag = CHANNELS, request_body = ChannelFields, responses((status = 201, body = Channel)))]
pub async fn create_channel(
    State(channels): State<Arc<ChannelState>>,
    AdminUser(admin): AdminUser,
    headers: HeaderMap,
    Json(body): Json<ChannelFields>,
) -> Result<(StatusCode, Json<Channel>), ApiError> {
    let mut errors = ValidationErrors::new();
    let name = checked(&mut errors, "name", rules::name(&body.name));
    let url = checked(&mut errors, "url", channels.checked_url(&body.url).await);
    let events = checked(&mut errors, "events", rules::events(body.events));
    let kind = checked(&mut errors, "kind", body.kind.ok_or_else(|| ValidationError::new("required")));
    let (Some(name), Some(url), Some(events), Some(kind)) = (name, url, events, kind) else {
        return Err(errors.into());
    };
    let secret = if kind == ChannelKind::Webhook { Some(message::new_secret()?) } else { None };
    let enabled = body.enabled.unwrap_or(true);
    let language = body.language.unwrap_or_else(|| language(&headers));
    let channel = NewChannel { kind, name, url, secret, events, enabled, language };
    let created = store::create(&channels.db, &admin.actor(), channel).await?;
    Ok((StatusCode::CREATED, Json(created)))
}

/// Changes to a channel. Absent fields stay as they are.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"enabled": false}))]
pub struct ChannelChange {
    #[schema(nullable = false, min_length = 1, max_length = 100)]
    #[serde(default, deserialize_with = "non_null")]
    name: Option<String>,
    /// `https://` URL on the public internet, unless the server is set up to allow others.
    #[schema(nullable = false, max_length = 2000)]
    #[serde(default, deserialize_with = "non_null")]
    url: Option<String>,
    #[schema(nullable = false, min_items = 1)]
    #[serde(default, deserialize_with = "non_null")]
    events: Option<Vec<EventType>>,
    #[schema(nullable = false)]
    #[serde(default, deserialize_with = "non_null")]
    enabled: Option<bool>,
    #[schema(nullable = false)]
    #[serde(default, deserialize_with = "non_null")]
    language: Option<Language>,
}

/// Changes a channel. The kind and the secret stay.
#[utoipa::path(patch, path = "/channels/{id}", tag = CHANNELS, params(("id" = i64, Path)), request_body = ChannelChange,
    responses((status = 200, body = Channel)))]
pub async fn change_channel(
    State(channels): State<Arc<ChannelState>>,
    AdminUser(admin): AdminUser,
    id: Id,
    Json(body): Json<ChannelChange>,
) -> Result<Json<Channel>, ApiError> {
    let mut errors = ValidationErrors::new();
    let name = body.name.and_then(|text| checked(&mut errors, "name", rules::name(&text)));
    let events = body.events.and_then(|list| checked(&mut errors, "events", rules::events(Some(list))));
    let url = match body.url {
        None => None,
        Some(text) => checked(&mut errors, "url", channels.checked_url(&text).await),
    };
    if !errors.is_empty() {
        return Err(errors.into());
    }
    let update = ChannelUpdate { name, url, events, enabled: body.enabled, language: body.language };
    store::update(&channels.db, &admin.actor(), id.get()?, update).await.map(Json)
}

/// Deletes a channel with its deliveries.
#[utoipa::path(delete, path = "/channels/{id}", tag = CHANNELS, params(("id" = i64, Path)), responses((status = 204)))]
pub async fn delete_channel(
    State(db): State<PgPool>,
    AdminUser(admin): AdminUser,
    id: Id,
) -> Result<StatusCode, ApiError> {
    store::delete(&db, &admin.actor(), id.get()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a test to a channel, also to a disabled one, and waits up to 5 seconds for the receiver. It is not repeated.
#[utoipa::path(post, path = "/channels/{id}/test", tag = CHANNELS, params(("id" = i64, Path)), responses((status = 200, body = Delivery)))]
pub async fn test_channel(
    State(channels): State<Arc<ChannelState>>,
    AdminUser(admin): AdminUser,
    id: Id,
) -> Result<Json<Delivery>, ApiError> {
    let id = id.get()?;
    let target = store::target(&channels.db, id).await?;
    let user = users::get(&channels.db, admin.id).await?;
    sender::send_test(&channels, id, target, &user).await.map(Json)
}

/// Filter of deliveries.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesQuery {
    status: Option<DeliveryStatus>,
}

/// Lists the deliveries of a channel, newest first. They are kept for 30 days.
#[utoipa::path(get, path = "/channels/{id}/deliveries", tag = CHANNELS, params(("id" = i64, Path), DeliveriesQuery, PageQuery),
    responses((status = 200, body = Page<Delivery>)))]
pub async fn list_deliveries(
    State(db): State<PgPool>,
    _: AdminUser,
    id: Id,
    Query(query): Query<DeliveriesQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Delivery>>, ApiError> {
    let sorted = Sorted::new(DELIVERIES, None, &page)?;
    store::list_deliveries(&db, id.get()?, query.status, &sorted).await.map(Json)
}

/// Makes a delivery due now. A finished one gets a further attempt, with the same `webhook-id`.
#[utoipa::path(post, path = "/channels/{id}/deliveries/{delivery}/retry", tag = CHANNELS,
    params(("id" = i64, Path), ("delivery" = i64, Path)), responses((status = 202, body = Delivery)))]
pub async fn retry_delivery(
    State(channels): State<Arc<ChannelState>>,
    _: AdminUser,
    ids: Parameters<i64, i64>,
) -> Result<(StatusCode, Json<Delivery>), ApiError> {
    let (channel, delivery) = ids.get()?;
    let delivery = store::retry(&channels.db, channel, delivery).await?;
    channels.outbox.wake();
    Ok((StatusCode::ACCEPTED, Json(delivery)))
}

/// The value of a field, or none and its error in `errors`.
fn checked<T>(errors: &mut ValidationErrors, field: &'static str, value: Result<T, ValidationError>) -> Option<T> {
    value.map_err(|error| errors.add(field, error)).ok()
}
