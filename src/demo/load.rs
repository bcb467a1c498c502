//! The demo data is written in one transaction, with one statement for each kind of row.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, Duration, NaiveDate, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use sqlx::{PgConnection, PgPool};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::catalogue::{DISCONTINUED, DemoSnack, SNACKS};
use super::orders::Order;
use super::people::{ADMIN_EMAIL, ADMINS, PASSWORD, PEOPLE, RESIGNED};
use super::plan::Plan;
use crate::auth::password::hash_blocking;
use crate::db::locks::{Lock, wait_for_lock};
use crate::domain::period::Month;
use crate::domain::text::{email_key, fold};
use crate::error::ApiError;
use crate::snack::image::{Stored, prepare, remove, store};
use crate::snack::storage::Storage;

/// The limits of a month. They are above what the demo orders of a month cost.
const BUDGET_KRW: i64 = 900_000;
const BUDGET_USD: i64 = 400;
/// For the end of the year.
const DECEMBER_BUDGET_KRW: i64 = 1_500_000;

/// The result of [`load`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The rows and pictures were written.
    Loaded,
    /// Nothing was changed.
    AlreadyThere,
}

/// The reason why the demo data was not loaded. No rows were written.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Users who are not part of the demo data, by number.
    #[error("the database has users of its own ({0} of them); demo data goes into an empty one")]
    OtherUsers(i64),
    /// An error of Postgres.
    #[error("the demo data could not be written")]
    Sql(#[from] sqlx::Error),
    /// A picture could not be stored, or the password could not be hashed.
    #[error("the demo data could not be prepared")]
    Api(#[from] ApiError),
}

/// Fills the database with the demo data of the year that ends at `now`, unless it is there already. With `force` it does so
/// also when the database has other users; existing snacks with the same names are then left alone.
///
/// Pictures are stored first and rows written in one transaction, so that a run that is killed leaves no rows.
///
/// # Errors
/// [`DemoError::OtherUsers`] for a database with other users; otherwise an error of Postgres or of the storage.
pub async fn load(
    db: &PgPool,
    storage: &Storage,
    zone: Tz,
    now: DateTime<Utc>,
    force: bool,
) -> Result<Outcome, DemoError> {
    if is_loaded(&mut *db.acquire().await?, force).await? {
        return Ok(Outcome::AlreadyThere);
    }
    // Before the transaction: pictures take seconds, and the server takes a transaction of that length for a stuck one.
    let hash = spawn_blocking(|| hash_blocking(PASSWORD)).await.map_err(ApiError::internal)??;
    let pictures = store_pictures(storage).await?;
    let outcome = write(db, &pictures, &hash, zone, now, force).await;
    // Another run was faster. After an error the files stay, because the commit may have succeeded.
    if matches!(outcome, Ok(Outcome::AlreadyThere)) {
        for picture in &pictures {
            remove(storage, picture).await;
        }
    }
    outcome
}

async fn write(
    db: &PgPool,
    pictures: &[Stored],
    hash: &str,
    zone: Tz,
    now: DateTime<Utc>,
    force: bool,
) -> Result<Outcome, DemoError> {
    let mut tx = db.begin().await?;
    wait_for_lock(&mut tx, Lock::DemoData).await?;
    if is_loaded(&mut tx, force).await? {
        return Ok(Outcome::AlreadyThere);
    }
    let taken = taken_names(&mut tx).await?;
    let plan = Plan::new(now, zone, |snack| !taken.contains(&fold(SNACKS[snack].name)));
    let users = insert_users(&mut tx, &plan, hash).await?;
    let snacks = insert_snacks(&mut tx, &plan, &users, pictures).await?;
    insert_reactions(&mut tx, &plan, &users, &snacks).await?;
    let orders = insert_orders(&mut tx, &plan, &users).await?;
    insert_history(&mut tx, &plan, &users, &orders).await?;
    apply_transitions(&mut tx, &plan, &orders).await?;
    insert_purchases(&mut tx, &plan, &snacks, &orders).await?;
    insert_follows(&mut tx, &plan, &users, &orders).await?;
    insert_notifications(&mut tx, now, &orders).await?;
    insert_budgets(&mut tx, now, zone).await?;
    // Autovacuum comes a minute or two later, and takes the tables below 50 rows for empty.
    sqlx::raw_sql(concat!(
        "ANALYZE users, snacks, snack_reactions, orders, order_history, purchases, order_follows, notifications, ",
        "budget_limits"
    ))
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Outcome::Loaded)
}

