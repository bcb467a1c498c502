//! Limits of months: for a month alone and from a month on, and invalid ones.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    budget::{budget, this_month},
    test_app::{TestApp, TestUser},
};

async fn set(app: &TestApp, admin: &TestUser, month: &str, amount: Value, applies: &str) {
    let body = json!({"currency": "KRW", "amount": amount, "applies": applies});
    app.put(admin, &format!("/budgets/{month}"), body).await.expect(200);
}

/// The limits of the months of 2030 in won, null for those without.
async fn limits(app: &TestApp, user: &TestUser) -> Vec<Value> {
    let mut limits = Vec::new();
    for month in 1..=12 {
        limits.push(budget(app, user, &format!("2030-{month:02}"), "KRW").await["amount"].clone());
    }
    limits
}

#[tokio::test]
async fn a_limit_is_for_a_month_alone_or_until_another_is_set() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let expected = |parts: &[(usize, Value)]| -> Vec<Value> {
        parts.iter().flat_map(|(months, amount)| vec![amount.clone(); *months]).collect()
    };
    set(&app, &admin, "2030-03", json!("300000"), "onwards").await;
    set(&app, &admin, "2030-06", json!(600_000), "month").await;
    assert_eq!(
        limits(&app, &member).await,
        expected(&[(2, json!(null)), (3, json!("300000")), (1, json!("600000")), (6, json!("300000"))])
    );
    // The limit of the single month stays, and that of a later month begins there.
    set(&app, &admin, "2030-04", json!("400000"), "onwards").await;
    set(&app, &admin, "2030-10", json!("0"), "onwards").await;
    assert_eq!(
        limits(&app, &member).await,
        expected(&[
            (2, json!(null)),
            (1, json!("300000")),
            (2, json!("400000")),
            (1, json!("600000")),
            (3, json!("400000")),
            (3, json!("0")),
        ])
    );
    // A month without a limit among months with one; a month that begins a new limit loses its own.
    set(&app, &admin, "2030-08", json!(null), "month").await;
    set(&app, &admin, "2030-06", json!("650000"), "onwards").await;
    set(&app, &admin, "2030-11", json!(null), "onwards").await;
    assert_eq!(
        limits(&app, &member).await,
        expected(&[
            (2, json!(null)),
            (1, json!("300000")),
            (2, json!("400000")),
            (2, json!("650000")),
            (1, json!(null)),
            (1, json!("650000")),
            (1, json!("0")),
            (2, json!(null)),
        ])
    );
    // Other years and currencies are not affected.
    assert_eq!(budget(&app, &member, "2031-01", "KRW").await, Value::Null);
    assert_eq!(budget(&app, &member, "2030-03", "USD").await, Value::Null);
}

#[tokio::test]
async fn a_budget_has_the_digits_of_its_currency_and_is_in_the_audit_log() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let put = |body: Value| {
        let (app, admin) = (&app, &admin);
        async move { app.put(admin, "/budgets/2030-01", body).await.expect(200).0 }
    };
    assert_eq!(
        put(json!({"currency": "USD", "amount": "1200.5", "applies": "onwards"})).await,
        json!({"month": "2030-01", "currency": "USD", "amount": "1200.50", "committed": "0.00", "pending": "0.00",
            "remaining": "1200.50"})
    );
    assert_eq!(
        put(json!({"currency": "KRW", "amount": 999_999_999_999_i64})).await,
        json!({"month": "2030-01", "currency": "KRW", "amount": "999999999999", "committed": "0", "pending": "0",
            "remaining": "999999999999"})
    );
    assert_eq!(put(json!({"currency": "KRW", "amount": null})).await["amount"], Value::Null);
    let audit = app.get(&admin, "/audit?action=budget_change").await.expect(200);
    assert_eq!(
        audit.column("subject"),
        ["2030-01 KRW none month", "2030-01 KRW 999999999999 month", "2030-01 USD 1200.50 onwards"]
    );
    assert!(audit.rows().iter().all(|entry| entry["actor"]["id"] == admin.id && entry["outcome"] == "ok"));
}

#[tokio::test]
async fn an_invalid_limit_is_refused_and_changes_nothing() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    set(&app, &admin, "2030-01", json!("1000"), "onwards").await;
    let before = app.get(&admin, "/budgets?month=2030-01").await.expect(200);
    let invalid = [
        (json!({}), "validation_failed", vec!["amount", "currency"]),
        (json!({"currency": "KRW"}), "validation_failed", vec!["amount"]),
        (json!({"amount": "5"}), "validation_failed", vec!["currency"]),
        (json!({"currency": "KRW", "amount": "-1"}), "validation_failed", vec!["amount"]),
        (json!({"currency": "KRW", "amount": "1.5"}), "validation_failed", vec!["amount"]),
        (json!({"currency": "USD", "amount": "1.505"}), "validation_failed", vec!["amount"]),
        (json!({"currency": "JPY", "amount": "1000000000000"}), "validation_failed", vec!["amount"]),
        (json!({"currency": "KRW", "amount": "much"}), "validation_failed", vec!["amount"]),
        (json!({"currency": "EUR", "amount": "5"}), "invalid_request", vec![]),
        (json!({"currency": null, "amount": "5"}), "invalid_request", vec![]),
        (json!({"currency": "KRW", "amount": true}), "invalid_request", vec![]),
        (json!({"currency": "KRW", "amount": "5", "applies": "forever"}), "invalid_request", vec![]),
    ];
    for (body, code, fields) in invalid {
        let shown = body.to_string();
        let error = app.put(&admin, "/budgets/2030-01", body).await.expect_error(400, code);
        assert_eq!(error.error_fields(), fields, "{shown}");
    }
    let valid = json!({"currency": "KRW", "amount": "5"});
    for month in ["2030-13", "2030-00", "2030-1", "203-01", "2030-01-01", "0000-01", "now", "%FF", "2030-+1"] {
        app.put(&admin, &format!("/budgets/{month}"), valid.clone()).await.expect_error(404, "not_found");
        app.put(&admin, &format!("/budgets/{month}"), json!({})).await.expect_error(400, "validation_failed");
        if month != "%FF" {
            app.get(&admin, &format!("/budgets?month={month}")).await.expect_error(400, "invalid_request");
        }
    }
    app.put(&member, "/budgets/2030-01", valid).await.expect_error(403, "permission_denied");
    assert_eq!(app.get(&admin, "/budgets?month=2030-01").await.expect(200), before);
}

#[tokio::test]
async fn the_first_and_the_last_month_of_the_calendar_have_budgets() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for month in ["0001-01", "9999-12"] {
        set(&app, &admin, month, json!("7"), "month").await;
        assert_eq!(budget(&app, &admin, month, "KRW").await["remaining"], "7", "{month}");
    }
}

#[tokio::test]
async fn a_month_without_limits_and_orders_has_no_budgets_and_the_current_one_is_the_default() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    for query in ["", "?month=", "?month=2024-02"] {
        assert_eq!(app.get(&member, &format!("/budgets{query}")).await.expect(200).0, json!({"results": []}));
    }
    set(&app, &admin, &this_month(), json!("5000"), "month").await;
    let current = app.get(&member, "/budgets").await.expect(200);
    assert_eq!(current.column("month"), [this_month()]);
    app.send(app.request(Method::GET, "/budgets")).await.expect_error(401, "not_authenticated");
}
