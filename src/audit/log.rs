//! The audit log: who did what to what, from where, when, and what came of it. Each entry is a row, written in the
//! transaction of the deed, and a log event. No secret and no token is in either.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgExecutor, PgPool, Postgres, QueryBuilder, Row, postgres::PgRow};
use utoipa::ToSchema;

use crate::{
    domain::user_summary::Person,
    error::{ApiError, Code},
    http::{Ordering, Page, Sorted, pagination::HasKey},
};

/// What is worth an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Somebody signed up; the subject is the email.
    SignUp,
    /// Somebody signed in, or was refused; the subject is the email as it was given, `(not an email)` for what does not look
    /// like one.
    SignIn,
    /// A spent refresh token came again and ended its sign-in; the subject is the user's id.
    RefreshTokenReuse,
    /// A password was changed, or the current one was wrong; the subject is the user's id.
    PasswordChange,
    /// A user became a member or an admin; the subject is the user's id and what they became.
    MemberTypeChange,
    /// A member resigned; the subject is the user's id.
    Resignation,
    /// An order went on; the subject is its uid and where it went.
    OrderStatusChange,
    /// A snack was edited; the subject is its uid.
    SnackEdit,
    /// A snack became available or unavailable; the subject is its uid and what it became.
    SnackStatusChange,
}

impl Action {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "sign_up",
            Self::SignIn => "sign_in",
            Self::RefreshTokenReuse => "refresh_token_reuse",
            Self::PasswordChange => "password_change",
            Self::MemberTypeChange => "member_type_change",
            Self::Resignation => "resignation",
            Self::OrderStatusChange => "order_status_change",
            Self::SnackEdit => "snack_edit",
            Self::SnackStatusChange => "snack_status_change",
        }
    }
}

/// Who does something, and from where.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The user, where one is known.
    pub id: Option<i64>,
    /// The client's address; `local` for the command line.
    pub address: String,
}

impl Actor {
    /// Whoever types commands on the machine itself.
    #[must_use]
    pub fn local() -> Self {
        Self { id: None, address: "local".to_owned() }
    }

    /// Writes that the actor did `action` to `subject`.
    ///
    /// # Errors
    /// Postgres out of reach.
    pub async fn did(&self, db: impl PgExecutor<'_>, action: Action, subject: &str) -> Result<(), ApiError> {
        self.write(db, action, subject, "ok").await
    }

    /// Writes that the actor was refused `action` on `subject`; `outcome` is the code of the refusal.
    ///
    /// # Errors
    /// Postgres out of reach.
    pub async fn was_refused(
        &self,
        db: impl PgExecutor<'_>,
        action: Action,
        subject: &str,
        outcome: &str,
    ) -> Result<(), ApiError> {
        self.write(db, action, subject, outcome).await
    }

    async fn write(
        &self,
        db: impl PgExecutor<'_>,
        action: Action,
        subject: &str,
        outcome: &str,
    ) -> Result<(), ApiError> {
        let subject = brief(subject);
        sqlx::query!(
            "INSERT INTO audit_log (actor_id, action, subject, address, outcome) VALUES ($1, $2, $3, $4, $5)",
            self.id,
            action.as_str(),
            subject,
            self.address,
            outcome
        )
        .execute(db)
        .await?;
        self.log(action, subject, outcome);
        Ok(())
    }

    /// Logs that the actor was refused `action` on `subject` without having been heard. Not a row: whoever tries without end
    /// must not fill the table.
    pub fn was_not_heard(&self, action: Action, subject: &str, code: Code) {
        self.log(action, brief(subject), code.name());
    }

    fn log(&self, action: Action, subject: &str, outcome: &str) {
        tracing::info!(
            target: "audit",
            actor = self.id,
            action = action.as_str(),
            subject,
            address = self.address,
            outcome,
            "audit"
        );
    }
}

/// As much of a subject as the longest that is real: what strangers type as an email may be a megabyte.
fn brief(subject: &str) -> &str {
    subject.char_indices().nth(254).map_or(subject, |(end, _)| &subject[..end])
}

/// An entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    /// Grows with every entry.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who; `null` for somebody who is not known, and for the command line.
    #[schema(required)]
    pub actor: Option<Person>,
    /// What was done.
    #[schema(value_type = Action)]
    pub action: String,
    /// To what: an email, a user's id, the uid of an order or a snack.
    #[schema(example = "kim@example.com")]
    pub subject: String,
    /// From where.
    #[schema(example = "203.0.113.9")]
    pub address: String,
    /// `ok`, or the code of the refusal.
    #[schema(example = "ok")]
    pub outcome: String,
    #[serde(skip)]
    cursor_key: Vec<String>,
}

impl HasKey for AuditEntry {
    const LIST: &str = "audit";

    fn cursor_key(&self) -> &[String] {
        &self.cursor_key
    }
}

impl<'r> sqlx::FromRow<'r, PgRow> for AuditEntry {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        let actor = match (row.try_get("actor_id")?, row.try_get("actor_name")?) {
            (Some(id), Some(name)) => Some(Person { id, name }),
            _ => None,
        };
        Ok(Self {
            id: row.try_get("id")?,
            at: row.try_get("at")?,
            actor,
            action: row.try_get("action")?,
            subject: row.try_get("subject")?,
            address: row.try_get("address")?,
            outcome: row.try_get("outcome")?,
            cursor_key: row.try_get("cursor_key")?,
        })
    }
}

/// How the log is sorted: as it was written.
pub const ORDERINGS: &[Ordering] =
    &[Ordering { name: "at", keys: &[("entry.at", "timestamptz"), ("entry.id", "bigint")] }];

/// Which entries to list.
#[derive(Debug, Default)]
pub struct Filter {
    /// Only this user's.
    pub actor: Option<i64>,
    /// Only of this kind.
    pub action: Option<Action>,
    /// Only those from this instant on.
    pub from: Option<DateTime<Utc>>,
    /// Only those before this instant.
    pub until: Option<DateTime<Utc>>,
}

/// One page of the log.
///
/// # Errors
/// Postgres out of reach.
pub async fn list(db: &PgPool, filter: &Filter, sorted: &Sorted<AuditEntry>) -> Result<Page<AuditEntry>, ApiError> {
    let mut sql = QueryBuilder::<Postgres>::new(
        "SELECT entry.id, entry.at, entry.action, entry.subject, entry.address, entry.outcome,
            person.id AS actor_id, person.name AS actor_name",
    );
    sorted.push_key(&mut sql);
    sql.push(" FROM audit_log AS entry LEFT JOIN users AS person ON person.id = entry.actor_id WHERE true");
    if let Some(actor) = filter.actor {
        sql.push(" AND entry.actor_id = ").push_bind(actor);
    }
    if let Some(action) = filter.action {
        sql.push(" AND entry.action = ").push_bind(action.as_str());
    }
    if let Some(from) = filter.from {
        sql.push(" AND entry.at >= ").push_bind(from);
    }
    if let Some(until) = filter.until {
        sql.push(" AND entry.at < ").push_bind(until);
    }
    sorted.push_after(&mut sql, "AND");
    sorted.push_order(&mut sql);
    Ok(sorted.page(sql.build_query_as().fetch_all(db).await?))
}
