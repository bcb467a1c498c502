//! Changes of the status of orders: lock, decide, write, commit.

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{
    news::{self, News},
    request::line_errors,
    status::{InvalidTransition, OrderStatus},
    store::{self, LockedOrder, NewHistoryEntry, Order},
};
use crate::{
    audit::Action,
    auth::extract::CurrentUser,
    budget::{alert, commitment},
    error::{ApiError, Code, Text},
    outbox::Outbox,
};

impl From<InvalidTransition> for ApiError {
    fn from(InvalidTransition { from, to }: InvalidTransition) -> Self {
        Code::InvalidTransition.with_detail(Text::new(
            format!("{from} 상태의 주문을 {to} 상태로 바꿀 수 없습니다."),
            format!("An order cannot change from {from} to {to}."),
        ))
    }
}

/// Requested change of a status.
#[derive(Debug)]
pub struct Transition {
    pub to: OrderStatus,
    /// Ignored unless the new status needs it.
    pub arrival: Option<DateTime<Utc>>,
    pub reason: Option<String>,
    /// Approves an order that exceeds the budget.
    pub may_exceed_budget: bool,
}

/// Changes the status of the order `uid`.
///
/// Of two users at once, the second waits for the lock of the row and then finds it changed.
///
/// # Errors
/// `not_found`, `permission_denied`, `precondition_failed`, `invalid_transition`, `estimated_arrival_time_required`, `hated_snack`,
/// `budget_exceeded`.
pub async fn apply(
    db: &PgPool,
    outbox: &Outbox,
    user: &CurrentUser,
    headers: &HeaderMap,
    uid: Uuid,
    transition: Transition,
) -> Result<Order, ApiError> {
    let mut tx = db.begin().await?;
    let order = store::lock(&mut tx, uid).await?;
    check_may_transition(user, &order, transition.to)?;
    order.check_if_match(headers)?;
    let to = order.status.transition(transition.to)?;
    let arrival = if to.needs_arrival_time() { transition.arrival } else { order.estimated_arrival_time };
    if to.needs_arrival_time() && arrival.is_none() {
        return Err(Code::EstimatedArrivalTimeRequired.into());
    }
    if to.forbids_hated_snacks() {
        check_not_hated(&mut tx, order.id).await?;
    }
    let approval = if to == OrderStatus::Approved {
        Some(commitment::check(&mut tx, order.id, outbox.timezone, transition.may_exceed_budget).await?)
    } else {
        None
    };
    let reason = transition.reason.as_deref();
    sqlx::query!(
        "UPDATE orders SET status = $2, estimated_arrival_time = $3, reason = $4, approved_at = coalesce($5, approved_at),
             version = version + 1, updated_at = clock_timestamp()
         WHERE id = $1",
        order.id,
        to as OrderStatus,
        arrival,
        reason,
        approval.as_ref().map(|approval| approval.at)
    )
    .execute(&mut *tx)
    .await?;
    let is_over_budget = approval.as_ref().is_some_and(|approval| approval.is_over_budget);
    let (order, from, actor) = (order.id, order.status, user.id);
    let entry = NewHistoryEntry { order, from, to, actor, arrival, reason, is_over_budget };
    store::insert_history(&mut tx, &entry).await?;
    user.actor().log_success(&mut *tx, Action::OrderStatusChange, &format!("{uid} {to}")).await?;
    if is_over_budget {
        user.actor().log_success(&mut *tx, Action::OverBudget, &format!("{uid} over_budget")).await?;
    }
    let order = store::get(&mut tx, user.id, uid).await?;
    let mut notified = news::write(&mut tx, outbox, News::Transition, &order, user.id, reason).await?;
    if let Some(approval) = approval {
        notified.extend(alert::write(&mut tx, outbox, approval.at, user.id).await?);
    }
    tx.commit().await?;
    news::committed(outbox, &order, notified);
    Ok(order)
}

/// Checks that `user` is an admin, or takes back their own order.
fn check_may_transition(user: &CurrentUser, order: &LockedOrder, to: OrderStatus) -> Result<(), ApiError> {
    if user.is_admin() || (order.user_id == user.id && order.status.is_open_to_owner(to)) {
        return Ok(());
    }
    if order.user_id != user.id {
        return Err(Code::PermissionDenied.into());
    }
    Err(Code::PermissionDenied.with_detail(Text::new(
        "승인 대기 중인 주문만 취소할 수 있습니다. 관리자에게 요청해 주세요.",
        "You can only cancel an order that is not approved yet. Ask an admin.",
    )))
}

/// Rejects an order with a snack that has more hates than likes. Counts the rows, because the statistics columns may be old.
async fn check_not_hated(tx: &mut PgConnection, order: i64) -> Result<(), ApiError> {
    let hated = sqlx::query_scalar!(
        "SELECT purchase.position FROM purchases AS purchase
         JOIN snack_reactions AS reaction ON reaction.snack_id = purchase.snack_id
         WHERE purchase.order_id = $1
         GROUP BY purchase.position
         HAVING count(*) FILTER (WHERE reaction.type = 'hate') > count(*) FILTER (WHERE reaction.type = 'like')
         ORDER BY purchase.position",
        order
    )
    .fetch_all(tx)
    .await?;
    if hated.is_empty() { Ok(()) } else { Err(line_errors(Code::HatedSnack, hated)) }
}
