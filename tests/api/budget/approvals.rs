//! The check of the budget at approvals: what fits, what does not, the override, and approvals at once.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    budget::{budget, order_of, set_budget, this_month},
    fixtures::{count, order_body, snack_with_price},
    test_app::TestApp,
};

#[tokio::test]
async fn an_approval_that_exceeds_the_budget_is_refused_with_the_amounts() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    set_budget(&app, &admin, "KRW", json!("10000")).await;
    let first = order_of(&app, &member, "KRW", "6000", 1).await;
    let second = order_of(&app, &member, "KRW", "2001", 2).await;
    let fitting = order_of(&app, &member, "KRW", "4000", 1).await;
    let waiting = budget(&app, &member, &this_month(), "KRW").await;
    assert_eq!((&waiting["committed"], &waiting["pending"]), (&json!("0"), &json!("14002")));

    app.set_status(&admin, &first, "approved").await.expect(200);
    let error = app.set_status(&admin, &second, "approved").await.expect_error(409, "budget_exceeded");
    let errors = error["errors"].as_array().expect("errors");
    assert_eq!(errors.len(), 1);
    let named = ["field", "code", "currency", "limit", "committed", "amount"].map(|name| errors[0][name].clone());
    assert_eq!(named, ["budget", "budget_exceeded", "KRW", "10000", "6000", "4002"].map(|text| json!(text)));
    for amount in ["10000", "6000", "4002"] {
        assert!(errors[0]["message"].as_str().is_some_and(|message| message.contains(amount)), "{error:?}");
    }
    assert_eq!(app.get(&member, &format!("/orders/{second}")).await.expect(200)["status"], "created");
    // What fits exactly is approved.
    app.set_status(&admin, &fitting, "approved").await.expect(200);
    assert_eq!(
        budget(&app, &member, &this_month(), "KRW").await,
        json!({"month": this_month(), "currency": "KRW", "amount": "10000", "committed": "10000", "pending": "4002",
            "remaining": "0"})
    );
    // The steps after the approval keep it committed, a cancellation does not.
    app.set_status(&admin, &first, "ordered").await.expect(200);
    assert_eq!(budget(&app, &member, &this_month(), "KRW").await["committed"], "10000");
    app.set_status(&admin, &fitting, "canceled").await.expect(200);
    assert_eq!(budget(&app, &member, &this_month(), "KRW").await["committed"], "6000");
    // A limit below what is committed stands, and nothing is undone.
    set_budget(&app, &admin, "KRW", json!("5000")).await;
    let lowered = budget(&app, &member, &this_month(), "KRW").await;
    assert_eq!((&lowered["committed"], &lowered["remaining"]), (&json!("6000"), &json!("-1000")));
    assert_eq!(app.get(&member, &format!("/orders/{first}")).await.expect(200)["status"], "ordered");
    // Free snacks spend nothing.
    let free = order_of(&app, &member, "KRW", "0", 3).await;
    app.set_status(&admin, &free, "approved").await.expect(200);
}

#[tokio::test]
async fn each_currency_has_its_own_budget_and_all_exceeded_ones_are_named() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let mut lines = Vec::new();
    for (currency, price) in [("KRW", "1000"), ("USD", "2.50"), ("JPY", "300")] {
        lines.push(snack_with_price(&app, &member, &format!("간식 {currency}"), currency, price).await);
    }
    let lines: Vec<(&str, i64)> = lines.iter().map(|uid| (uid.as_str(), 2)).collect();
    let order = app.post(&member, "/orders", order_body(&lines)).await.expect(201).uid();
    set_budget(&app, &admin, "KRW", json!("1999")).await;
    set_budget(&app, &admin, "USD", json!("4.99")).await;
    let error = app.set_status(&admin, &order, "approved").await.expect_error(409, "budget_exceeded");
    let currencies: Vec<_> =
        error["errors"].as_array().expect("errors").iter().map(|error| &error["currency"]).collect();
    assert_eq!(currencies, ["KRW", "USD"]);
    set_budget(&app, &admin, "KRW", json!("2000")).await;
    let error = app.set_status(&admin, &order, "approved").await.expect_error(409, "budget_exceeded");
    assert_eq!(error["errors"].as_array().expect("errors").len(), 1);
    set_budget(&app, &admin, "USD", json!("5")).await;
    app.set_status(&admin, &order, "approved").await.expect(200);
    assert_eq!(budget(&app, &member, &this_month(), "USD").await["committed"], "5.00");
    // Without a limit, what is committed is shown all the same.
    assert_eq!(
        budget(&app, &member, &this_month(), "JPY").await,
        json!({"month": this_month(), "currency": "JPY", "amount": null, "committed": "600", "pending": "0", "remaining": null})
    );
}

