//! Sending to channels.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{SecondsFormat, Utc};
use reqwest::header::HeaderMap;
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    client::failure,
    message, slack,
    state::ChannelState,
    store::{self, ChannelKind, Delivery, TEST, Target},
};
use crate::{
    auth::users::User,
    error::{ApiError, chain},
    http::headers::Language,
    outbox::sender::{Attempt, AttemptResult, LEASE, Outcome, Receivers},
};

/// Maximum number of attempts that are under way for one channel on one server. Each channel has its own, so that a slow one does not
/// delay another.
const ATTEMPTS: i64 = 4;
/// Time limit of disabling a channel, because an attempt must end before its lease.
const DISABLE_TIMEOUT: Duration = Duration::from_secs(3);
/// Status of a receiver that wants no more messages.
const GONE: i32 = 410;

/// The channels as receivers of deliveries.
pub struct Channels(pub Arc<ChannelState>);

/// Message to a channel.
#[derive(Debug)]
pub struct ChannelMessage {
    channel: i64,
    target: Target,
    is_enabled: bool,
    /// JSON of the event.
    payload: String,
}

impl Receivers for Channels {
    const KIND: &'static str = "channel";

    type Message = ChannelMessage;

    async fn take(&self, busy: &HashMap<i64, usize>) -> Result<Vec<Attempt<ChannelMessage>>, ApiError> {
        let (ids, counts): (Vec<i64>, Vec<i64>) =
            busy.iter().map(|(id, count)| (*id, i64::try_from(*count).unwrap_or(ATTEMPTS))).unzip();
        // A delivery of a disabled channel is taken so that it ends, without an attempt.
        let rows = sqlx::query!(
            r#"WITH due AS MATERIALIZED (
                SELECT due.id FROM channels
                LEFT JOIN unnest($1::bigint[], $2::bigint[]) AS busy (channel_id, attempts) ON busy.channel_id = channels.id
                CROSS JOIN LATERAL (
                    SELECT id FROM deliveries
                    WHERE channel_id = channels.id AND status = 'pending' AND next_attempt_at <= now()
                    ORDER BY next_attempt_at, id LIMIT greatest($3 - coalesce(busy.attempts, 0), 0)
                    FOR UPDATE SKIP LOCKED) AS due)
            UPDATE deliveries SET attempts = deliveries.attempts + channels.is_enabled::integer,
                next_attempt_at = now() + make_interval(secs => $4)
            FROM due, channels WHERE deliveries.id = due.id AND channels.id = deliveries.channel_id
            RETURNING deliveries.id, deliveries.uid, deliveries.attempts, deliveries.payload::text AS "payload!",
                channels.id AS channel, channels.is_enabled, channels.kind AS "kind: ChannelKind", channels.url, channels.secret,
                channels.language AS "language: Language""#,
            &ids,
            &counts,
            ATTEMPTS,
            LEASE.as_secs_f64()
        )
        .fetch_all(&self.0.db)
        .await?;
        let attempts = rows.into_iter().map(|row| Attempt {
            delivery: row.id,
            uid: row.uid,
            number: row.attempts,
            receiver: row.channel,
            message: ChannelMessage {
                channel: row.channel,
                target: Target { kind: row.kind, url: row.url, secret: row.secret, language: row.language },
                is_enabled: row.is_enabled,
                payload: row.payload,
            },
        });
        Ok(attempts.collect())
    }

    async fn send(&self, attempt: Attempt<ChannelMessage>) -> AttemptResult {
        let ChannelMessage { channel, target, is_enabled, payload } = attempt.message;
        if !is_enabled {
            return AttemptResult { outcome: Outcome::Rejected, ..failure("The channel is disabled.") };
        }
        let mut result = send(&self.0, &target, attempt.uid, payload).await;
        if result.response_status == Some(GONE) {
            match timeout(DISABLE_TIMEOUT, store::disable(&self.0.db, channel, &target.url)).await {
                Ok(Ok(true)) => {
                    tracing::info!(channel, "channel disabled, its receiver is gone");
                    result.outcome = Outcome::Rejected;
                    result.error = Some("The receiver responded with 410 Gone. The channel was disabled.".to_owned());
                }
                // The next attempt finds the channel disabled, or another URL.
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(channel, error = %chain(&error), "channel not disabled"),
                Err(_) => tracing::warn!(channel, "channel not disabled in time"),
            }
        }
        result
    }
}

/// Sends `payload`, the JSON of an event, once.
async fn send(channels: &ChannelState, target: &Target, uid: Uuid, payload: String) -> AttemptResult {
    let prepared = match (target.kind, &target.secret) {
        (ChannelKind::Webhook, Some(secret)) => {
            message::signed_headers(secret, uid, Utc::now(), &payload).map(|headers| (headers, payload))
        }
        _ => slack::message(&payload, target.language, &channels.public_url, channels.timezone)
            .map(|body| (HeaderMap::new(), body)),
    };
    match prepared {
        Ok((headers, body)) => channels.client.post(&target.url, headers, body).await,
        Err(error) => {
            tracing::error!(error = %chain(&error), "message not made");
            failure("The message could not be made.")
        }
    }
}

/// Sends a test once and stores how it ended.
pub async fn send_test(channels: &ChannelState, id: i64, target: Target, admin: &User) -> Result<Delivery, ApiError> {
    let uid = Uuid::new_v4();
    let timestamp = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
    let actor = json!({"id": admin.id, "name": admin.name});
    let payload = json!({"type": TEST, "timestamp": timestamp, "data": {"actor": actor}}).to_string();
    let result = send(channels, &target, uid, payload.clone()).await;
    store::add_test(&channels.db, id, uid, &payload, &result).await
}
