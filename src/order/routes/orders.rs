//! Endpoints of orders and their lines.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection, PgPool};
use utoipa::{IntoParams, ToSchema, openapi::Object};
use uuid::Uuid;

use super::super::{
    create,
    create::NewOrder,
    edit,
    idempotency::{self, IdempotencyKey, StoredResponse},
    news::{self, News},
    request::OrderRequest,
    state::OrderState,
    status::OrderStatus,
    store::{self, Filter, HistoryEntry, LIST, Order, Purchase},
};
use crate::{
    auth::extract::CurrentUser,
    error::ApiError,
    http::{
        body::{Json, JsonText, JsonWithRaw},
        json_digest::JsonDigest,
        openapi::ORDERS,
        pagination::{Page, PageQuery, Sorted, ordering_schema},
        path::Uid,
        period_query::PeriodQuery,
        query::Query,
    },
    outbox::Outbox,
};

fn orderings() -> Object {
    ordering_schema(
        LIST,
        "Sort order. A leading `-` reverses it. `status` sorts by progress, canceled last; `estimated_arrival_time` sorts orders without one last.",
    )
}

/// Filter and sort order of orders.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OrdersQuery {
    /// May be repeated.
    #[serde(default)]
    status: Vec<OrderStatus>,
    /// Id of a user, or `me`.
    #[param(pattern = "^(me|[0-9]{1,18})$")]
    user: Option<String>,
    /// `me` for the orders that the caller follows.
    #[param(inline)]
    followed: Option<Follower>,
    uid: Option<Uuid>,
    #[param(schema_with = orderings)]
    ordering: Option<String>,
}

/// User who follows orders.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Follower {
    Me,
}

impl OrdersQuery {
    /// # Errors
    /// `invalid_request`.
    pub fn read(
        self,
        timezone: Tz,
        user: &CurrentUser,
        period: &PeriodQuery,
        page: &PageQuery,
    ) -> Result<(Filter, Sorted), ApiError> {
        let followed_by = self.followed.map(|Follower::Me| user.id);
        let user = match self.user.as_deref() {
            None => None,
            Some("me") => Some(user.id),
            Some(id) => Some(id.parse().map_err(|_| {
                ApiError::bad_request("user 는 회원 번호이거나 me 여야 합니다.", "user must be the id of a user or me.")
            })?),
        };
        let (from, until) = period.range()?.instants(timezone);
        let sorted = Sorted::new(LIST, self.ordering.as_deref(), page)?;
        let filter =
            Filter { statuses: self.status, user, followed_by, uid: self.uid, from, until, without_canceled: false };
        Ok((filter, sorted))
    }
}

/// Lists the orders of all users.
#[utoipa::path(get, path = "/orders", tag = ORDERS, params(OrdersQuery, PeriodQuery, PageQuery),
    responses((status = 200, body = Page<Order>)))]
pub async fn list_orders(
    State(orders): State<Arc<OrderState>>,
    State(timezone): State<Tz>,
    user: CurrentUser,
    Query(query): Query<OrdersQuery>,
    Query(period): Query<PeriodQuery>,
    Query(page): Query<PageQuery>,
) -> Result<JsonText, ApiError> {
    let (filter, sorted) = query.read(timezone, &user, &period, &page)?;
    orders.load_page(user.id, filter, sorted).await.map(JsonText)
}

/// Creates an order of all snacks or none.
///
/// With an `Idempotency-Key` a repeated request with the same body within 24 hours gets the first response again and creates nothing.
#[utoipa::path(post, path = "/orders", tag = ORDERS, request_body = OrderRequest,
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "1 to 255 visible ASCII characters.")),
    responses((status = 201, body = Order, headers(("Location" = String, description = "Path of the order.")))))]
pub async fn create_order(
    State(db): State<PgPool>,
    State(outbox): State<Arc<Outbox>>,
    user: CurrentUser,
    IdempotencyKey(key): IdempotencyKey,
    JsonWithRaw { body, raw }: JsonWithRaw<OrderRequest>,
) -> Result<Response, ApiError> {
    let mut connection = db.acquire().await?;
    let lines = body.resolve(&mut *connection).await?;
    let new = NewOrder { user: user.id, note: body.note(), lines: &lines };
    let created = create_once(&mut connection, &outbox, new, key.as_deref(), &raw).await;
    drop(connection);
    match created {
        Ok(response) => Ok(created_response(response)),
        Err(error) => Err(create::add_conflict_details(&db, error, &lines, None).await),
    }
}