#[tokio::test]
async fn an_override_is_in_the_history_and_in_the_audit_log_where_it_was_needed() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    set_budget(&app, &admin, "KRW", json!("5000")).await;
    let (fitting, exceeding) =
        (order_of(&app, &member, "KRW", "5000", 1).await, order_of(&app, &member, "KRW", "1", 1).await);
    let approve = json!({"status": "approved", "over_budget": true, "reason": "창립 기념일"});
    // A member has no say in it.
    app.put(&member, &format!("/orders/{fitting}/status"), approve.clone())
        .await
        .expect_error(403, "permission_denied");
    for (order, is_over) in [(&fitting, false), (&exceeding, true)] {
        let path = format!("/orders/{order}");
        app.put(&admin, &format!("{path}/status"), approve.clone()).await.expect(200);
        let history = app.get(&member, &format!("{path}/history")).await.expect(200);
        assert_eq!(history.column("over_budget"), [false, is_over]);
        assert_eq!(history.column("reason"), [Value::Null, json!("창립 기념일")]);
    }
    let audit = app.get(&admin, "/audit?action=over_budget").await.expect(200);
    assert_eq!(audit.column("subject"), [format!("{exceeding} over_budget")]);
    assert_eq!(budget(&app, &member, &this_month(), "KRW").await["remaining"], "-1");
    // In other transitions it is ignored.
    let body = json!({"status": "canceled", "over_budget": true});
    app.put(&admin, &format!("/orders/{exceeding}/status"), body).await.expect(200);
    let history = app.get(&member, &format!("/orders/{exceeding}/history")).await.expect(200);
    assert_eq!(history.column("over_budget"), [false, true, false]);
    let wrong = json!({"status": "canceled", "over_budget": "yes"});
    app.put(&admin, &format!("/orders/{fitting}/status"), wrong).await.expect_error(400, "invalid_request");
}

#[tokio::test]
async fn an_order_counts_in_the_month_of_its_approval_in_the_time_zone_of_the_office() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let order = order_of(&app, &member, "KRW", "1000", 1).await;
    app.set_status(&admin, &order, "approved").await.expect(200);
    // In Seoul the months of 2024 begin at 15:00 UTC of the day before.
    for (at, month) in [("2024-01-31T14:59:59.999999Z", "2024-01"), ("2024-01-31T15:00:00Z", "2024-02")] {
        sqlx::query("UPDATE orders SET approved_at = $1::text::timestamptz")
            .bind(at)
            .execute(app.db())
            .await
            .expect("an update");
        for candidate in ["2023-12", "2024-01", "2024-02", "2024-03"] {
            let committed = budget(&app, &member, candidate, "KRW").await["committed"].clone();
            assert_eq!(committed, if candidate == month { json!("1000") } else { Value::Null }, "{at} {candidate}");
        }
    }
    assert_eq!(count(app.db(), "SELECT count(*) FROM orders WHERE created_at > '2025-01-01'").await, 1);
}

#[tokio::test]
async fn of_approvals_at_once_as_many_succeed_as_fit() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let (admin, member) = (app.admin().await, app.member().await);
    for round in 1..=6_u32 {
        let month = this_month();
        let before = budget(&app, &member, &month, "KRW").await;
        let committed: u32 = before["committed"].as_str().unwrap_or("0").parse().expect("an amount");
        // Two of the eight fit.
        set_budget(&app, &admin, "KRW", json!(committed + 2_999)).await;
        let mut orders = Vec::new();
        for _ in 0..8 {
            orders.push(order_of(&app, &member, "KRW", "1000", 1).await);
        }
        let approvals = orders.iter().enumerate().map(|(number, order)| {
            let server = if number % 2 == 0 { &app } else { &replica };
            server.set_status(&admin, order, "approved")
        });
        let (mut approved, mut refused) = (0, 0);
        for response in join_all(approvals).await {
            if response.status.is_success() {
                approved += 1;
            } else {
                response.expect_error(409, "budget_exceeded");
                refused += 1;
            }
        }
        assert_eq!((approved, refused), (2, 6), "round {round}");
        assert_eq!(budget(&app, &member, &month, "KRW").await["committed"], (committed + 2_000).to_string());
    }
}

#[tokio::test]
async fn an_approval_in_psql_counts_as_well() {
    let app = TestApp::start().await;
    let member = app.member().await;
    order_of(&app, &member, "KRW", "1000", 1).await;
    sqlx::query("UPDATE orders SET status = 'approved'").execute(app.db()).await.expect("an update");
    assert_eq!(budget(&app, &member, &this_month(), "KRW").await["committed"], "1000");
}
