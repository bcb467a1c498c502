//! Endpoints of notifications.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::{
    store::{self, LIST, Mailed, StoredNotification},
    text::text,
};
use crate::{
    auth::extract::CurrentUser,
    domain::user_summary::UserSummary,
    error::ApiError,
    http::{
        body::{Json, non_null},
        headers::{Language, language},
        openapi::NOTIFICATIONS,
        pagination::{Page, PageQuery, Sorted},
        query::Query,
    },
    order::status::OrderStatus,
    outbox::{NotificationKind, Outbox},
};

/// Maximum number of ids in a request.
const MAX_IDS: u64 = 1000;

/// Order of a notification.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotificationOrder {
    uid: Uuid,
    /// Status at the time of the request.
    status: OrderStatus,
}

/// Notification of a user.
#[derive(Debug, Serialize, ToSchema)]
pub struct Notification {
    id: i64,
    kind: NotificationKind,
    /// In the language of the request.
    #[schema(example = "주문이 승인되었습니다: 새우깡 외 2가지")]
    text: String,
    #[schema(required)]
    order: Option<NotificationOrder>,
    /// User who did it. `null` if it was nobody.
    #[schema(required)]
    actor: Option<UserSummary>,
    created_at: DateTime<Utc>,
    /// `null` while unread.
    #[schema(required)]
    read_at: Option<DateTime<Utc>>,
}

impl Notification {
    fn new(stored: StoredNotification, language: Language, timezone: Tz) -> Self {
        let text = text(stored.kind, stored.actor_name.as_deref(), &stored.details, timezone);
        let order = stored.order_uid.zip(stored.order_status);
        let actor = stored.actor_id.zip(stored.actor_name);
        Self {
            id: stored.id,
            kind: stored.kind,
            text: language.choose(text),
            order: order.map(|(uid, status)| NotificationOrder { uid, status }),
            actor: actor.map(|(id, name)| UserSummary { id, name }),
            created_at: stored.created_at,
            read_at: stored.read_at,
        }
    }
}

/// Filter of notifications.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NotificationsQuery {
    /// `true` for unread ones, `false` for read ones.
    unread: Option<bool>,
}

/// Lists one's own notifications, newest first.
#[utoipa::path(get, path = "/notifications", tag = NOTIFICATIONS, params(NotificationsQuery, PageQuery),
    responses((status = 200, body = Page<Notification>)))]
pub async fn list_notifications(
    State(db): State<PgPool>,
    State(timezone): State<Tz>,
    user: CurrentUser,
    headers: HeaderMap,
    Query(query): Query<NotificationsQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Notification>>, ApiError> {
    let sorted = Sorted::new(LIST, None, &page)?;
    let Page { results, next_cursor } = store::list(&db, user.id, query.unread, &sorted).await?;
    let language = language(&headers);
    let results = results.into_iter().map(|stored| Notification::new(stored, language, timezone)).collect();
    Ok(Json(Page { results, next_cursor }))
}

/// Number of unread notifications.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnreadCount {
    count: i64,
}

/// Counts one's own unread notifications.
#[utoipa::path(get, path = "/notifications/unread-count", tag = NOTIFICATIONS, responses((status = 200, body = UnreadCount)))]
pub async fn count_unread_notifications(
    State(db): State<PgPool>,
    user: CurrentUser,
) -> Result<Json<UnreadCount>, ApiError> {
    Ok(Json(UnreadCount { count: store::unread_count(&db, user.id).await? }))
}

/// Notifications that were read: `ids` or `all`.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"all": true}))]
pub struct ReadNotifications {
    /// Others' and unknown ids are passed over.
    #[schema(required = false, value_type = Vec<i64>, max_items = 1000)]
    #[serde(default, deserialize_with = "non_null")]
    #[validate(length(max = "MAX_IDS", code = "too_many_ids"))]
    ids: Option<Vec<i64>>,
    /// `true` for all.
    #[serde(default)]
    #[schema(required = false)]
    all: bool,
}

/// Marks notifications as read.
#[utoipa::path(put, path = "/notifications/read", tag = NOTIFICATIONS, request_body = ReadNotifications, responses((status = 204)))]
pub async fn read_notifications(
    State(db): State<PgPool>,
    State(outbox): State<Arc<Outbox>>,
    user: CurrentUser,
    Json(body): Json<ReadNotifications>,
) -> Result<StatusCode, ApiError> {
    if body.ids.is_none() && !body.all {
        return Err(ApiError::invalid("ids", "required"));
    }
    store::read(&db, user.id, body.ids.as_deref().filter(|_| !body.all)).await?;
    // The other pages of the user.
    outbox.changes.notifications([user.id]);
    Ok(StatusCode::NO_CONTENT)
}

/// Preferences of a user.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotificationPreferences {
    /// Which notifications are mailed, if mail is set up.
    email: Mailed,
}

/// Returns one's own preferences.
#[utoipa::path(get, path = "/notifications/preferences", tag = NOTIFICATIONS, responses((status = 200, body = NotificationPreferences)))]
pub async fn get_notification_preferences(
    State(db): State<PgPool>,
    user: CurrentUser,
) -> Result<Json<NotificationPreferences>, ApiError> {
    Ok(Json(NotificationPreferences { email: store::mailed(&db, user.id).await? }))
}

/// New preferences of a user.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"email": "all"}))]
pub struct NotificationPreferencesChange {
    #[schema(required, value_type = Mailed)]
    #[serde(default, deserialize_with = "non_null")]
    #[validate(required(code = "required"))]
    email: Option<Mailed>,
}

/// Changes one's own preferences. Mails are written in the language of this request.
#[utoipa::path(put, path = "/notifications/preferences", tag = NOTIFICATIONS, request_body = NotificationPreferencesChange,
    responses((status = 200, body = NotificationPreferences)))]
pub async fn change_notification_preferences(
    State(db): State<PgPool>,
    user: CurrentUser,
    headers: HeaderMap,
    Json(body): Json<NotificationPreferencesChange>,
) -> Result<Json<NotificationPreferences>, ApiError> {
    let email = body.email.ok_or_else(|| ApiError::invalid("email", "required"))?;
    store::set_mailed(&db, user.id, email, language(&headers)).await?;
    Ok(Json(NotificationPreferences { email }))
}
