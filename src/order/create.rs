//! Creating orders.

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{
    request::{Wanted, blame},
    status::OrderStatus,
    store::{self, Order},
};
use crate::{
    error::{ApiError, Code},
    money::Currency,
};

/// Creates an order of `wanted` for `user`, all or nothing, inside the caller's transaction.
///
/// # Errors
/// `snack_unavailable`; `snack_already_requested` when one of the snacks is in an open order, anybody's.
pub async fn create(tx: &mut PgConnection, user: i64, wanted: &[Wanted]) -> Result<Order, ApiError> {
    refuse_unavailable(wanted)?;
    let order =
        sqlx::query!("INSERT INTO orders (user_id) VALUES ($1) RETURNING id, uid", user).fetch_one(&mut *tx).await?;
    put_in(tx, order.id, wanted).await?;
    store::record(tx, order.id, None, OrderStatus::Created, user, None).await?;
    store::get(tx, order.uid).await
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
    let wanted: Vec<&Wanted> = wanted.into_iter().collect();
    let snacks: Vec<i64> = wanted.iter().map(|line| line.snack_id).collect();
    let positions: Vec<i32> = wanted.iter().map(|line| line.position).collect();
    let quantities: Vec<i32> = wanted.iter().map(|line| line.quantity).collect();
    let prices: Vec<_> = wanted.iter().map(|line| line.price).collect();
    let currencies: Vec<Currency> = wanted.iter().map(|line| line.currency).collect();
    let inserted = sqlx::query!(
        "INSERT INTO purchases (order_id, snack_id, position, quantity, unit_price, currency)
         SELECT $1, * FROM unnest($2::bigint[], $3::int[], $4::int[], $5::numeric[], $6::currency[])",
        order,
        &snacks,
        &positions,
        &quantities,
        &prices,
        &currencies as &[Currency]
    )
    .execute(tx)
    .await;
    match inserted {
        Ok(_) => Ok(()),
        Err(error) if met_open_order(&error) => Err(Code::SnackAlreadyRequested.into()),
        Err(error) => Err(error.into()),
    }
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
