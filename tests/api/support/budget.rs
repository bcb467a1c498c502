//! Fixtures of budgets.

use chrono::Utc;
use chrono_tz::Asia::Seoul;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    fixtures::{order_body, snack_with_price},
    test_app::{TestApp, TestUser},
};

/// The current month in the time zone of the tests.
pub fn this_month() -> String {
    Utc::now().with_timezone(&Seoul).format("%Y-%m").to_string()
}

/// The budget of a month, null if there is none.
pub async fn budget(app: &TestApp, user: &TestUser, month: &str, currency: &str) -> Value {
    let budgets = app.get(user, &format!("/budgets?month={month}")).await.expect(200);
    budgets.rows().iter().find(|budget| budget["currency"] == currency).cloned().unwrap_or_default()
}

/// Sets the limit of the current month.
pub async fn set_budget(app: &TestApp, admin: &TestUser, currency: &str, amount: Value) {
    let body = json!({"currency": currency, "amount": amount});
    app.put(admin, &format!("/budgets/{}", this_month()), body).await.expect(200);
}

/// Orders `quantity` of a new snack and returns the order's uid.
pub async fn order_of(app: &TestApp, user: &TestUser, currency: &str, price: &str, quantity: i64) -> String {
    let snack = snack_with_price(app, user, &format!("간식 {}", Uuid::new_v4()), currency, price).await;
    app.post(user, "/orders", order_body(&[(&snack, quantity)])).await.expect(201).uid()
}
