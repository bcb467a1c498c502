//! Channels and their deliveries in Postgres.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgExecutor, PgPool, Postgres, QueryBuilder, Row, postgres::PgRow};
use url::Url;
use utoipa::ToSchema;
use uuid::Uuid;

use super::masked_url::masked_url;
use crate::{
    audit::{Action, Actor},
    db::{
        errors::OnConstraint,
        locks::{Lock, wait_for_lock},
    },
    error::{ApiError, Code},
    http::{
        headers::Language,
        pagination::{List, Ordering, Page, Sorted, push_filter},
    },
    outbox::{
        DeliveryStatus, EventType,
        sender::{AttemptResult, LEASE},
    },
};

/// Maximum number of channels. Every server looks for due deliveries of each.
pub const MAX_CHANNELS: i64 = 100;
/// Event of a delivery that an admin sends to try a channel out.
pub const TEST: &str = "test";

/// Kind of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "channel_kind", rename_all = "lowercase")]
pub enum ChannelKind {
    /// Incoming webhook of Slack. It gets messages for people.
    Slack,
    /// Signed JSON, as [Standard Webhooks](https://www.standardwebhooks.com) has it.
    Webhook,
}

/// Channel that gets events.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Channel {
    pub id: i64,
    pub kind: ChannelKind,
    #[schema(example = "#snacks")]
    pub name: String,
    /// Scheme, host and the last 4 characters. The rest is masked.
    #[schema(example = "https://hooks.slack.com/…x9Qz")]
    pub url: String,
    pub events: Vec<EventType>,
    /// `false` if nothing is sent. The server sets it when the receiver responds with a 410.
    pub enabled: bool,
    /// Language of the messages for Slack.
    pub language: Language,
    pub created_at: DateTime<Utc>,
    /// Key of the signatures of a webhook. Sent only when the channel is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    pub secret: Option<String>,
}

const CHANNEL: &str = "SELECT id, kind, name, url, events, is_enabled, language, created_at";

impl<'r> FromRow<'r, PgRow> for Channel {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        let events: Vec<String> = row.try_get("events")?;
        let url: String = row.try_get("url")?;
        Ok(Self {
            id: row.try_get("id")?,
            kind: row.try_get("kind")?,
            name: row.try_get("name")?,
            url: Url::parse(&url).map(|url| masked_url(&url)).unwrap_or_default(),
            events: EventType::ALL.into_iter().filter(|event| events.iter().any(|is| is == event.as_str())).collect(),
            enabled: row.try_get("is_enabled")?,
            language: row.try_get("language")?,
            created_at: row.try_get("created_at")?,
            secret: None,
        })
    }
}

pub const CHANNELS: &List = &List {
    name: "channels",
    orderings: &[Ordering { name: "created_at", keys: &[("created_at", "timestamptz"), ("id", "bigint")] }],
    default: "created_at",
};

pub async fn list(db: &PgPool, sorted: &Sorted) -> Result<Page<Channel>, ApiError> {
    let mut sql = QueryBuilder::<Postgres>::new(CHANNEL);
    sorted.push_key(&mut sql);
    sql.push(" FROM channels");
    sorted.push_after(&mut sql, "WHERE");
    sorted.push_order(&mut sql);
    Ok(sorted.page(sql.build_query_as().fetch_all(db).await?))
}

async fn get(db: impl PgExecutor<'_>, id: i64) -> Result<Channel, ApiError> {
    let mut sql = QueryBuilder::<Postgres>::new(CHANNEL);
    sql.push(" FROM channels WHERE id = ").push_bind(id);
    sql.build_query_as().fetch_optional(db).await?.ok_or_else(|| Code::NotFound.into())
}

/// Channel to be created.
#[derive(Debug)]
pub struct NewChannel {
    pub kind: ChannelKind,
    pub name: String,
    pub url: String,
    /// Key of the signatures, for a webhook.
    pub secret: Option<String>,
    pub events: Vec<EventType>,
    pub enabled: bool,
    pub language: Language,
}