/// True when the demo data is there. An error when the database has other users and `force` is off.
async fn is_loaded(db: &mut PgConnection, force: bool) -> Result<bool, DemoError> {
    if sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM users WHERE email_key = $1) AS "there!""#,
        email_key(ADMIN_EMAIL)
    )
    .fetch_one(&mut *db)
    .await?
    {
        return Ok(true);
    }
    let ours: Vec<String> = PEOPLE.iter().map(|(_, email)| email_key(email)).collect();
    let others = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM users WHERE email_key <> ALL ($1)"#, &ours)
        .fetch_one(db)
        .await?;
    if others > 0 && !force { Err(DemoError::OtherUsers(others)) } else { Ok(false) }
}

/// The names of existing snacks, in their comparison form.
async fn taken_names(db: &mut PgConnection) -> Result<Vec<String>, DemoError> {
    let names: Vec<String> = SNACKS.iter().map(|snack| fold(snack.name)).collect();
    Ok(sqlx::query_scalar!("SELECT name_key FROM snacks WHERE name_key = ANY ($1)", &names).fetch_all(db).await?)
}

async fn store_pictures(storage: &Storage) -> Result<Vec<Stored>, DemoError> {
    let mut pictures = Vec::with_capacity(SNACKS.len());
    for snack in &SNACKS {
        let prepared = spawn_blocking(|| prepare(snack.picture)).await.map_err(ApiError::internal)?;
        pictures.push(store(storage, prepared.map_err(ApiError::from)?).await?);
    }
    Ok(pictures)
}

/// Inserts the users and returns their ids, in the order of the table.
async fn insert_users(db: &mut PgConnection, plan: &Plan, hash: &str) -> Result<Vec<i64>, DemoError> {
    let keys: Vec<String> = PEOPLE.iter().map(|(_, email)| email_key(email)).collect();
    let types: Vec<String> =
        (0..PEOPLE.len()).map(|person| if person < ADMINS { "admin" } else { "member" }.into()).collect();
    sqlx::query!(
        "INSERT INTO users (email, email_key, name, name_key, password_hash, member_type, is_deleted, date_joined, last_login)
         SELECT email, email_key, name, name_key, $5, member_type::member_type, email = $9, date_joined, last_login
         FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $6::text[], $7::timestamptz[], $8::timestamptz[])
              WITH ORDINALITY AS people (email, email_key, name, name_key, member_type, date_joined, last_login, place)
         ORDER BY place
         ON CONFLICT (email_key) DO NOTHING",
        &PEOPLE.map(|(_, email)| email.to_owned()),
        &keys,
        &PEOPLE.map(|(name, _)| name.to_owned()),
        &PEOPLE.map(|(name, _)| fold(name)),
        hash,
        &types,
        &plan.joined,
        &plan.last_login as &[Option<DateTime<Utc>>],
        PEOPLE[RESIGNED].1,
    )
    .execute(&mut *db)
    .await?;
    Ok(sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM UNNEST($1::text[]) WITH ORDINALITY AS people (email_key, place)
           JOIN users USING (email_key) ORDER BY place"#,
        &keys,
    )
    .fetch_all(db)
    .await?)
}

