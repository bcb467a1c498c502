//! Endpoints that change the status and the arrival time of an order.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequest, FromRequestParts, Request, State},
    http::HeaderMap,
    response::Response,
};
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Deserializer, de};
use sqlx::PgPool;
use utoipa::ToSchema;
use validator::Validate;

use super::{
    super::{
        arrival, rules,
        status::OrderStatus,
        store::Order,
        transition::{self, Transition},
    },
    orders::tagged,
};
use crate::{
    auth::{
        extract::{AdminUser, CurrentUser},
        state::AuthState,
    },
    error::{ApiError, Code},
    http::{
        body::{self, Json, non_null},
        openapi::ORDERS,
        path::Uid,
    },
    outbox::Outbox,
};

/// New status of an order.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"status": "ordered", "estimated_arrival_time": "2024-01-09T03:00:00Z", "reason": "쿠팡에서 주문했습니다."}))]
pub struct StatusChange {
    #[schema(required, value_type = OrderStatus)]
    #[serde(default, deserialize_with = "non_null")]
    #[validate(required(code = "required"))]
    status: Option<OrderStatus>,
    /// RFC 3339. Required for `ordered` and `shipping`, ignored otherwise.
    #[schema(value_type = Option<DateTime<Utc>>)]
    #[serde(default, deserialize_with = "instant")]
    estimated_arrival_time: Option<DateTime<Utc>>,
    /// Shown to the owner.
    #[schema(max_length = 500)]
    #[validate(custom(function = rules::note))]
    reason: Option<String>,
    /// `true` approves an order that exceeds the budget. Ignored for other statuses.
    #[serde(default)]
    #[schema(required = false)]
    over_budget: bool,
}

/// RFC 3339 with a year of four digits in UTC. chrono's own Deserialize accepts other years, which a response could not contain.
fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let instant = DateTime::parse_from_rfc3339(&text).map_err(de::Error::custom)?.to_utc();
    if (0..=9999).contains(&instant.year()) {
        Ok(Some(instant))
    } else {
        Err(de::Error::custom("the year must have four digits in UTC"))
    }
}

/// Extractor of a status change. A member may only cancel, so any other body of a member is `permission_denied`, also one that cannot
/// be read.
pub struct StatusRequest {
    user: CurrentUser,
    change: StatusChange,
}

impl<S: Send + Sync> FromRequest<S> for StatusRequest
where
    Arc<AuthState>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (mut parts, content) = request.into_parts();
        let user = CurrentUser::from_request_parts(&mut parts, state).await?;
        let bytes = body::read(Request::from_parts(parts, content), state).await;
        let change = bytes.and_then(|bytes| body::parse::<StatusChange>(&bytes));
        let is_denied = !user.is_admin()
            && match &change {
                Ok(change) => change.status != Some(OrderStatus::Canceled),
                Err(error) => error.code.status() < 500,
            };
        if is_denied {
            return Err(Code::PermissionDenied.into());
        }
        let change = change?;
        change.validate()?;
        Ok(Self { user, change })
    }
}

/// Changes the status of an order. For admins; the owner may cancel while the status is `created`.
#[utoipa::path(method(put, patch), path = "/orders/{uid}/status", tag = ORDERS, request_body = StatusChange,
    params(("uid" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "Entity tag that the order must have.")),
    responses((status = 200, body = Order, headers(("ETag" = String, description = "For `If-Match`.")))))]
pub async fn change_order_status(
    State(db): State<PgPool>,
    State(outbox): State<Arc<Outbox>>,
    uid: Uid,
    headers: HeaderMap,
    StatusRequest { user, change }: StatusRequest,
) -> Result<Response, ApiError> {
    let transition = Transition {
        to: change.status.ok_or_else(|| ApiError::invalid("status", "required"))?,
        arrival: change.estimated_arrival_time,
        reason: rules::filled(change.reason),
        may_exceed_budget: change.over_budget,
    };
    transition::apply(&db, &outbox, &user, &headers, uid.get()?, transition).await.map(tagged)
}

/// Corrected arrival time of an order.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"estimated_arrival_time": "2024-01-10T03:00:00Z", "reason": "배송이 하루 늦어집니다."}))]
pub struct ArrivalChange {
    /// RFC 3339.
    #[schema(required, value_type = DateTime<Utc>)]
    #[serde(default, deserialize_with = "instant")]
    estimated_arrival_time: Option<DateTime<Utc>>,
    /// Written to the history. The reason of the order stays.
    #[schema(max_length = 500)]
    #[validate(custom(function = rules::note))]
    reason: Option<String>,
}

/// Corrects the estimated arrival time of an order with status `ordered` or `shipping`.
#[utoipa::path(put, path = "/orders/{uid}/arrival", tag = ORDERS, request_body = ArrivalChange,
    params(("uid" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "Entity tag that the order must have.")),
    responses((status = 200, body = Order, headers(("ETag" = String, description = "For `If-Match`.")))))]
pub async fn change_order_arrival(
    State(db): State<PgPool>,
    State(outbox): State<Arc<Outbox>>,
    AdminUser(admin): AdminUser,
    uid: Uid,
    headers: HeaderMap,
    Json(body): Json<ArrivalChange>,
) -> Result<Response, ApiError> {
    let arrival = body.estimated_arrival_time.ok_or(Code::EstimatedArrivalTimeRequired)?;
    let reason = rules::filled(body.reason);
    arrival::change(&db, &outbox, &admin, &headers, uid.get()?, arrival, reason.as_deref()).await.map(tagged)
}

/// Same as `PUT /orders/{uid}/status`, for scripts of the previous service.
#[utoipa::path(put, path = "/order/{uid}", tag = ORDERS, request_body = StatusChange,
    params(("uid" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "Entity tag that the order must have.")),
    responses((status = 200, body = Order, headers(("ETag" = String, description = "For `If-Match`.")))))]
#[deprecated]
pub async fn change_order_status_old(
    db: State<PgPool>,
    outbox: State<Arc<Outbox>>,
    uid: Uid,
    headers: HeaderMap,
    request: StatusRequest,
) -> Result<Response, ApiError> {
    change_order_status(db, outbox, uid, headers, request).await
}