/// # Errors
/// `too_many_channels`.
pub async fn create(db: &PgPool, actor: &Actor, channel: NewChannel) -> Result<Channel, ApiError> {
    let mut tx = db.begin().await?;
    wait_for_lock(&mut tx, Lock::Channels).await?;
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM channels"#).fetch_one(&mut *tx).await?;
    if count >= MAX_CHANNELS {
        return Err(Code::TooManyChannels.into());
    }
    let id = sqlx::query_scalar!(
        "INSERT INTO channels (kind, name, url, secret, events, language, is_enabled) VALUES ($1, $2, $3, $4, $5, $6, $7)
         RETURNING id",
        channel.kind as ChannelKind,
        channel.name,
        channel.url,
        channel.secret,
        &names(&channel.events),
        channel.language as Language,
        channel.enabled
    )
    .fetch_one(&mut *tx)
    .await?;
    actor.log_success(&mut *tx, Action::ChannelCreate, &subject(id, &channel.name)).await?;
    let created = get(&mut *tx, id).await?;
    tx.commit().await?;
    Ok(Channel { secret: channel.secret, ..created })
}

/// Fields of a channel that are changed. The others stay.
#[derive(Debug, Default)]
pub struct ChannelUpdate {
    pub name: Option<String>,
    pub url: Option<String>,
    pub events: Option<Vec<EventType>>,
    pub enabled: Option<bool>,
    pub language: Option<Language>,
}

