//! Creating orders.

use rust_decimal::Decimal;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use uuid::Uuid;

use super::{
    request::{Wanted, blame},
    store::{self, ORDER, Order, Purchase},
};
use crate::{
    domain::money::Currency,
    error::{ApiError, Code},
};

/// Creates an order of `wanted`, which is sorted by snack, for `user`, all or nothing: one statement, which commits by itself
/// outside of a transaction.
///
/// # Errors
/// `snack_unavailable`; `snack_already_requested` when one of the snacks is in an open order, anybody's.
pub async fn create(connection: &mut PgConnection, user: i64, wanted: &[Wanted]) -> Result<Order, ApiError> {
    refuse_unavailable(wanted)?;
    let lines = Lines::of(wanted);
    // clock_timestamp, as every step of an order's way. Without (SELECT ...) Postgres sees how many lines there are, and plans
    // anew each time.
    let sql = format!(
        "WITH o AS (
            INSERT INTO orders (user_id) VALUES ($1) RETURNING *),
        bought AS (
            INSERT INTO purchases (order_id, snack_id, position, quantity, unit_price, currency)
            SELECT o.id, line.*
            FROM o, unnest((SELECT $2::bigint[]), (SELECT $3::int[]), (SELECT $4::int[]), (SELECT $5::numeric[]), (SELECT $6::currency[])) AS line),
        noted AS (
            INSERT INTO order_history (order_id, to_status, actor_id, at) SELECT id, status, user_id, clock_timestamp() FROM o)
        {ORDER} FROM o JOIN users AS person ON person.id = o.user_id"
    );
    let inserted = sqlx::query_as(AssertSqlSafe(sql))
        .bind(user)
        .bind(lines.snacks)
        .bind(lines.positions)
        .bind(lines.quantities)
        .bind(lines.prices)
        .bind(lines.currencies)
        .fetch_one(connection)
        .await;
    let mut order: Order = inserted.map_err(refusal)?;
    let mut wanted: Vec<&Wanted> = wanted.iter().collect();
    wanted.sort_by_key(|line| line.position);
    for line in wanted {
        let (purchase, money) = Purchase::new(line.snack.clone(), line.quantity, line.price, line.currency);
        order.purchases.push(purchase);
        store::add(&mut order.amounts, money);
    }
    Ok(order)
}

/// Refuses snacks that cannot be ordered at present.
///
/// # Errors
/// `snack_unavailable`, naming them.
pub fn refuse_unavailable<'a>(wanted: impl IntoIterator<Item = &'a Wanted>) -> Result<(), ApiError> {
    let unavailable: Vec<i32> =
        wanted.into_iter().filter(|line| !line.is_available).map(|line| line.position).collect();
    if unavailable.is_empty() { Ok(()) } else { Err(blame(Code::SnackUnavailable, unavailable)) }
}

/// Puts `wanted`, which is sorted by snack, into the order. Two orders that overlap wait for each other at the first snack they
/// share, and the index refuses the one that comes second.
///
/// # Errors
/// `snack_already_requested`.
pub async fn put_in<'a>(
    tx: &mut PgConnection,
    order: i64,
    wanted: impl IntoIterator<Item = &'a Wanted>,
) -> Result<(), ApiError> {
    let lines = Lines::of(wanted);
    sqlx::query!(
        "INSERT INTO purchases (order_id, snack_id, position, quantity, unit_price, currency)
         SELECT $1, * FROM unnest($2::bigint[], $3::int[], $4::int[], $5::numeric[], $6::currency[])",
        order,
        &lines.snacks,
        &lines.positions,
        &lines.quantities,
        &lines.prices,
        &lines.currencies as &[Currency]
    )
    .execute(tx)
    .await
    .map_err(refusal)?;
    Ok(())
}

/// What is wanted in columns, for `unnest`.
#[derive(Default)]
struct Lines {
    snacks: Vec<i64>,
    positions: Vec<i32>,
    quantities: Vec<i32>,
    prices: Vec<Decimal>,
    currencies: Vec<Currency>,
}

impl Lines {
    fn of<'a>(wanted: impl IntoIterator<Item = &'a Wanted>) -> Self {
        let mut lines = Self::default();
        for line in wanted {
            lines.snacks.push(line.snack_id);
            lines.positions.push(line.position);
            lines.quantities.push(line.quantity);
            lines.prices.push(line.price);
            lines.currencies.push(line.currency);
        }
        lines
    }
}

/// What Postgres means by refusing to put snacks into an order.
fn refusal(error: sqlx::Error) -> ApiError {
    if met_open_order(&error) { Code::SnackAlreadyRequested.into() } else { error.into() }
}

fn met_open_order(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|database| {
        // An edit that frees one snack while it takes another can deadlock with a neighbour; whoever Postgres picks has
        // met an open order of the same snack all the same.
        database.constraint() == Some("purchases_one_open_order_per_snack")
            || database.code().as_deref() == Some("40P01")
    })
}

/// Adds to a `snack_already_requested` which of the snacks are in an open order other than `own`. Asked after the
/// transaction that was refused, which cannot be asked any more.
pub async fn name_requested(db: &PgPool, refusal: ApiError, wanted: &[Wanted], own: Option<Uuid>) -> ApiError {
    if refusal.code != Code::SnackAlreadyRequested {
        return refusal;
    }
    let snacks: Vec<i64> = wanted.iter().map(|line| line.snack_id).collect();
    let taken = sqlx::query_scalar!(
        "SELECT purchases.snack_id FROM purchases JOIN orders ON orders.id = purchases.order_id
         WHERE purchases.blocks AND purchases.snack_id = ANY($1) AND orders.uid IS DISTINCT FROM $2",
        &snacks,
        own
    )
    .fetch_all(db)
    .await;
    let Ok(taken) = taken else { return refusal };
    let mut positions: Vec<i32> =
        wanted.iter().filter(|line| taken.contains(&line.snack_id)).map(|line| line.position).collect();
    positions.sort_unstable();
    blame(Code::SnackAlreadyRequested, positions)
}

/// The path of the order `uid`.
#[must_use]
pub fn location(uid: Uuid) -> String {
    format!("/orders/{uid}")
}
