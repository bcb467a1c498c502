//! What is told when much of a budget is committed.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{
    budget::{order_of, set_budget, this_month},
    fixtures::count,
    notification::{inbox, take_unread},
    test_app::{TestApp, TestUser},
};

/// The texts of the budget in the inbox, newest first.
async fn told(app: &TestApp, user: &TestUser) -> Vec<String> {
    let all = inbox(app, user).await;
    let budget = all.iter().filter(|notification| notification["kind"] == "budget_reached");
    budget.map(|notification| notification["text"].as_str().expect("a text").to_owned()).collect()
}

fn text(percent: i32) -> String {
    let month = this_month();
    if percent == 100 {
        format!("{month} 예산(KRW)을 모두 사용했습니다.")
    } else {
        format!("{month} 예산(KRW)의 80%를 사용했습니다.")
    }
}

#[tokio::test]
async fn eighty_and_a_hundred_percent_are_told_once_each() {
    let app = TestApp::start().await;
    let (admin, other, member) = (app.admin().await, app.admin().await, app.member().await);
    set_budget(&app, &admin, "KRW", json!("10000")).await;
    let approve = async |price: &str| {
        let order = order_of(&app, &member, "KRW", price, 1).await;
        app.set_status(&admin, &order, "approved").await.expect(200);
        order
    };
    approve("7999").await;
    assert_eq!(told(&app, &other).await, Vec::<String>::new());
    let last = approve("1").await;
    assert_eq!(told(&app, &other).await, [text(80)]);
    approve("1999").await;
    assert_eq!(told(&app, &other).await, [text(80)]);
    approve("1").await;
    assert_eq!(told(&app, &other).await, [text(100), text(80)]);
    // Back below, and reached again: it was told this month.
    app.set_status(&admin, &last, "canceled").await.expect(200);
    approve("1").await;
    assert_eq!(told(&app, &other).await.len(), 2);
    assert_eq!(told(&app, &admin).await, Vec::<String>::new(), "who approved knows");
    assert_eq!(told(&app, &member).await, Vec::<String>::new());
}

#[tokio::test]
async fn both_at_once_are_told_as_a_hundred() {
    let app = TestApp::start().await;
    let (admin, other, member) = (app.admin().await, app.admin().await, app.member().await);
    set_budget(&app, &admin, "KRW", json!("10000")).await;
    let order = order_of(&app, &member, "KRW", "10000", 1).await;
    app.set_status(&admin, &order, "approved").await.expect(200);
    assert_eq!(told(&app, &other).await, [text(100)]);
    // The 80% of it is never told, also after a higher limit.
    set_budget(&app, &admin, "KRW", json!("12000")).await;
    assert_eq!(told(&app, &other).await, [text(100)]);
}

#[tokio::test]
async fn a_lower_limit_reaches_it_too() {
    let app = TestApp::start().await;
    let (admin, other, member) = (app.admin().await, app.admin().await, app.member().await);
    set_budget(&app, &admin, "KRW", json!("10000")).await;
    let order = order_of(&app, &member, "KRW", "4000", 1).await;
    app.set_status(&admin, &order, "approved").await.expect(200);
    set_budget(&app, &admin, "KRW", json!("5000")).await;
    assert_eq!(told(&app, &other).await, [text(80)]);
    // Neither a limit of another month nor no limit reaches anything, and nothing is used of a limit of nothing.
    let body = |amount| json!({"currency": "KRW", "amount": amount});
    app.put(&admin, "/budgets/2030-01", body(json!("0"))).await.expect(200);
    set_budget(&app, &admin, "KRW", json!(null)).await;
    set_budget(&app, &admin, "USD", json!("0")).await;
    assert_eq!(told(&app, &other).await, [text(80)]);
}

#[tokio::test]
async fn of_approvals_at_once_one_tells() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let (admin, other, member) = (app.admin().await, app.admin().await, app.member().await);
    for round in 0..4 {
        take_unread(&app, &other).await;
        sqlx::query("DELETE FROM budget_alerts").execute(app.db()).await.expect("a deletion");
        let spent = 1000 * 8 * round;
        set_budget(&app, &admin, "KRW", json!((spent + 9000).to_string())).await;
        sqlx::query("DELETE FROM budget_alerts").execute(app.db()).await.expect("a deletion");
        take_unread(&app, &other).await;
        let mut orders = Vec::new();
        for _ in 0..8 {
            orders.push(order_of(&app, &member, "KRW", "1000", 1).await);
        }
        take_unread(&app, &other).await;
        let approvals = orders.iter().enumerate().map(|(number, order)| {
            let server = if number % 2 == 0 { &app } else { &replica };
            server.set_status(&admin, order, "approved")
        });
        for approval in join_all(approvals).await {
            approval.expect(200);
        }
        assert_eq!(take_unread(&app, &other).await, ["budget_reached"], "round {round}");
        assert_eq!(count(app.db(), "SELECT count(*) FROM budget_alerts").await, 1);
    }
}
