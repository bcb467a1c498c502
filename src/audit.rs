//! The audit log: who did what to what, from where, when, and with what outcome. An entry is a row, written in the transaction of the
//! operation, and a log event. Neither contains secrets or tokens.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgExecutor, PgPool, Postgres, QueryBuilder, Row, postgres::PgRow};
use utoipa::ToSchema;

use crate::{
    domain::user_summary::UserSummary,
    error::{ApiError, Code},
    http::pagination::{List, Ordering, Page, Sorted, push_filter},
};

/// Operation in the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Sign-up. The subject is the email.
    SignUp,
    /// Sign-in, successful or not. The subject is the email as typed, or `(not an email)`.
    SignIn,
    /// A used refresh token was used again, which ended its session. The subject is the id of the user.
    RefreshTokenReuse,
    /// Change of password, or an attempt with a wrong current password. The subject is the id of the user.
    PasswordChange,
    /// Change of a role. The subject is the id of the user and the new role.
    MemberTypeChange,
    /// Resignation. The subject is the id of the user.
    Resignation,
    /// Sign-in through the identity provider, successful or not. The subject is the email, or `(no email)`.
    OidcSignIn,
    /// Creation of an invitation. The subject is the email and the role.
    InvitationCreate,
    /// Withdrawal of an invitation. The subject is the email.
    InvitationDelete,
    /// Creation of a link for a new password, by an admin, on the command line or by mail. The subject of this and the next five is the id of
    /// the user.
    PasswordResetLink,
    /// New password through a link.
    PasswordReset,
    /// End of one of the user's own sessions.
    SessionEnd,
    /// Removal of a member by an admin.
    UserRemoval,
    /// Restoration of a member who had left.
    UserRestoration,
    /// Erasure of a former member's personal data.
    UserErasure,
    /// Change of an order's status. The subject is its uid and the new status.
    OrderStatusChange,
    /// Correction of an order's estimated arrival time. The subject is its uid.
    OrderArrivalChange,
    /// Approval of an order beyond the budget. The subject is its uid and `over_budget`.
    OverBudget,
    /// Change of a budget. The subject is the month, the currency, the amount or `none`, and `month` or `onwards`.
    BudgetChange,
    /// Creation of a channel. The subject of this and the next two is its id and its name.
    ChannelCreate,
    /// Change of a channel.
    ChannelChange,
    /// Removal of a channel.
    ChannelDelete,
    /// Import of snacks. The subject is the numbers of created and refused rows.
    SnackImport,
    /// Edit of a snack. The subject is its uid.
    SnackEdit,
    /// Change of a snack's status. The subject is its uid and the new status.
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
            Self::OidcSignIn => "oidc_sign_in",
            Self::InvitationCreate => "invitation_create",
            Self::InvitationDelete => "invitation_delete",
            Self::PasswordResetLink => "password_reset_link",
            Self::PasswordReset => "password_reset",
            Self::SessionEnd => "session_end",
            Self::UserRemoval => "user_removal",
            Self::UserRestoration => "user_restoration",
            Self::UserErasure => "user_erasure",
            Self::OrderStatusChange => "order_status_change",
            Self::OrderArrivalChange => "order_arrival_change",
            Self::OverBudget => "over_budget",
            Self::BudgetChange => "budget_change",
            Self::ChannelCreate => "channel_create",
            Self::ChannelChange => "channel_change",
            Self::ChannelDelete => "channel_delete",
            Self::SnackImport => "snack_import",
            Self::SnackEdit => "snack_edit",
            Self::SnackStatusChange => "snack_status_change",
        }
    }
}

/// Author of an operation.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Id of the user. None if unknown.
    pub id: Option<i64>,
    /// IP address of the client, `local` for the command line, or `server` for the server itself.
    pub address: String,
}

impl Actor {
    /// Somebody who types commands on the machine.
    pub fn local() -> Self {
        Self { id: None, address: "local".to_owned() }
    }

    /// The server itself.
    pub fn server() -> Self {
        Self { id: None, address: "server".to_owned() }
    }

    /// Writes an entry of a successful operation.
    pub async fn log_success(&self, db: impl PgExecutor<'_>, action: Action, subject: &str) -> Result<(), ApiError> {
        self.write(db, action, subject, "ok").await
    }

    /// Writes an entry of an operation that was denied. `outcome` is the code of the error.
    pub async fn log_denied(
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
        let subject = truncate(subject);
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

    /// Logs an attempt that a rate limit rejected. Does not write a row, because endless attempts would fill the table.
    pub fn log_rate_limited(&self, action: Action, subject: &str, code: Code) {
        self.log(action, truncate(subject), code.name());
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

/// Truncates a subject to the length of the longest email. Clients may send any text as email.
fn truncate(subject: &str) -> &str {
    subject.char_indices().nth(254).map_or(subject, |(end, _)| &subject[..end])
}

/// Entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    pub id: i64,
    pub at: DateTime<Utc>,
    /// Author of the operation. `null` if unknown, for the command line and for the server itself.
    #[schema(required)]
    pub actor: Option<UserSummary>,
    #[schema(value_type = Action)]
    pub action: String,
    /// An email, the id of a user, the uid of an order or a snack, or the id and the name of a channel.
    #[schema(example = "kim@example.com")]
    pub subject: String,
    /// IP address of the client, `local` for the command line, or `server` for the server itself.
    #[schema(example = "203.0.113.9")]
    pub address: String,
    /// `ok`, or the code of the error.
    #[schema(example = "ok")]
    pub outcome: String,
}

impl<'r> sqlx::FromRow<'r, PgRow> for AuditEntry {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        let actor = Option::zip(row.try_get("actor_id")?, row.try_get("actor_name")?);
        Ok(Self {
            id: row.try_get("id")?,
            at: row.try_get("at")?,
            actor: actor.map(|(id, name)| UserSummary { id, name }),
            action: row.try_get("action")?,
            subject: row.try_get("subject")?,
            address: row.try_get("address")?,
            outcome: row.try_get("outcome")?,
        })
    }
}

pub const LIST: &List = &List {
    name: "audit",
    orderings: &[Ordering { name: "at", keys: &[("entry.at", "timestamptz"), ("entry.id", "bigint")] }],
    default: "-at",
};

/// Filter of entries.
#[derive(Debug, Default)]
pub struct Filter {
    pub actor: Option<i64>,
    pub action: Option<Action>,
    /// Inclusive.
    pub from: Option<DateTime<Utc>>,
    /// Exclusive.
    pub until: Option<DateTime<Utc>>,
}

pub async fn list(db: &PgPool, filter: &Filter, sorted: &Sorted) -> Result<Page<AuditEntry>, ApiError> {
    let mut sql = QueryBuilder::<Postgres>::new(
        "SELECT entry.id, entry.at, entry.action, entry.subject, entry.address, entry.outcome,
            person.id AS actor_id, person.name AS actor_name",
    );
    sorted.push_key(&mut sql);
    sql.push(" FROM audit_log AS entry LEFT JOIN users AS person ON person.id = entry.actor_id WHERE true");
    push_filter(&mut sql, " AND entry.actor_id = ", filter.actor);
    push_filter(&mut sql, " AND entry.action = ", filter.action.map(Action::as_str));
    push_filter(&mut sql, " AND entry.at >= ", filter.from);
    push_filter(&mut sql, " AND entry.at < ", filter.until);
    sorted.push_after(&mut sql, "AND");
    sorted.push_order(&mut sql);
    Ok(sorted.page(sql.build_query_as().fetch_all(db).await?))
}
