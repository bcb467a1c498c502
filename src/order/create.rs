//! Creation of orders.

use rust_decimal::Decimal;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use uuid::Uuid;

use super::{
    request::{ResolvedLine, line_error, line_errors},
    status::OrderStatus,
    store::{NO_FOLLOWERS, ORDER, Order, Purchase},
};
use crate::{
    domain::money::{Currency, add},
    error::{ApiError, Code, ConflictingOrder, ErrorDetails},
};

#[derive(Clone, Copy, Debug)]
pub struct NewOrder<'a> {
    pub user: i64,
    pub note: &'a str,
    /// Sorted by snack.
    pub lines: &'a [ResolvedLine],
}

/// Creates an order. One statement writes all or nothing, and commits by itself outside of a
/// transaction.
///
/// # Errors
/// `snack_unavailable`; `snack_already_requested` when one of the snacks is in an open order of any user.
pub async fn create(
    connection: &mut PgConnection,
    NewOrder { user, note, lines }: NewOrder<'_>,
) -> Result<Order, ApiError> {
    check_available(lines)?;
    let columns = Columns::of(lines);
    // clock_timestamp as for every entry of the history. (SELECT ...) hides the number of lines from Postgres, which would plan again
    // for each number.
    let sql = format!(
        "WITH o AS (
            INSERT INTO orders (user_id, note) VALUES ($1, $7) RETURNING *),
        inserted AS (
            INSERT INTO purchases (order_id, snack_id, position, quantity, unit_price, currency)
            SELECT o.id, line.*
            FROM o, unnest((SELECT $2::bigint[]), (SELECT $3::int[]), (SELECT $4::int[]), (SELECT $5::numeric[]), (SELECT $6::currency[])) AS line),
        history AS (
            INSERT INTO order_history (order_id, to_status, actor_id, at) SELECT id, status, user_id, clock_timestamp() FROM o)
        {ORDER}{NO_FOLLOWERS} FROM o JOIN users AS person ON person.id = o.user_id"
    );
    let inserted = sqlx::query_as(AssertSqlSafe(sql))
        .bind(user)
        .bind(columns.snacks)
        .bind(columns.positions)
        .bind(columns.quantities)
        .bind(columns.prices)
        .bind(columns.currencies)
        .bind(note)
        .fetch_one(connection)
        .await;
    let mut order: Order = inserted.map_err(insert_error)?;
    let mut lines: Vec<&ResolvedLine> = lines.iter().collect();
    lines.sort_by_key(|line| line.position);
    for line in lines {
        let (purchase, money) = Purchase::new(line.snack.clone(), line.quantity, line.price, line.currency);
        order.purchases.push(purchase);
        add(&mut order.amounts, money);
    }
    Ok(order)
}

/// # Errors
/// `snack_unavailable` with the lines of unavailable snacks.
pub fn check_available<'a>(lines: impl IntoIterator<Item = &'a ResolvedLine>) -> Result<(), ApiError> {
    let unavailable: Vec<i32> = lines.into_iter().filter(|line| !line.is_available).map(|line| line.position).collect();
    if unavailable.is_empty() { Ok(()) } else { Err(line_errors(Code::SnackUnavailable, unavailable)) }
}

/// Adds `lines`, which are sorted by snack, to the order. Two orders with a common snack wait for each other at the first one, and the
/// unique index rejects the second order.
///
/// # Errors
/// `snack_already_requested`.
pub async fn insert_purchases<'a>(
    tx: &mut PgConnection,
    order: i64,
    lines: impl IntoIterator<Item = &'a ResolvedLine>,
) -> Result<(), ApiError> {
    let columns = Columns::of(lines);
    sqlx::query!(
        "INSERT INTO purchases (order_id, snack_id, position, quantity, unit_price, currency)
         SELECT $1, * FROM unnest($2::bigint[], $3::int[], $4::int[], $5::numeric[], $6::currency[])",
        order,
        &columns.snacks,
        &columns.positions,
        &columns.quantities,
        &columns.prices,
        &columns.currencies as &[Currency]
    )
    .execute(tx)
    .await
    .map_err(insert_error)?;
    Ok(())
}

/// Lines as columns, for `unnest`.
#[derive(Default)]
struct Columns {
    snacks: Vec<i64>,
    positions: Vec<i32>,
    quantities: Vec<i32>,
    prices: Vec<Decimal>,
    currencies: Vec<Currency>,
}

impl Columns {
    fn of<'a>(lines: impl IntoIterator<Item = &'a ResolvedLine>) -> Self {
        let mut columns = Self::default();
        for line in lines {
            columns.snacks.push(line.snack_id);
            columns.positions.push(line.position);
            columns.quantities.push(line.quantity);
            columns.prices.push(line.price);
            columns.currencies.push(line.currency);
        }
        columns
    }
}

fn insert_error(error: sqlx::Error) -> ApiError {
    if is_already_requested(&error) { Code::SnackAlreadyRequested.into() } else { error.into() }
}

fn is_already_requested(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|database| {
        // 40P01: an edit that removes one snack and adds another can deadlock with another order. The one that Postgres cancels has
        // met an open order with the same snack.
        database.constraint() == Some("purchases_one_open_order_per_snack")
            || database.code().as_deref() == Some("40P01")
    })
}

/// Adds to a `snack_already_requested` the lines whose snacks are in an open order other than `own`, and these orders. In a new
/// transaction, because the failed one accepts no more statements.
pub async fn add_conflict_details(db: &PgPool, error: ApiError, lines: &[ResolvedLine], own: Option<Uuid>) -> ApiError {
    if error.code != Code::SnackAlreadyRequested {
        return error;
    }
    let snacks: Vec<i64> = lines.iter().map(|line| line.snack_id).collect();
    let taken = sqlx::query!(
        r#"SELECT purchases.snack_id, orders.uid, orders.status AS "status: OrderStatus"
           FROM purchases JOIN orders ON orders.id = purchases.order_id
           WHERE purchases.blocks AND purchases.snack_id = ANY($1) AND orders.uid IS DISTINCT FROM $2"#,
        &snacks,
        own
    )
    .fetch_all(db)
    .await;
    let Ok(taken) = taken else { return error };
    let mut conflicts: Vec<(i32, ConflictingOrder)> = lines
        .iter()
        .filter_map(|line| {
            let row = taken.iter().find(|row| row.snack_id == line.snack_id)?;
            Some((line.position, ConflictingOrder { uid: row.uid, status: row.status.as_str() }))
        })
        .collect();
    conflicts.sort_unstable_by_key(|(position, _)| *position);
    let line_error =
        |(position, order)| line_error(Code::SnackAlreadyRequested, position).with_details(ErrorDetails::Order(order));
    Code::SnackAlreadyRequested.with_fields(conflicts.into_iter().map(line_error).collect())
}

/// URL path of an order.
pub fn location(uid: Uuid) -> String {
    format!("/orders/{uid}")
}
