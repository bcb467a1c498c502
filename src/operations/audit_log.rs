//! The endpoint of the audit log.

use axum::extract::State;
use chrono_tz::Tz;
use serde::Deserialize;
use sqlx::PgPool;
use utoipa::IntoParams;

use crate::{
    audit::{self, Action, AuditEntry, Filter},
    auth::extract::AdminUser,
    error::ApiError,
    http::{
        body::Json,
        openapi::OPERATIONS,
        pagination::{Page, PageQuery, Sorted},
        period_query::PeriodQuery,
        query::Query,
    },
};

/// Filter of the audit log.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Id of a user.
    actor: Option<i64>,
    action: Option<Action>,
}

/// Lists the audit log, newest first.
#[utoipa::path(get, path = "/audit", tag = OPERATIONS, params(AuditQuery, PeriodQuery, PageQuery),
    responses((status = 200, body = Page<AuditEntry>)))]
pub async fn list_audit(
    State(db): State<PgPool>,
    State(timezone): State<Tz>,
    _: AdminUser,
    Query(query): Query<AuditQuery>,
    Query(period): Query<PeriodQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<AuditEntry>>, ApiError> {
    let (from, until) = period.range()?.instants(timezone);
    let sorted = Sorted::new(audit::LIST, None, &page)?;
    let filter = Filter { actor: query.actor, action: query.action, from, until };
    audit::list(&db, &filter, &sorted).await.map(Json)
}