/// Inserts the snacks whose names are free and returns their ids by their indexes in the table.
async fn insert_snacks(
    db: &mut PgConnection,
    plan: &Plan,
    users: &[i64],
    pictures: &[Stored],
) -> Result<HashMap<usize, i64>, DemoError> {
    let texts =
        |field: fn(&DemoSnack) -> &str| -> Vec<String> { SNACKS.iter().map(|snack| field(snack).to_owned()).collect() };
    let keys: Vec<String> = SNACKS.iter().map(|snack| fold(snack.name)).collect();
    let prices: Vec<Decimal> = SNACKS.iter().map(|snack| snack.price.parse().unwrap_or_default()).collect();
    let images: Vec<String> = pictures.iter().map(|picture| picture.image.clone()).collect();
    let thumbnails: Vec<String> = pictures.iter().map(|picture| picture.thumbnail.clone()).collect();
    let (by, at): (Vec<i64>, Vec<DateTime<Utc>>) =
        plan.registered.iter().map(|&(person, at)| (users[person], at)).unzip();
    let rows = sqlx::query!(
        "INSERT INTO snacks (name, name_key, url, \"desc\", currency, price, image, thumbnail, status, registered_by, created_at, updated_at)
         SELECT name, name_key, url, \"desc\", currency::currency, price, image, thumbnail,
                (CASE WHEN name = ANY ($11) THEN 'unavailable' ELSE 'available' END)::snack_status, by, at, at
         FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::numeric[], $7::text[], $8::text[],
                     $9::bigint[], $10::timestamptz[])
              WITH ORDINALITY AS rows (name, name_key, url, \"desc\", currency, price, image, thumbnail, by, at, place)
         ORDER BY at, place
         ON CONFLICT (name_key) DO NOTHING
         RETURNING id, name_key",
        &texts(|snack| snack.name),
        &keys,
        &texts(|snack| snack.url),
        &texts(|snack| snack.desc),
        &texts(|snack| snack.currency),
        &prices,
        &images,
        &thumbnails,
        &by,
        &at,
        &DISCONTINUED.map(str::to_owned),
    )
    .fetch_all(db)
    .await?;
    let mut ids: HashMap<String, i64> = rows.into_iter().map(|row| (row.name_key, row.id)).collect();
    Ok(keys.iter().enumerate().filter_map(|(place, key)| Some((place, ids.remove(key)?))).collect())
}

