//! The calls about orders.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Deserializer, Serialize, de};
use sqlx::{Connection, PgConnection};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::{
    create, edit,
    idempotency::{self, Answer, IdempotencyKey},
    request::{OrderRequest, Wanted},
    status::OrderStatus,
    store::{self, Filter, HistoryEntry, ORDERINGS, Order, Purchase},
    transition,
};
use crate::{
    app::state::AppState,
    auth::{Admin, Member},
    domain::period::PeriodQuery,
    error::{ApiError, Code},
    http::{
        Json, JsonText, JsonWithRaw, Page, PageQuery, Query, Sorted, Uid, json_digest::JsonDigest, openapi::ORDERS,
        ordering_schema,
    },
};

/// How the list is sorted unless told otherwise.
const DEFAULT_ORDERING: &str = "-created_at";

fn orderings() -> utoipa::openapi::Object {
    ordering_schema(
        ORDERINGS,
        DEFAULT_ORDERING,
        "How to sort; `-` in front reverses. `status`: along the flow, canceled last. `estimated_arrival_time`: none last.",
    )
}

/// Which orders, and in which order.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OrdersQuery {
    /// May be repeated.
    #[serde(default)]
    status: Vec<OrderStatus>,
    /// A user's id, or `me`.
    #[param(pattern = "^(me|[0-9]{1,18})$")]
    user: Option<String>,
    uid: Option<Uuid>,
    #[param(schema_with = orderings)]
    ordering: Option<String>,
}

impl OrdersQuery {
    /// The filter that the query and `period` describe, and how to sort what it finds.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn read(
        self,
        state: &AppState,
        member: &Member,
        period: &PeriodQuery,
        page: &PageQuery,
    ) -> Result<(Filter, Sorted<Order>), ApiError> {
        let user = match self.user.as_deref() {
            None => None,
            Some("me") => Some(member.id),
            Some(id) => Some(id.parse().map_err(|_| ApiError::unreadable("user is an id or me"))?),
        };
        let (from, until) = period.range()?.instants(state.config.timezone);
        let sorted = Sorted::new(ORDERINGS, DEFAULT_ORDERING, self.ordering.as_deref(), page)?;
        Ok((Filter { statuses: self.status, user, uid: self.uid, from, until, without_canceled: false }, sorted))
    }
}

/// Everyone's orders.
#[utoipa::path(get, path = "/orders", tag = ORDERS, params(OrdersQuery, PeriodQuery, PageQuery),
    responses((status = 200, body = Page<Order>)))]
pub async fn list_orders(
    State(state): State<AppState>,
    member: Member,
    Query(query): Query<OrdersQuery>,
    Query(period): Query<PeriodQuery>,
    Query(page): Query<PageQuery>,
) -> Result<JsonText, ApiError> {
    let (filter, sorted) = query.read(&state, &member, &period, &page)?;
    // All see the same: whoever asks for the same page at the same time shares the statements.
    let (key, asked) = (format!("{filter:?} {sorted:?}"), Arc::new((filter, sorted)));
    let page = state.order_pages.ask(key, (), {
        let state = state.clone();
        move |askers| {
            let (state, asked) = (state.clone(), Arc::clone(&asked));
            async move {
                let (filter, sorted) = &*asked;
                let page =
                    state.pulse.guard(store::list(&state.db, filter, sorted)).await.ok_or(Code::Unavailable)??;
                let page = Bytes::from(serde_json::to_vec(&page).map_err(ApiError::internal)?);
                Ok(askers.iter().map(|()| Ok(page.clone())).collect())
            }
        }
    });
    page.await.map(JsonText)
}

/// Orders snacks, all or nothing.
///
/// With an `Idempotency-Key` the same body sent again within 24 hours gets the first answer again and orders nothing.
#[utoipa::path(post, path = "/orders", tag = ORDERS, request_body = OrderRequest,
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "1 to 255 visible ASCII characters.")),
    responses((status = 201, body = Order, headers(("Location" = String, description = "The path of the order.")))))]
