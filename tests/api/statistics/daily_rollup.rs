//! The daily rollup against a plain recount, while orders are created, canceled, edited, moved and deleted.

use chrono::{Days, NaiveDate, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};
use snack_server::{
    domain::period::{DateRange, Unit, day_of},
    statistics::{
        daily_rollup::{mark_stale, refresh},
        store::summary,
    },
};
use sqlx::{Connection, PgConnection, PgPool};

use crate::support::{
    fixtures::{count, insert_snacks},
    test_app::TestApp,
};

const ZONE: Tz = Tz::Asia__Seoul;
/// Orders are created today and on this many days before.
const DAYS: u64 = 20;

/// Random changes. Some violate a constraint on purpose and change nothing.
const CHANGES: [&str; 7] = [
    "WITH o AS (INSERT INTO orders (user_id, created_at)
                SELECT id, now() - random() * interval '20 days' FROM users LIMIT 1 RETURNING id)
     INSERT INTO purchases (order_id, snack_id, position, quantity, unit_price, currency)
     SELECT o.id, free.id, free.number, 1 + floor(random() * 9), 100 * (1 + floor(random() * 50)), (ARRAY['KRW', 'USD', 'JPY']::currency[])[free.number]
     FROM o, (SELECT id, (row_number() OVER ())::int AS number FROM (
         SELECT id FROM snacks WHERE NOT EXISTS (SELECT FROM purchases WHERE blocks AND snack_id = snacks.id) ORDER BY random()
         LIMIT 1 + floor(random() * 3)::int) AS few) AS free",
    "UPDATE orders SET status = 'canceled' WHERE id IN (SELECT id FROM orders WHERE status = 'created' ORDER BY random() LIMIT 1)",
    "UPDATE purchases SET quantity = 1 + floor(random() * 9) WHERE order_id IN (SELECT id FROM orders ORDER BY random() LIMIT 2)",
    "UPDATE purchases SET unit_price = 700, currency = 'JPY' WHERE order_id IN (SELECT id FROM orders ORDER BY random() LIMIT 1)",
    "DELETE FROM purchases WHERE order_id IN (SELECT id FROM orders ORDER BY random() LIMIT 1)",
    "UPDATE orders SET created_at = now() - random() * interval '20 days' WHERE id IN (SELECT id FROM orders ORDER BY random() LIMIT 1)",
    "DELETE FROM orders WHERE id IN (SELECT id FROM orders ORDER BY random() LIMIT 1)",
];

/// Makes one change and commits three of four.
async fn change(db: &PgPool, at: usize) {
    let mut tx = db.begin().await.expect("a transaction");
    let changed = sqlx::query(CHANGES[at % CHANGES.len()]).execute(&mut *tx).await;
    if changed.is_ok() && at % 4 != 3 {
        // A deadlock may end the change here, in which case nothing has changed.
        let _ = tx.commit().await;
    }
}

async fn setup() -> TestApp {
    let app = TestApp::start().await;
    app.users(1).await;
    insert_snacks(&app, 2000).await;
    for at in (0..400).map(|at| at * CHANGES.len()) {
        change(app.db(), at).await;
    }
    assert!(count(app.db(), "SELECT count(*) FROM orders").await > 200);
    app
}

fn range() -> DateRange {
    let today = day_of(Utc::now(), ZONE);
    DateRange { from: Some(today - Days::new(DAYS + 2)), to: Some(today + Days::new(1)) }
}

/// The server's sums of every day, and the recount: orders, snacks, and the amount of each currency.
async fn server_and_recount(connection: &mut PgConnection, zone: Tz, canceled: bool) -> (Vec<Value>, Vec<Value>) {
    let server = summary(connection, range(), Unit::Day, zone, canceled).await.expect("a summary");
    let server = serde_json::to_value(server).expect("JSON");
    let server = server["results"].as_array().expect("results").iter().filter(|day| day["order_count"] != 0);
    let server = server.map(|day| {
        let amounts = day["amounts"].as_array().expect("amounts");
        let cents: i64 = amounts.iter().map(|sum| cents(sum["amount"].as_str().expect("an amount"))).sum();
        json!([day["period"], day["order_count"], day["snack_quantity"], amounts.len(), cents])
    });
    let server = server.collect();
    let there: Vec<(String, i64, i64, i64, i64)> = sqlx::query_as(
        "SELECT (o.created_at AT TIME ZONE $1)::date::text, count(DISTINCT o.id), coalesce(sum(p.quantity), 0)::bigint,
             count(DISTINCT p.currency), coalesce(sum(p.quantity * p.unit_price * 100), 0)::bigint
         FROM orders AS o LEFT JOIN purchases AS p ON p.order_id = o.id WHERE $2 OR o.status <> 'canceled' GROUP BY 1 ORDER BY 1",
    )
    .bind(zone.name())
    .bind(canceled)
    .fetch_all(connection)
    .await
    .expect("a recount");
    (server, there.into_iter().map(|day| json!([day.0, day.1, day.2, day.3, day.4])).collect())
}