async fn insert_reactions(
    db: &mut PgConnection,
    plan: &Plan,
    users: &[i64],
    snacks: &HashMap<usize, i64>,
) -> Result<(), DemoError> {
    let (mut snack_ids, mut user_ids, mut types, mut at) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for reaction in &plan.reactions {
        if let Some(&snack) = snacks.get(&reaction.snack) {
            snack_ids.push(snack);
            user_ids.push(users[reaction.user]);
            types.push(if reaction.likes { "like" } else { "hate" }.to_owned());
            at.push(reaction.at);
        }
    }
    sqlx::query!(
        "INSERT INTO snack_reactions (snack_id, user_id, type, created_at)
         SELECT snack_id, user_id, type::reaction_type, at
         FROM UNNEST($1::bigint[], $2::bigint[], $3::text[], $4::timestamptz[]) AS rows (snack_id, user_id, type, at)
         ORDER BY at, snack_id, user_id",
        &snack_ids,
        &user_ids,
        &types,
        &at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Inserts the orders as `created` and returns their ids, the oldest first.
async fn insert_orders(db: &mut PgConnection, plan: &Plan, users: &[i64]) -> Result<Vec<i64>, DemoError> {
    let uids: Vec<Uuid> = plan.orders.iter().map(|_| Uuid::new_v4()).collect();
    let owners: Vec<i64> = plan.orders.iter().map(|order| users[order.owner]).collect();
    let at: Vec<DateTime<Utc>> = plan.orders.iter().map(|order| order.at).collect();
    let rows = sqlx::query!(
        "INSERT INTO orders (uid, user_id, note, created_at, updated_at)
         SELECT uid, user_id, note, at, at
         FROM UNNEST($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[])
              WITH ORDINALITY AS rows (uid, user_id, at, note, place)
         ORDER BY place
         RETURNING id, uid",
        &uids,
        &owners,
        &at,
        &plan.orders.iter().map(|order| order.note.to_owned()).collect::<Vec<_>>(),
    )
    .fetch_all(db)
    .await?;
    let ids: HashMap<Uuid, i64> = rows.into_iter().map(|row| (row.uid, row.id)).collect();
    Ok(uids.iter().filter_map(|uid| ids.get(uid).copied()).collect())
}

/// Inserts the history of all orders, the oldest entry first.
async fn insert_history(db: &mut PgConnection, plan: &Plan, users: &[i64], orders: &[i64]) -> Result<(), DemoError> {
    let mut rows = Vec::new();
    for (&id, order) in orders.iter().zip(&plan.orders) {
        rows.push((order.at, id, None, "created".to_owned(), users[order.owner], None, None));
        let mut from = "created";
        for step in &order.transitions {
            let reason = step.reason.map(str::to_owned);
            rows.push((
                step.at,
                id,
                Some(from.to_owned()),
                step.to.to_owned(),
                users[step.actor],
                step.arrival,
                reason,
            ));
            from = step.to;
        }
    }
    rows.sort_unstable();
    sqlx::query!(
        "INSERT INTO order_history (order_id, from_status, to_status, actor_id, estimated_arrival_time, reason, at)
         SELECT order_id, from_status::order_status, to_status::order_status, actor_id, arrival, reason, at
         FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::timestamptz[], $7::text[])
              WITH ORDINALITY AS rows (order_id, from_status, to_status, actor_id, arrival, at, reason, place)
         ORDER BY place",
        &rows.iter().map(|row| row.1).collect::<Vec<i64>>(),
        &rows.iter().map(|row| row.2.clone()).collect::<Vec<_>>() as &[Option<String>],
        &rows.iter().map(|row| row.3.clone()).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.4).collect::<Vec<i64>>(),
        &rows.iter().map(|row| row.5).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        &rows.iter().map(|row| row.0).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.6.clone()).collect::<Vec<_>>() as &[Option<String>],
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Applies all first transitions together, then all second ones, because the database refuses to skip a status.
async fn apply_transitions(db: &mut PgConnection, plan: &Plan, orders: &[i64]) -> Result<(), DemoError> {
    let longest = plan.orders.iter().map(|order| order.transitions.len()).max().unwrap_or(0);
    for nth in 0..longest {
        let (mut ids, mut to, mut arrivals, mut at, mut reasons) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (&id, step) in
            orders.iter().zip(&plan.orders).filter_map(|(id, order)| Some((id, order.transitions.get(nth)?)))
        {
            ids.push(id);
            to.push(step.to.to_owned());
            arrivals.push(step.arrival);
            at.push(step.at);
            reasons.push(step.reason.map(str::to_owned));
        }
        sqlx::query!(
            "UPDATE orders
             SET status = step.status::order_status, estimated_arrival_time = step.arrival, version = version + 1, updated_at = step.at,
                 reason = step.reason, approved_at = CASE WHEN step.status = 'approved' THEN step.at ELSE approved_at END
             FROM UNNEST($1::bigint[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[])
                  AS step (id, status, arrival, at, reason)
             WHERE orders.id = step.id",
            &ids,
            &to,
            &arrivals as &[Option<DateTime<Utc>>],
            &at,
            &reasons as &[Option<String>],
        )
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Inserts the lines of the orders. This is the last step, because a line copies whether its order blocks the snack.
async fn insert_purchases(
    db: &mut PgConnection,
    plan: &Plan,
    snacks: &HashMap<usize, i64>,
    orders: &[i64],
) -> Result<(), DemoError> {
    let (mut order_ids, mut snack_ids, mut places, mut quantities) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (&id, Order { lines, .. }) in orders.iter().zip(&plan.orders) {
        for (place, (snack, quantity)) in (0_i32..).zip(lines) {
            if let Some(&snack) = snacks.get(snack) {
                order_ids.push(id);
                snack_ids.push(snack);
                places.push(place);
                quantities.push(*quantity);
            }
        }
    }
    sqlx::query!(
        "INSERT INTO purchases (order_id, snack_id, position, quantity, unit_price, currency, blocks)
         SELECT order_id, snack_id, position, quantity, snacks.price, snacks.currency, orders.blocks
         FROM UNNEST($1::bigint[], $2::bigint[], $3::integer[], $4::integer[]) AS rows (order_id, snack_id, position, quantity)
         JOIN orders ON orders.id = order_id
         JOIN snacks ON snacks.id = snack_id
         ORDER BY order_id, snack_id",
        &order_ids,
        &snack_ids,
        &places,
        &quantities,
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn insert_follows(db: &mut PgConnection, plan: &Plan, users: &[i64], orders: &[i64]) -> Result<(), DemoError> {
    let follows = orders.iter().zip(&plan.orders);
    let follows =
        follows.flat_map(|(&id, order)| order.followers.iter().map(move |person| (id, users[*person], order.at)));
    let (mut order_ids, mut user_ids, mut at) = (Vec::new(), Vec::new(), Vec::new());
    for (order, user, ordered_at) in follows {
        order_ids.push(order);
        user_ids.push(user);
        at.push(ordered_at);
    }
    sqlx::query!(
        "INSERT INTO order_follows (order_id, user_id, created_at)
         SELECT order_id, user_id, at FROM UNNEST($1::bigint[], $2::bigint[], $3::timestamptz[]) AS rows (order_id, user_id, at)",
        &order_ids,
        &user_ids,
        &at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Notifies users of the history of the orders. The last three of each user are unread.
async fn insert_notifications(db: &mut PgConnection, now: DateTime<Utc>, orders: &[i64]) -> Result<(), DemoError> {
    sqlx::query!(
        "INSERT INTO notifications (user_id, kind, order_id, actor_id, details, created_at, read_at)
         SELECT reader.id, ('order_' || entry.to_status)::notification_kind, entry.order_id, entry.actor_id,
             jsonb_strip_nulls(jsonb_build_object('snack', lines.names[1], 'other_snacks', cardinality(lines.names) - 1,
                 'reason', entry.reason, 'estimated_arrival_time', entry.estimated_arrival_time)),
             entry.at, CASE WHEN row_number() OVER (PARTITION BY reader.id ORDER BY entry.at DESC) > 3 THEN entry.at END
         FROM order_history AS entry
         JOIN orders ON orders.id = entry.order_id
         CROSS JOIN LATERAL (
             SELECT array_agg(snacks.name ORDER BY purchases.position) AS names
             FROM purchases JOIN snacks ON snacks.id = purchases.snack_id WHERE purchases.order_id = orders.id) AS lines
         JOIN users AS reader ON NOT reader.is_deleted AND reader.id <> entry.actor_id AND CASE
             WHEN entry.from_status IS NULL THEN reader.member_type = 'admin'
             ELSE reader.id = orders.user_id
                 OR reader.id IN (SELECT user_id FROM order_follows WHERE order_id = orders.id) END
         WHERE orders.id = ANY($1) AND entry.at > $2::timestamptz - interval '180 days'
         ORDER BY entry.at, reader.id",
        orders,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Sets limits from the first month of the year on, and a higher one for the next December.
async fn insert_budgets(db: &mut PgConnection, now: DateTime<Utc>, zone: Tz) -> Result<(), DemoError> {
    let first = Month::of(now - Duration::days(364), zone).first_day();
    let december = NaiveDate::from_ymd_opt(now.with_timezone(&zone).year(), 12, 1);
    sqlx::query!(
        "INSERT INTO budget_limits (month, currency, is_onwards, amount)
         VALUES ($1, 'KRW', true, $2), ($1, 'USD', true, $3), ($4, 'KRW', false, $5)
         ON CONFLICT DO NOTHING",
        first,
        Decimal::from(BUDGET_KRW),
        Decimal::from(BUDGET_USD),
        december,
        Decimal::from(DECEMBER_BUDGET_KRW),
    )
    .execute(db)
    .await?;
    Ok(())
}