pub async fn create_order(
    State(state): State<AppState>,
    member: Member,
    IdempotencyKey(key): IdempotencyKey,
    JsonWithRaw { body, raw }: JsonWithRaw<OrderRequest>,
) -> Result<Response, ApiError> {
    let mut connection = state.db.acquire().await?;
    let wanted = body.resolve(&mut *connection).await?;
    let placed = place(&mut connection, member.id, key.as_deref(), &raw, &wanted).await;
    drop(connection);
    match placed {
        Ok(answer) => Ok(created(answer)),
        Err(refusal) => Err(create::name_requested(&state.db, refusal, &wanted, None).await),
    }
}

/// Orders `wanted`, unless `key` stands for an order that was placed before. `raw` is the body as it was sent.
async fn place(
    connection: &mut PgConnection,
    user: i64,
    key: Option<&str>,
    raw: &[u8],
    wanted: &[Wanted],
) -> Result<Answer, ApiError> {
    let Some(key) = key else { return Answer::to(&create::create(connection, user, wanted).await?) };
    let request = serde_json::from_slice::<JsonDigest>(raw).map_err(ApiError::unreadable)?;
    let mut tx = connection.begin().await?;
    if let Some(first) = idempotency::claim(&mut tx, user, key, request).await? {
        return Ok(first);
    }
    let answer = Answer::to(&create::create(&mut tx, user, wanted).await?)?;
    idempotency::keep(&mut tx, user, key, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

fn created(answer: Answer) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "application/json".to_owned()), (header::LOCATION, create::location(answer.order))];
    (StatusCode::CREATED, headers, answer.body).into_response()
}

/// The order with its entity tag.
fn tagged(order: Order) -> Response {
    ([(header::ETAG, order.etag())], Json(order)).into_response()
}

/// An order.
#[utoipa::path(get, path = "/orders/{uid}", tag = ORDERS, params(("uid" = Uuid, Path)),
    responses((status = 200, body = Order, headers(("ETag" = String, description = "For `If-Match`.")))))]
pub async fn get_order(State(state): State<AppState>, _: Member, uid: Uid) -> Result<Response, ApiError> {
    let uid = uid.get()?;
    let mut connection = state.db.acquire().await?;
    store::get(&mut connection, uid).await.map(tagged)
}

/// Replaces what is in an order that is still created: its owner, and admins. A snack that stays keeps its price.
#[utoipa::path(put, path = "/orders/{uid}", tag = ORDERS, request_body = OrderRequest,
    params(("uid" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "Entity tags that the order must have.")),
    responses((status = 200, body = Order, headers(("ETag" = String, description = "For `If-Match`.")))))]
pub async fn edit_order(
    State(state): State<AppState>,
    member: Member,
    uid: Uid,
    headers: HeaderMap,
    Json(body): Json<OrderRequest>,
) -> Result<Response, ApiError> {
    let wanted = body.resolve(&state.db).await?;
    let uid = uid.get()?;
    match edit::replace(&state.db, &member, &headers, uid, &wanted).await {
        Ok(order) => Ok(tagged(order)),
        Err(refusal) => Err(create::name_requested(&state.db, refusal, &wanted, Some(uid)).await),
    }
}

/// All of something.
#[derive(Serialize, ToSchema)]
pub struct Results<T> {
    results: Vec<T>,
}

/// What is in an order.
#[utoipa::path(get, path = "/orders/{uid}/snacks", tag = ORDERS, params(("uid" = Uuid, Path)),
    responses((status = 200, body = Results<Purchase>)))]
pub async fn list_order_snacks(
    State(state): State<AppState>,
    _: Member,
    uid: Uid,
) -> Result<Json<Results<Purchase>>, ApiError> {
    let uid = uid.get()?;
    let mut connection = state.db.acquire().await?;
    let order = store::get(&mut connection, uid).await?;
    Ok(Json(Results { results: order.purchases }))
}

