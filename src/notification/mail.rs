//! Sending of notifications by mail.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    message::Mailbox,
    transport::smtp::{self, PoolConfig},
};
use secrecy::ExposeSecret;
use sqlx::{PgPool, types::Json};
use tokio::time::timeout;
use url::Url;
use uuid::Uuid;

use super::{letter::Letter, text::text};
use crate::{
    config::{Config, MailConfig, SettingError},
    error::{ApiError, chain},
    http::headers::Language,
    outbox::{
        Details, NotificationKind,
        sender::{Attempt, AttemptResult, LEASE, Outcome, Receivers},
    },
};

/// Maximum number of mails that are sent at once.
const ATTEMPTS: usize = 2;
/// All mails go to the same server, so they count as one receiver.
const SMTP_SERVER: i64 = 0;
/// Time limit of an attempt. Shorter than the lease of a delivery.
const TIMEOUT: Duration = Duration::from_secs(8);
/// Time limit of a connection and of each answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum length of the text of an error, in characters.
const MAX_ERROR: usize = 500;

/// Mails as receivers of deliveries.
pub struct Mails {
    db: PgPool,
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    public_url: Url,
    timezone: Tz,
}

/// Notification that is to be mailed.
#[derive(Debug)]
pub struct Mail {
    email: String,
    /// `true` if its user still wants mails.
    is_wanted: bool,
    language: Language,
    kind: NotificationKind,
    details: Details,
    order: Option<Uuid>,
    actor: Option<String>,
    created_at: DateTime<Utc>,
}

impl Mails {
    /// Connects to nothing.
    ///
    /// # Errors
    /// `SMTP_URL` is invalid, which the settings have checked.
    pub fn new(config: &Config, mail: &MailConfig, db: PgPool) -> Result<Self, SettingError> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(mail.smtp_url.expose_secret())
            .map_err(|_| SettingError::new("SMTP_URL", "is not valid"))?
            .timeout(Some(ANSWER_TIMEOUT))
            .pool_config(PoolConfig::new().max_size(2).idle_timeout(IDLE_TIMEOUT))
            .build();
        let (public_url, timezone) = (config.public_url.clone(), config.timezone);
        Ok(Self { db, transport, from: mail.from.clone(), public_url, timezone })
    }
}

impl Receivers for Mails {
    type Message = Mail;

    async fn take(&self, busy: &HashMap<i64, usize>) -> Result<Vec<Attempt<Mail>>, ApiError> {
        let free = ATTEMPTS.saturating_sub(busy.get(&SMTP_SERVER).copied().unwrap_or_default());
        let rows = sqlx::query!(
            r#"WITH due AS MATERIALIZED (
                SELECT id FROM deliveries
                WHERE channel_id IS NULL AND status = 'pending' AND next_attempt_at <= now()
                ORDER BY next_attempt_at, id LIMIT $1
                FOR UPDATE SKIP LOCKED),
            taken AS (
                UPDATE deliveries SET attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $2)
                FROM due WHERE deliveries.id = due.id
                RETURNING deliveries.id, uid, attempts, notification_id)
            SELECT taken.id AS "id!", taken.uid AS "uid!", taken.attempts AS "attempts!", reader.email,
                reader.is_mailed AND NOT reader.is_deleted AS "is_wanted!", reader.mail_language AS "language: Language",
                notification.kind AS "kind: NotificationKind", notification.details AS "details: Json<Details>",
                notification.created_at, orders.uid AS "order?", actor.name AS "actor?"
            FROM taken JOIN notifications AS notification ON notification.id = taken.notification_id
            JOIN users AS reader ON reader.id = notification.user_id
            LEFT JOIN orders ON orders.id = notification.order_id
            LEFT JOIN users AS actor ON actor.id = notification.actor_id"#,
            i64::try_from(free).unwrap_or_default(),
            LEASE.as_secs_f64()
        )
        .fetch_all(&self.db)
        .await?;
        let attempts = rows.into_iter().map(|row| Attempt {
            delivery: row.id,
            uid: row.uid,
            number: row.attempts,
            receiver: SMTP_SERVER,
            message: Mail {
                email: row.email,
                is_wanted: row.is_wanted,
                language: row.language,
                kind: row.kind,
                details: row.details.0,
                order: row.order,
                actor: row.actor,
                created_at: row.created_at,
            },
        });
        Ok(attempts.collect())
    }

    async fn send(&self, attempt: Attempt<Mail>) -> AttemptResult {
        let Mail { email, is_wanted, language, kind, details, order, actor, created_at } = attempt.message;
        if !is_wanted {
            return result(Outcome::Rejected, "The user no longer wants mails.");
        }
        let letter = Letter {
            uid: attempt.uid,
            created_at,
            text: language.choose(text(kind, actor.as_deref(), &details, self.timezone)),
            language,
            order,
        };
        let message = match letter.message(&self.from, &email, &self.public_url) {
            Ok(message) => message,
            Err(error) => return result(Outcome::Rejected, &chain(&*error).to_string()),
        };
        match timeout(TIMEOUT, self.transport.send(message)).await {
            Ok(Ok(_)) => AttemptResult { outcome: Outcome::Delivered, response_status: None, error: None },
            Ok(Err(error)) => failure(&error),
            Err(_) => result(Outcome::Failed, "The mail server did not answer in time."),
        }
    }
}

/// A permanent refusal, such as an unknown mailbox, is not repeated.
fn failure(error: &smtp::Error) -> AttemptResult {
    let outcome = if error.is_permanent() { Outcome::Rejected } else { Outcome::Failed };
    result(outcome, &chain(error).to_string())
}

fn result(outcome: Outcome, error: &str) -> AttemptResult {
    AttemptResult { outcome, response_status: None, error: Some(error.chars().take(MAX_ERROR).collect()) }
}