/// An amount in hundredths.
fn cents(amount: &str) -> i64 {
    let (whole, rest) = amount.split_once('.').unwrap_or((amount, "00"));
    format!("{whole}{rest}").parse().expect("an amount")
}

fn today() -> NaiveDate {
    day_of(Utc::now(), ZONE)
}

#[tokio::test]
async fn sums_equal_a_recount_at_every_moment_of_concurrent_changes() {
    let app = setup().await;
    let writers: Vec<_> = (0..4_usize)
        .map(|writer| {
            let db = app.db().clone();
            tokio::spawn(async move {
                for at in 0..250 {
                    // Numbers with which every change meets every remainder of four.
                    change(&db, at * 5 + writer).await;
                }
            })
        })
        .collect();
    let settlers: Vec<_> = (0..2)
        .map(|_| {
            let (db, stop) = (app.db().clone(), app.state.stop.clone());
            tokio::spawn(async move {
                let mut settled = 0;
                while !stop.is_cancelled() {
                    mark_stale(&db).await.expect("a stale mark");
                    settled += refresh(&db, ZONE, today()).await.expect("a refresh");
                }
                settled
            })
        })
        .collect();
    let mut looks = 0;
    while looks < 40 || writers.iter().any(|writer| !writer.is_finished()) {
        let mut connection = app.db().acquire().await.expect("a connection");
        let mut tx = connection.begin().await.expect("a transaction");
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *tx).await.expect("one snapshot");
        let (server, there) = server_and_recount(&mut tx, ZONE, looks % 2 == 0).await;
        assert_eq!(server, there, "look {looks}");
        looks += 1;
    }
    app.state.stop.cancel();
    let mut settled = 0;
    for settler in settlers {
        settled += settler.await.expect("a settler");
    }
    assert!(settled > 100, "{settled}");
}

#[tokio::test]
async fn stored_sums_are_read_and_wrong_ones_are_corrected() {
    let app = setup().await;
    refresh(app.db(), ZONE, today()).await.expect("a refresh");
    let mut connection = app.db().acquire().await.expect("a connection");
    assert!(count(app.db(), "SELECT count(*) FROM daily_rollup").await >= 15);
    let (server, there) = server_and_recount(&mut connection, ZONE, false).await;
    assert_eq!(server, there);

    // A change by hand in a past day is found, although the day was not marked as changed.
    sqlx::query("UPDATE daily_rollup SET order_count = order_count + 1").execute(app.db()).await.expect("an update");
    let (server, there) = server_and_recount(&mut connection, ZONE, false).await;
    assert_ne!(server, there);
    mark_stale(app.db()).await.expect("a stale mark");
    let (server, there) = server_and_recount(&mut connection, ZONE, false).await;
    assert_eq!(server, there, "a stale day is counted");
    assert!(refresh(app.db(), ZONE, today()).await.expect("a refresh") >= 15);
    assert_eq!(refresh(app.db(), ZONE, today()).await.expect("a refresh"), 0);
    let (server, there) = server_and_recount(&mut connection, ZONE, false).await;
    assert_eq!(server, there);
}

#[tokio::test]
async fn another_time_zone_finds_no_wrong_sums_and_makes_its_own() {
    let app = setup().await;
    refresh(app.db(), ZONE, today()).await.expect("a refresh");
    let mut connection = app.db().acquire().await.expect("a connection");
    for zone in [Tz::UTC, Tz::Asia__Kathmandu, Tz::America__New_York] {
        for canceled in [false, true] {
            let (server, there) = server_and_recount(&mut connection, zone, canceled).await;
            assert_eq!(server, there, "{zone}, with the sums of another");
        }
        mark_stale(app.db()).await.expect("a stale mark");
        refresh(app.db(), zone, day_of(Utc::now(), zone)).await.expect("a refresh");
        let (server, there) = server_and_recount(&mut connection, zone, false).await;
        assert_eq!(server, there, "{zone}");
        let overlapping = "SELECT count(*) FROM daily_rollup AS a JOIN daily_rollup AS b
            ON a.starts_at < b.starts_at AND a.ends_at > b.starts_at";
        assert_eq!(count(app.db(), overlapping).await, 0);
    }
}