/// The way of an order: its creation and every transition, oldest first.
#[utoipa::path(get, path = "/orders/{uid}/history", tag = ORDERS, params(("uid" = Uuid, Path)),
    responses((status = 200, body = Results<HistoryEntry>)))]
pub async fn get_order_history(
    State(state): State<AppState>,
    _: Member,
    uid: Uid,
) -> Result<Json<Results<HistoryEntry>>, ApiError> {
    let results = store::history(&state.db, uid.get()?).await?;
    Ok(Json(Results { results }))
}

/// Where an order is to go.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"status": "ordered", "estimated_arrival_time": "2024-01-09T03:00:00Z"}))]
pub struct StatusChange {
    #[schema(required, value_type = OrderStatus)]
    #[serde(default, deserialize_with = "crate::http::body::present")]
    #[validate(required(code = "required"))]
    status: Option<OrderStatus>,
    /// RFC 3339. Needed for `ordered` and `shipping`, ignored elsewhere.
    #[schema(value_type = Option<DateTime<Utc>>)]
    #[serde(default, deserialize_with = "instant")]
    estimated_arrival_time: Option<DateTime<Utc>>,
}

/// RFC 3339 to the letter, in UTC too: chrono's own Deserialize also takes years that no answer could show.
fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let instant = DateTime::parse_from_rfc3339(&text).map_err(de::Error::custom)?.to_utc();
    if (0..=9999).contains(&instant.year()) {
        Ok(Some(instant))
    } else {
        Err(de::Error::custom("the year has four digits in UTC"))
    }
}

/// Moves an order along its flow.
#[utoipa::path(method(put, patch), path = "/orders/{uid}/status", tag = ORDERS, request_body = StatusChange,
    params(("uid" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "Entity tags that the order must have.")),
    responses((status = 200, body = Order, headers(("ETag" = String, description = "For `If-Match`.")))))]
pub async fn change_order_status(
    State(state): State<AppState>,
    Admin(admin): Admin,
    uid: Uid,
    headers: HeaderMap,
    Json(body): Json<StatusChange>,
) -> Result<Response, ApiError> {
    let to = body.status.ok_or_else(|| ApiError::invalid("status", "required"))?;
    let arrival = body.estimated_arrival_time;
    transition::transition(&state.db, &admin, &headers, uid.get()?, to, arrival).await.map(tagged)
}

/// `POST /orders` as the scripts of the former service spell it.
#[utoipa::path(post, path = "/order", tag = ORDERS, request_body = OrderRequest,
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "1 to 255 visible ASCII characters.")),
    responses((status = 201, body = Order, headers(("Location" = String, description = "The path of the order.")))))]
#[deprecated]
pub async fn create_order_old(
    state: State<AppState>,
    member: Member,
    key: IdempotencyKey,
    body: JsonWithRaw<OrderRequest>,
) -> Result<Response, ApiError> {
    create_order(state, member, key, body).await
}

/// `GET /orders/{uid}` as the scripts of the former service spell it.
#[utoipa::path(get, path = "/order/{uid}", tag = ORDERS, params(("uid" = Uuid, Path)),
    responses((status = 200, body = Order, headers(("ETag" = String, description = "For `If-Match`.")))))]
#[deprecated]
pub async fn get_order_old(state: State<AppState>, member: Member, uid: Uid) -> Result<Response, ApiError> {
    get_order(state, member, uid).await
}

/// `PUT /orders/{uid}/status` as the scripts of the former service spell it.
#[utoipa::path(put, path = "/order/{uid}", tag = ORDERS, request_body = StatusChange,
    params(("uid" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "Entity tags that the order must have.")),
    responses((status = 200, body = Order, headers(("ETag" = String, description = "For `If-Match`.")))))]
#[deprecated]
pub async fn change_order_status_old(
    state: State<AppState>,
    admin: Admin,
    uid: Uid,
    headers: HeaderMap,
    body: Json<StatusChange>,
) -> Result<Response, ApiError> {
    change_order_status(state, admin, uid, headers, body).await
}