/// Creates an order unless `key` belongs to an earlier one. `raw` is the text of the body.
async fn create_once(
    connection: &mut PgConnection,
    outbox: &Outbox,
    new: NewOrder<'_>,
    key: Option<&str>,
    raw: &[u8],
) -> Result<StoredResponse, ApiError> {
    let mut tx = connection.begin().await?;
    if let Some(key) = key {
        let request: JsonDigest = serde_json::from_slice(raw).map_err(|error| ApiError::malformed_json(&error))?;
        if let Some(first) = idempotency::claim(&mut tx, new.user, key, request).await? {
            return Ok(first);
        }
    }
    let order = create::create(&mut tx, new).await?;
    let response = StoredResponse::of(&order)?;
    if let Some(key) = key {
        idempotency::store_response(&mut tx, new.user, key, &response).await?;
    }
    let notified = news::write(&mut tx, outbox, News::Created, &order, new.user, None).await?;
    tx.commit().await?;
    news::committed(outbox, &order, notified);
    Ok(response)
}

fn created_response(response: StoredResponse) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "application/json".to_owned()), (header::LOCATION, create::location(response.order))];
    (StatusCode::CREATED, headers, response.body).into_response()
}

/// Order with its entity tag.
pub(super) fn tagged(order: Order) -> Response {
    ([(header::ETAG, order.etag())], Json(order)).into_response()
}

/// Returns an order.
#[utoipa::path(get, path = "/orders/{uid}", tag = ORDERS, params(("uid" = Uuid, Path)),
    responses((status = 200, body = Order, headers(("ETag" = String, description = "For `If-Match`.")))))]
pub async fn get_order(State(db): State<PgPool>, user: CurrentUser, uid: Uid) -> Result<Response, ApiError> {
    let uid = uid.get()?;
    let mut connection = db.acquire().await?;
    store::get(&mut connection, user.id, uid).await.map(tagged)
}

/// Replaces the lines of an order with status `created`. For its owner and for admins. A snack that stays keeps its price; without
/// a `note` the note stays.
#[utoipa::path(put, path = "/orders/{uid}", tag = ORDERS, request_body = OrderRequest,
    params(("uid" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "Entity tag that the order must have.")),
    responses((status = 200, body = Order, headers(("ETag" = String, description = "For `If-Match`.")))))]
pub async fn edit_order(
    State(db): State<PgPool>,
    State(outbox): State<Arc<Outbox>>,
    user: CurrentUser,
    uid: Uid,
    headers: HeaderMap,
    Json(body): Json<OrderRequest>,
) -> Result<Response, ApiError> {
    let lines = body.resolve(&db).await?;
    let uid = uid.get()?;
    match edit::replace(&db, &outbox, &user, &headers, uid, &lines, body.edited_note()).await {
        Ok(order) => Ok(tagged(order)),
        Err(error) => Err(create::add_conflict_details(&db, error, &lines, Some(uid)).await),
    }
}

/// Complete list.
#[derive(Serialize, ToSchema)]
pub struct Results<T> {
    pub results: Vec<T>,
}

/// Lists the lines of an order.
#[utoipa::path(get, path = "/orders/{uid}/snacks", tag = ORDERS, params(("uid" = Uuid, Path)),
    responses((status = 200, body = Results<Purchase>)))]
pub async fn list_order_snacks(
    State(db): State<PgPool>,
    user: CurrentUser,
    uid: Uid,
) -> Result<Json<Results<Purchase>>, ApiError> {
    let uid = uid.get()?;
    let mut connection = db.acquire().await?;
    let order = store::get(&mut connection, user.id, uid).await?;
    Ok(Json(Results { results: order.purchases }))
}

/// Lists the creation, all status changes and all corrections of the arrival time of an order, oldest first.
#[utoipa::path(get, path = "/orders/{uid}/history", tag = ORDERS, params(("uid" = Uuid, Path)),
    responses((status = 200, body = Results<HistoryEntry>)))]
pub async fn get_order_history(
    State(db): State<PgPool>,
    _: CurrentUser,
    uid: Uid,
) -> Result<Json<Results<HistoryEntry>>, ApiError> {
    let results = store::history(&db, uid.get()?).await?;
    Ok(Json(Results { results }))
}

/// Same as `POST /orders`, for scripts of the previous service.
#[utoipa::path(post, path = "/order", tag = ORDERS, request_body = OrderRequest,
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "1 to 255 visible ASCII characters.")),
    responses((status = 201, body = Order, headers(("Location" = String, description = "Path of the order.")))))]
#[deprecated]
pub async fn create_order_old(
    db: State<PgPool>,
    outbox: State<Arc<Outbox>>,
    user: CurrentUser,
    key: IdempotencyKey,
    body: JsonWithRaw<OrderRequest>,
) -> Result<Response, ApiError> {
    create_order(db, outbox, user, key, body).await
}

/// Same as `GET /orders/{uid}`, for scripts of the previous service.
#[utoipa::path(get, path = "/order/{uid}", tag = ORDERS, params(("uid" = Uuid, Path)),
    responses((status = 200, body = Order, headers(("ETag" = String, description = "For `If-Match`.")))))]
#[deprecated]
pub async fn get_order_old(db: State<PgPool>, user: CurrentUser, uid: Uid) -> Result<Response, ApiError> {
    get_order(db, user, uid).await
}