/// # Errors
/// `not_found`.
pub async fn update(db: &PgPool, actor: &Actor, id: i64, update: ChannelUpdate) -> Result<Channel, ApiError> {
    let events = update.events.as_deref().map(names);
    let mut tx = db.begin().await?;
    let name = sqlx::query_scalar!(
        "UPDATE channels SET name = coalesce($2, name), url = coalesce($3, url), events = coalesce($4, events),
             is_enabled = coalesce($5, is_enabled), language = coalesce($6, language)
         WHERE id = $1 RETURNING name",
        id,
        update.name,
        update.url,
        events.as_deref(),
        update.enabled,
        update.language as Option<Language>
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(Code::NotFound)?;
    actor.log_success(&mut *tx, Action::ChannelChange, &subject(id, &name)).await?;
    let updated = get(&mut *tx, id).await?;
    tx.commit().await?;
    Ok(updated)
}

/// Deletes a channel with its deliveries.
///
/// # Errors
/// `not_found`.
pub async fn delete(db: &PgPool, actor: &Actor, id: i64) -> Result<(), ApiError> {
    let mut tx = db.begin().await?;
    let name = sqlx::query_scalar!("DELETE FROM channels WHERE id = $1 RETURNING name", id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Code::NotFound)?;
    actor.log_success(&mut *tx, Action::ChannelDelete, &subject(id, &name)).await?;
    tx.commit().await?;
    Ok(())
}

/// Disables a channel whose receiver is gone, unless it is disabled or got another URL meanwhile. Returns whether this call did.
pub async fn disable(db: &PgPool, id: i64, url: &str) -> Result<bool, ApiError> {
    let mut tx = db.begin().await?;
    let name = sqlx::query_scalar!(
        "UPDATE channels SET is_enabled = false WHERE id = $1 AND url = $2 AND is_enabled RETURNING name",
        id,
        url
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(name) = &name {
        Actor::server().log_success(&mut *tx, Action::ChannelChange, &subject(id, name)).await?;
    }
    tx.commit().await?;
    Ok(name.is_some())
}

fn names(events: &[EventType]) -> Vec<String> {
    events.iter().map(|event| event.as_str().to_owned()).collect()
}

/// Subject of a channel in the audit log.
fn subject(id: i64, name: &str) -> String {
    format!("{id} {name}")
}

/// URL, secret and language of a channel.
#[derive(Clone, Debug)]
pub struct Target {
    pub kind: ChannelKind,
    pub url: String,
    pub secret: Option<String>,
    pub language: Language,
}

/// # Errors
/// `not_found`.
pub async fn target(db: &PgPool, id: i64) -> Result<Target, ApiError> {
    sqlx::query_as!(
        Target,
        r#"SELECT kind AS "kind: ChannelKind", url, secret, language AS "language: Language" FROM channels WHERE id = $1"#,
        id
    )
    .fetch_optional(db)
    .await?
    .ok_or_else(|| Code::NotFound.into())
}

/// Delivery of an event to a channel.
#[derive(Clone, Debug, Serialize, ToSchema, FromRow)]
pub struct Delivery {
    pub id: i64,
    /// An event, or `test`.
    #[schema(example = "order.created")]
    pub event: String,
    pub status: DeliveryStatus,
    /// Number of attempts, including one that is under way.
    pub attempts: i32,
    /// HTTP status of the last response. `null` if there was none.
    #[schema(required)]
    pub response_status: Option<i32>,
    /// Why the last attempt failed.
    #[schema(required, example = "The receiver responded with 500 Internal Server Error.")]
    pub error: Option<String>,
    /// Time of the next attempt. `null` if none follows.
    #[schema(required)]
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

const DELIVERY: &str = "SELECT id, event, status, attempts, response_status, error, next_attempt_at, created_at";

pub const DELIVERIES: &List = &List {
    name: "deliveries",
    orderings: &[Ordering { name: "created_at", keys: &[("created_at", "timestamptz"), ("id", "bigint")] }],
    default: "-created_at",
};

/// Page of the deliveries of a channel.
///
/// # Errors
/// `not_found` if there is no such channel.
pub async fn list_deliveries(
    db: &PgPool,
    channel: i64,
    status: Option<DeliveryStatus>,
    sorted: &Sorted,
) -> Result<Page<Delivery>, ApiError> {
    target(db, channel).await?;
    let mut sql = QueryBuilder::<Postgres>::new(DELIVERY);
    sorted.push_key(&mut sql);
    sql.push(" FROM deliveries WHERE channel_id = ").push_bind(channel);
    push_filter(&mut sql, " AND status = ", status);
    sorted.push_after(&mut sql, "AND");
    sorted.push_order(&mut sql);
    Ok(sorted.page(sql.build_query_as().fetch_all(db).await?))
}

/// Writes a delivery of a test that has ended.
///
/// # Errors
/// `not_found` if the channel was deleted meanwhile.
pub async fn add_test(
    db: &PgPool,
    channel: i64,
    uid: Uuid,
    payload: &str,
    result: &AttemptResult,
) -> Result<Delivery, ApiError> {
    let status = if result.is_delivered() { DeliveryStatus::Delivered } else { DeliveryStatus::Failed };
    sqlx::query_as!(
        Delivery,
        r#"INSERT INTO deliveries
             (channel_id, uid, event, payload, status, attempts, next_attempt_at, response_status, error, finished_at)
           VALUES ($1, $2, $3, $4::text::json, $5, 1, NULL, $6, $7, now())
           RETURNING id, event, status AS "status: DeliveryStatus", attempts, response_status, error, next_attempt_at, created_at"#,
        channel,
        uid,
        TEST,
        payload,
        status as DeliveryStatus,
        result.response_status,
        result.error
    )
    .fetch_one(db)
    .await
    .on_constraint("deliveries_channel_fkey", Code::NotFound)
}

/// Makes a delivery due now, a finished one for a further attempt. One that is due shortly stays as it is, because an attempt may be
/// under way.
///
/// # Errors
/// `not_found`.
pub async fn retry(db: &PgPool, channel: i64, delivery: i64) -> Result<Delivery, ApiError> {
    sqlx::query_as!(
        Delivery,
        r#"UPDATE deliveries SET status = 'pending', finished_at = NULL,
             next_attempt_at = CASE WHEN next_attempt_at <= now() + make_interval(secs => $3) THEN next_attempt_at ELSE now() END
           WHERE id = $2 AND channel_id = $1
           RETURNING id, event, status AS "status: DeliveryStatus", attempts, response_status, error, next_attempt_at, created_at"#,
        channel,
        delivery,
        LEASE.as_secs_f64()
    )
    .fetch_optional(db)
    .await?
    .ok_or_else(|| Code::NotFound.into())
}
