//! Sending of mails: notifications, and mails with links.

use std::{collections::HashMap, time::Duration};

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

use super::{
    account_mail::AccountMails,
    letter::{Footer, Letter, Link, NoLetter, page},
    text::text,
};
use crate::{
    config::{Config, MailConfig, SettingError},
    error::{ApiError, Text, chain},
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
    accounts: AccountMails,
}

/// Id of what is to be mailed. It is read when it is sent.
#[derive(Clone, Copy, Debug)]
pub enum Mail {
    Notification(i64),
    Account(i64),
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
        let accounts = AccountMails::new(db.clone(), &public_url, timezone);
        Ok(Self { db, transport, from: mail.from.clone(), public_url, timezone, accounts })
    }

    async fn notification(&self, uid: Uuid, id: i64) -> Result<Letter, NoLetter> {
        let row = sqlx::query!(
            r#"SELECT reader.email, reader.is_mailed AND NOT reader.is_deleted AS "is_wanted!",
                reader.mail_language AS "language: Language", notification.kind AS "kind: NotificationKind",
                notification.details AS "details: Json<Details>", notification.created_at, orders.uid AS "order?",
                actor.name AS "actor?"
            FROM notifications AS notification
            JOIN users AS reader ON reader.id = notification.user_id
            LEFT JOIN orders ON orders.id = notification.order_id
            LEFT JOIN users AS actor ON actor.id = notification.actor_id
            WHERE notification.id = $1"#,
            id
        )
        .fetch_optional(&self.db)
        .await?
        .filter(|row| row.is_wanted)
        .ok_or(NoLetter::Unwanted("The user no longer wants mails."))?;
        let choose = |ko, en| row.language.choose(Text::new(ko, en));
        let text = row.language.choose(text(row.kind, row.actor.as_deref(), &row.details, self.timezone));
        let (link_text, url) = match row.order {
            Some(order) => (choose("주문 보기", "Show the order"), page(&self.public_url, &format!("orders/{order}"))),
            None => (choose("간식 주문 열기", "Open Snack Server"), page(&self.public_url, "")),
        };
        Ok(Letter {
            uid,
            created_at: row.created_at,
            to: row.email,
            language: row.language,
            subject: text.clone(),
            text,
            link: Link { text: link_text, url, token: None },
            footer: Footer {
                text: choose("메일 알림 설정", "Mail preferences"),
                url: Some(page(&self.public_url, "profile")),
            },
        })
    }

    async fn deliver(&self, uid: Uuid, mail: Mail) -> AttemptResult {
        let letter = match mail {
            Mail::Notification(id) => self.notification(uid, id).await,
            Mail::Account(id) => self.accounts.letter(uid, id).await,
        };
        let letter = match letter {
            Ok(letter) => letter,
            Err(NoLetter::Unwanted(why)) => return result(Outcome::Rejected, why),
            Err(NoLetter::Failed(error)) => return result(Outcome::Failed, &chain(&error).to_string()),
        };
        let message = match letter.message(&self.from) {
            Ok(message) => message,
            Err(error) => return result(Outcome::Rejected, &chain(&*error).to_string()),
        };
        match self.transport.send(message).await {
            Ok(_) => AttemptResult { outcome: Outcome::Delivered, response_status: None, error: None },
            Err(error) => {
                let result = failure(&error, letter.link.token.as_deref());
                if letter.link.token.is_some() {
                    // Nobody sees these deliveries, and they are not counted.
                    tracing::warn!(%uid, error = result.error, "mail with a link not sent");
                }
                result
            }
        }
    }
}

impl Receivers for Mails {
    const KIND: &'static str = "mail";

    type Message = Mail;

    async fn take(&self, busy: &HashMap<i64, usize>) -> Result<Vec<Attempt<Mail>>, ApiError> {
        let free = ATTEMPTS.saturating_sub(busy.get(&SMTP_SERVER).copied().unwrap_or_default());
        let rows = sqlx::query!(
            "WITH due AS MATERIALIZED (
                SELECT id FROM deliveries
                WHERE channel_id IS NULL AND status = 'pending' AND next_attempt_at <= now()
                ORDER BY next_attempt_at, id LIMIT $1
                FOR UPDATE SKIP LOCKED)
            UPDATE deliveries SET attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $2)
            FROM due WHERE deliveries.id = due.id
            RETURNING deliveries.id, uid, attempts, notification_id, account_mail_id",
            i64::try_from(free).unwrap_or_default(),
            LEASE.as_secs_f64()
        )
        .fetch_all(&self.db)
        .await?;
        let attempts = rows.into_iter().filter_map(|row| {
            let notification = row.notification_id.map(Mail::Notification);
            Some(Attempt {
                delivery: row.id,
                uid: row.uid,
                number: row.attempts,
                receiver: SMTP_SERVER,
                message: notification.or(row.account_mail_id.map(Mail::Account))?,
            })
        });
        Ok(attempts.collect())
    }

    async fn send(&self, attempt: Attempt<Mail>) -> AttemptResult {
        let delivered = timeout(TIMEOUT, self.deliver(attempt.uid, attempt.message)).await;
        delivered.unwrap_or_else(|_| result(Outcome::Failed, "The mail server did not answer in time."))
    }
}

/// A permanent refusal, such as an unknown mailbox, is not repeated. `token` is taken out of the error, because mail servers repeat links
/// that they refuse.
fn failure(error: &smtp::Error, token: Option<&str>) -> AttemptResult {
    let outcome = if error.is_permanent() { Outcome::Rejected } else { Outcome::Failed };
    let text = chain(error).to_string();
    result(outcome, &token.map_or_else(|| text.clone(), |token| text.replace(token, "…")))
}

fn result(outcome: Outcome, error: &str) -> AttemptResult {
    AttemptResult { outcome, response_status: None, error: Some(error.chars().take(MAX_ERROR).collect()) }
}
