//! Fixtures of orders and statistics: request bodies, orders in a status, and orders of any day, which no request can
//! create.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use snack_server::order::{
    create::{NewOrder, create},
    request::OrderRequest,
};
use sqlx::{PgPool, Postgres, Transaction};

use crate::support::{
    response::Body,
    test_app::{TestApp, TestUser},
};

/// Statuses in the order of the flow.
pub const FLOW: [&str; 6] = ["created", "approved", "ordered", "shipping", "completed", "canceled"];

/// The body of an order of these snacks and quantities.
pub fn order_body(lines: &[(&str, i64)]) -> Value {
    let lines: Vec<Value> = lines.iter().map(|(uid, quantity)| json!({"uid": uid, "quantity": quantity})).collect();
    json!({"snacks": lines})
}

/// Moves a created order to `status` step by step.
pub async fn advance_order(app: &TestApp, admin: &TestUser, order: &str, status: &str) {
    let steps: &[&str] = match status {
        "created" => &[],
        "canceled" => &["canceled"],
        further => &FLOW[1..=FLOW.iter().position(|at| *at == further).expect("a status")],
    };
    for step in steps {
        app.set_status(admin, order, step).await.expect(200);
    }
}

/// Creates an order of a new snack and moves it to `status`.
pub async fn order_with_status(app: &TestApp, admin: &TestUser, status: &str) -> String {
    let snack = app.snack(admin, &format!("간식 {}", uuid::Uuid::new_v4())).await;
    let order = app.order(admin, &[&snack]).await;
    advance_order(app, admin, &order, status).await;
    order
}

/// Registers a snack with a price and returns its uid.
pub async fn snack_with_price(app: &TestApp, user: &TestUser, name: &str, currency: &str, price: &str) -> String {
    let body = json!({"name": name, "currency": currency, "price": price});
    app.post(user, "/snacks", body).await.expect(201).uid()
}

/// Inserts `count` snacks of 100 won into the database and returns their uids in the order of their rows.
pub async fn insert_snacks(app: &TestApp, count: i32) -> Vec<String> {
    sqlx::query_scalar(
        "INSERT INTO snacks (name, name_key, price) SELECT 'n' || n, 'n' || n, 100 FROM generate_series(1, $1) AS n
         RETURNING uid::text",
    )
    .bind(count)
    .fetch_all(app.db())
    .await
    .expect("snacks")
}

/// Creates enough rows for a second page of every list. Returns the admin, who sees them all.
pub async fn fill_lists(app: &TestApp) -> TestUser {
    let admin = app.admin().await;
    app.member().await;
    for name in ["새우깡", "초코파이", "양파링"] {
        let snack = app.snack(&admin, name).await;
        let order = app.order(&admin, &[&snack]).await;
        app.set_status(&admin, &order, "approved").await.expect(200);
        if name != "양파링" {
            app.set_status(&admin, &order, "ordered").await.expect(200);
        }
    }
    admin
}

/// Every page of a list, `limit` rows at a time. `between` runs before each page but the first.
pub async fn walk(
    app: &TestApp,
    user: &TestUser,
    path: &str,
    limit: u32,
    mut between: impl AsyncFnMut(),
) -> Vec<Value> {
    let join = if path.contains('?') { '&' } else { '?' };
    let first = format!("{path}{join}limit={limit}");
    let (mut rows, mut next) = (Vec::new(), first.clone());
    for _ in 0..100 {
        let page: Body = app.get(user, &next).await.expect(200);
        assert!(page.rows().len() <= limit as usize);
        rows.extend(page.rows().clone());
        let Some(cursor) = page["next_cursor"].as_str() else {
            return rows;
        };
        assert_eq!(page.rows().len(), limit as usize, "only the last page is short");
        next = format!("{first}&cursor={cursor}");
        between().await;
    }
    panic!("{path} does not end");
}

pub fn texts<'a>(rows: &'a [Value], key: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[key].as_str().expect("a text")).collect()
}

pub async fn count(db: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(db).await.expect("a number")
}

/// Creates an order as the server does, in a transaction that the caller ends.
pub async fn uncommitted_order(
    app: &TestApp,
    user: &TestUser,
    snack: &str,
    quantity: i64,
) -> Transaction<'static, Postgres> {
    let request: OrderRequest = serde_json::from_value(order_body(&[(snack, quantity)])).expect("a request");
    let lines = request.resolve(app.db()).await.expect("snacks");
    let mut tx = app.db().begin().await.expect("a transaction");
    create(&mut tx, NewOrder { user: user.id, note: "", lines: &lines }).await.expect("an order");
    tx
}

