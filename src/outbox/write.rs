//! Writing to the outbox.

use std::sync::Arc;

use chrono::Utc;
use chrono_tz::Tz;
use serde_json::{Map, Value};
use sqlx::{PgConnection, PgExecutor, types::Json};
use tokio::sync::watch;

use super::event::{Details, EventType, NotificationKind};
use crate::{changes::Changes, error::ApiError, http::headers::Language};

/// Shared by the nouns that tell of their changes.
pub struct Outbox {
    pub changes: Arc<Changes>,
    /// Time zone of the office, whose months budgets are for.
    pub timezone: Tz,
    /// Whether mail is set up.
    sends_mail: bool,
    /// Wakes all senders after a commit that may have written deliveries.
    wake: watch::Sender<()>,
}

/// Users who are notified.
#[derive(Clone, Copy, Debug)]
pub enum Readers {
    Nobody,
    Admins,
    /// The user and the followers of the order.
    OwnerAndFollowers(i64),
    User(i64),
}

/// Notifications and events of a change.
#[derive(Debug)]
pub struct Message {
    pub readers: Readers,
    /// Required unless `readers` is nobody.
    pub kind: Option<NotificationKind>,
    pub details: Details,
    pub order: Option<i64>,
    /// Who made the change. They are not notified.
    pub actor: Option<i64>,
    /// For channels. None if they are not told.
    pub event: Option<EventType>,
    /// `data` of the event without the actor.
    pub data: Map<String, Value>,
}

/// Mail with a link.
#[derive(Debug)]
pub struct AccountMail<'a> {
    /// None for a new password.
    pub invitation: Option<i64>,
    pub email: &'a str,
    pub language: Language,
    /// IP address of the client that asked for it.
    pub address: &'a str,
}

impl Outbox {
    pub fn new(changes: Arc<Changes>, timezone: Tz, sends_mail: bool) -> Self {
        Self { changes, timezone, sends_mail, wake: watch::Sender::new(()) }
    }

    /// Tells whether a channel is told of `event`.
    pub async fn has_receivers(&self, db: impl PgExecutor<'_>, event: EventType) -> Result<bool, ApiError> {
        let exists = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM channels WHERE is_enabled AND $1 = ANY(events)) AS "exists!""#,
            event.as_str()
        );
        Ok(exists.fetch_one(db).await?)
    }

    /// Writes `message` in the transaction of the change: notifications, their mails, and deliveries to channels. Returns the users who
    /// were notified, for [`Self::committed`].
    pub async fn write(&self, tx: &mut PgConnection, message: Message) -> Result<Vec<i64>, ApiError> {
        let Message { readers, kind, details, order, actor, event, data } = message;
        let (is_to_admins, users, followed) = match readers {
            Readers::Nobody => (false, Vec::new(), None),
            Readers::Admins => (true, Vec::new(), None),
            Readers::OwnerAndFollowers(owner) => (false, vec![owner], order),
            Readers::User(user) => (false, vec![user], None),
        };
        let timestamp = Utc::now();
        // The name of the actor is added by Postgres. (SELECT ...) hides the number of users from it, for which it would plan each time;
        // the union uses an index for each kind of readers. The channels are locked, because one that is deleted at this moment would violate the
        // foreign key.
        let notified = sqlx::query_scalar!(
            r#"WITH readers AS (
                SELECT id FROM users WHERE $5 AND member_type = 'admin' AND NOT is_deleted
                UNION SELECT unnest((SELECT $6::bigint[]))
                UNION SELECT user_id FROM order_follows WHERE order_id = $7),
            notified AS (
                INSERT INTO notifications (user_id, kind, order_id, actor_id, details)
                SELECT users.id, $1, $2, $3, $4 FROM readers JOIN users ON users.id = readers.id
                WHERE NOT users.is_deleted AND users.id IS DISTINCT FROM $3
                ORDER BY users.id
                RETURNING id, user_id),
            mails AS (
                INSERT INTO deliveries (notification_id, event)
                SELECT notified.id, $1::text FROM notified JOIN users ON users.id = notified.user_id
                WHERE $8 AND users.is_mailed),
            messages AS (
                INSERT INTO deliveries (channel_id, event, payload)
                SELECT channels.id, $9, json_build_object('type', $9::text, 'timestamp', $10::text, 'data', $11::jsonb || jsonb_build_object(
                    'actor', (SELECT jsonb_build_object('id', id, 'name', name) FROM users WHERE id = $3)))
                FROM channels WHERE is_enabled AND $9 = ANY(events)
                FOR KEY SHARE)
            SELECT user_id FROM notified"#,
            kind as Option<NotificationKind>,
            order,
            actor,
            Json(details) as _,
            is_to_admins,
            &users,
            followed,
            self.sends_mail,
            event.map(EventType::as_str),
            timestamp.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
            Json(data) as _
        )
        .fetch_all(tx)
        .await?;
        Ok(notified)
    }

    /// Writes a mail with a link, whose token is made when it is sent. Does nothing without mail. Call [`Self::wake`] after the commit.
    pub async fn write_account_mail(&self, db: impl PgExecutor<'_>, mail: &AccountMail<'_>) -> Result<(), ApiError> {
        if !self.sends_mail {
            return Ok(());
        }
        sqlx::query!(
            "WITH mail AS (
                 INSERT INTO account_mails (invitation_id, email, language, address) VALUES ($1, $2, $3, $4) RETURNING id
             )
             INSERT INTO deliveries (account_mail_id, event) SELECT id, $5 FROM mail",
            mail.invitation,
            mail.email,
            mail.language.code(),
            mail.address,
            if mail.invitation.is_some() { "invitation" } else { "password_reset" }
        )
        .execute(db)
        .await?;
        Ok(())
    }

    /// Tells pages and the senders of what was committed.
    pub fn committed(&self, notified: Vec<i64>) {
        if !notified.is_empty() {
            self.changes.notifications(notified);
        }
        self.wake();
    }

    /// Wakes the senders.
    pub fn wake(&self) {
        self.wake.send_replace(());
    }

    /// For a sender: changes when it is woken.
    pub fn wake_ups(&self) -> watch::Receiver<()> {
        self.wake.subscribe()
    }
}