/// Waits until `transactions` transactions of the server wait for a lock.
pub async fn wait_for_blocked(app: &TestApp, transactions: i64) {
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted
        AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())";
    for _ in 0..20_000 {
        if count(app.db(), waiting).await >= transactions {
            return;
        }
    }
    panic!("no transaction waits");
}

/// Changes the time at which an order was created.
pub async fn created_at(app: &TestApp, order: &str, instant: &str) {
    let moved = sqlx::query("UPDATE orders SET created_at = $2::text::timestamptz WHERE uid = $1::text::uuid")
        .bind(order)
        .bind(instant)
        .execute(app.db())
        .await
        .expect("an update");
    assert_eq!(moved.rows_affected(), 1);
}

/// One line of an order that is inserted into the database.
#[derive(Clone, Debug)]
pub struct LineFixture {
    /// The snack's uid.
    pub snack: String,
    pub quantity: i32,
    pub currency: &'static str,
    /// In hundredths, whatever the currency.
    pub cents: i64,
}

/// An order that is inserted into the database: shipped or canceled, so that it does not block other orders.
#[derive(Clone, Debug)]
pub struct OrderFixture {
    pub created_at: DateTime<Utc>,
    pub is_canceled: bool,
    pub lines: Vec<LineFixture>,
}

/// An order of `quantity` of a snack at 1,000 won.
pub fn shipped_order(created_at: DateTime<Utc>, snack: &str, quantity: i32) -> OrderFixture {
    let line = LineFixture { snack: snack.to_owned(), quantity, currency: "KRW", cents: 100_000 };
    OrderFixture { created_at, is_canceled: false, lines: vec![line] }
}

pub fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

/// The sums of `lines` as responses show them.
pub fn amounts<'a>(lines: &(impl IntoIterator<Item = &'a LineFixture> + Clone)) -> Value {
    let sum = |currency: &str| {
        let lines = lines.clone().into_iter().filter(|line| line.currency == currency);
        lines.map(|line| i64::from(line.quantity) * line.cents).reduce(|a, b| a + b)
    };
    let shown = ["KRW", "USD", "JPY"].into_iter().filter_map(|currency| {
        let cents = sum(currency)?;
        let amount = match currency {
            "USD" => format!("{}.{:02}", cents / 100, cents % 100),
            _ => (cents / 100).to_string(),
        };
        Some(json!({"currency": currency, "amount": amount}))
    });
    shown.collect()
}

/// Inserts `orders` as orders of `user`, through the same statuses as the server.
pub async fn insert_orders(db: &PgPool, user: &TestUser, orders: &[OrderFixture]) {
    let mut tx = db.begin().await.expect("a transaction");
    let instants: Vec<_> = orders.iter().map(|order| order.created_at).collect();
    let canceled: Vec<_> = orders.iter().map(|order| order.is_canceled).collect();
    let ids: Vec<i64> = sqlx::query_scalar(
        "INSERT INTO orders (user_id, created_at)
         SELECT $1, instant FROM unnest($2::timestamptz[]) WITH ORDINALITY AS fixture (instant, at) ORDER BY at RETURNING id",
    )
    .bind(user.id)
    .bind(&instants)
    .fetch_all(&mut *tx)
    .await
    .expect("orders");
    for (status, is_canceled) in [("canceled", true), ("approved", false), ("ordered", false), ("shipping", false)] {
        sqlx::query(
            "UPDATE orders SET status = $1::text::order_status,
                 estimated_arrival_time = CASE WHEN $1 IN ('ordered', 'shipping') THEN now() END
             FROM unnest($2::bigint[], $3::bool[]) AS fixture (id, is_canceled)
             WHERE orders.id = fixture.id AND fixture.is_canceled = $4",
        )
        .bind(status)
        .bind(&ids)
        .bind(&canceled)
        .bind(is_canceled)
        .execute(&mut *tx)
        .await
        .expect("a step");
    }
    let lines = ids
        .iter()
        .zip(orders)
        .flat_map(|(id, order)| order.lines.iter().enumerate().map(move |(at, line)| (*id, at, line)));
    let lines: Vec<Value> = lines
        .map(|(id, at, line)| {
            json!({"order_id": id, "position": at, "snack": line.snack, "quantity": line.quantity,
                "currency": line.currency, "cents": line.cents})
        })
        .collect();
    sqlx::query(
        "INSERT INTO purchases (order_id, snack_id, position, quantity, unit_price, currency, blocks)
         SELECT order_id, snacks.id, position, quantity, cents / 100.0, line.currency, false
         FROM jsonb_to_recordset($1) AS line (order_id bigint, position int, snack uuid, quantity int, currency currency, cents bigint)
         JOIN snacks ON snacks.uid = line.snack",
    )
    .bind(Value::Array(lines))
    .execute(&mut *tx)
    .await
    .expect("purchases");
    tx.commit().await.expect("a commit");
}
