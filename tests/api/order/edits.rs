//! Editing orders, and the entity tags that protect concurrent editors.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    fixtures::{FLOW, advance_order, count, order_body, order_with_status},
    response::{Body, Response},
    test_app::{TestApp, TestUser},
};

async fn edit(app: &TestApp, user: &TestUser, order: &str, lines: &[(&str, i64)]) -> Response {
    app.put(user, &format!("/orders/{order}"), order_body(lines)).await
}

async fn show(app: &TestApp, user: &TestUser, order: &str) -> Body {
    app.get(user, &format!("/orders/{order}")).await.expect(200)
}

/// Name, quantity and price of each line.
fn contents(order: &Value) -> Vec<(&str, i64, &str)> {
    let purchases = order["purchases"].as_array().expect("purchases");
    purchases
        .iter()
        .map(|row| {
            (
                row["snack"]["name"].as_str().expect("a name"),
                row["quantity"].as_i64().expect("a quantity"),
                row["unit_price"].as_str().expect("a price"),
            )
        })
        .collect()
}

#[tokio::test]
async fn an_edit_replaces_the_snacks_and_keeps_the_price_of_those_that_stay() {
    let app = TestApp::start().await;
    let (member, other) = (app.member().await, app.member().await);
    let kept = app.snack(&member, "새우깡").await;
    let removed = app.snack(&member, "꼬깔콘").await;
    let added = app.snack(&member, "포카칩").await;
    let order = app.order(&member, &[&kept, &removed]).await;
    let before = show(&app, &member, &order).await;
    for snack in [&kept, &added] {
        app.patch(&member, &format!("/snacks/{snack}"), json!({"price": 9000})).await.expect(200);
    }

    let edited = edit(&app, &member, &order, &[(&added, 2), (&kept, 5)]).await.expect(200);
    assert_eq!(contents(&edited), [("포카칩", 2, "9000"), ("새우깡", 5, "1500")]);
    assert_eq!(edited["amounts"], json!([{"currency": "KRW", "amount": "25500"}]));
    assert_eq!(edited, show(&app, &other, &order).await);
    for key in ["uid", "status", "user", "created_at", "estimated_arrival_time"] {
        assert_eq!(edited[key], before[key], "{key}");
    }
    let instant = |order: &Body| order["updated_at"].as_str().map(str::to_owned);
    assert!(instant(&edited) > instant(&before));
    let history = app.get(&member, &format!("/orders/{order}/history")).await.expect(200);
    assert_eq!(history.rows().len(), 1, "an edit is no transition");

    // A removed snack is free, and an added one is not.
    app.order(&other, &[&removed]).await;
    app.post(&other, "/orders", order_body(&[(&added, 1)])).await.expect_error(409, "snack_already_requested");
    // A snack that was removed and added again has its present price.
    edit(&app, &member, &order, &[(&added, 1)]).await.expect(200);
    let back = edit(&app, &member, &order, &[(&kept, 1)]).await.expect(200);
    assert_eq!(contents(&back), [("새우깡", 1, "9000")]);
}

#[tokio::test]
async fn an_order_is_edited_by_its_owner_and_by_admins_only() {
    let app = TestApp::start().await;
    let (owner, other, admin) = (app.member().await, app.member().await, app.admin().await);
    let snack = app.snack(&owner, "새우깡").await;
    let order = app.order(&owner, &[&snack]).await;
    edit(&app, &other, &order, &[(&snack, 9)]).await.expect_error(403, "permission_denied");
    assert_eq!(contents(&show(&app, &owner, &order).await.0), [("새우깡", 1, "1500")]);
    for (user, quantity) in [(&owner, 2), (&admin, 3)] {
        let edited = edit(&app, user, &order, &[(&snack, quantity)]).await.expect(200);
        assert_eq!(edited["purchases"][0]["quantity"], quantity);
        assert_eq!(edited["user"]["id"], owner.id, "it stays its owner's, whoever edits it");
    }
}

#[tokio::test]
async fn only_a_created_order_can_be_edited() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let free = app.snack(&admin, "새우깡").await;
    for status in FLOW {
        let order = order_with_status(&app, &admin, status).await;
        let before = show(&app, &admin, &order).await;
        let response = edit(&app, &admin, &order, &[(&free, 1)]).await;
        if status == "created" {
            response.expect(200);
            advance_order(&app, &admin, &order, "canceled").await;
        } else {
            response.expect_error(409, "order_not_editable");
            assert_eq!(show(&app, &admin, &order).await, before);
        }
    }
}

#[tokio::test]
async fn an_edit_that_breaks_a_rule_leaves_the_order_as_it_was() {
    let app = TestApp::start().await;
    let (owner, other, admin) = (app.member().await, app.member().await, app.admin().await);
    let snack = app.snack(&owner, "새우깡").await;
    let (in_open_order, canceled) = (app.snack(&owner, "꼬깔콘").await, app.snack(&owner, "포카칩").await);
    let order = app.order(&owner, &[&snack]).await;
    app.order(&other, &[&in_open_order]).await;
    let create = |status: &'static str, snack: String| {
        let (app, admin) = (&app, &admin);
        async move { app.put(admin, &format!("/snacks/{snack}/status"), json!({"status": status})).await.expect(200) }
    };
    create("unavailable", canceled.clone()).await;
    let before = show(&app, &owner, &order).await;
    let upper = snack.to_uppercase();
    let table: [(Value, u16, &str, &str); 7] = [
        (json!({"snacks": []}), 400, "validation_failed", "snacks"),
        (order_body(&[(&snack, 0)]), 400, "validation_failed", "snacks[0].quantity"),
        (order_body(&[(&snack, 1001)]), 400, "validation_failed", "snacks[0].quantity"),
        (order_body(&[(&snack, 1), ("없음", 1)]), 400, "unknown_snack", "snacks[1].uid"),
        (order_body(&[(&snack, 1), (&upper, 1)]), 400, "duplicate_snack", "snacks[1].uid"),
        (order_body(&[(&snack, 4), (&canceled, 1)]), 409, "snack_unavailable", "snacks[1].uid"),
        (order_body(&[(&snack, 4), (&in_open_order, 1)]), 409, "snack_already_requested", "snacks[1].uid"),
    ];
    for (body, status, code, field) in table {
        let error = app.put(&owner, &format!("/orders/{order}"), body).await;
        assert_eq!(error.expect_error(status, code).error_fields(), [field]);
        assert_eq!(show(&app, &owner, &order).await, before);
    }
    // An unavailable snack may stay in its order, in any quantity.
    create("unavailable", snack.clone()).await;
    edit(&app, &owner, &order, &[(&snack, 4)]).await.expect(200);
}

/// A change of an order with an If-Match.
async fn change_if(app: &TestApp, user: &TestUser, endpoint: (Method, String, Value), tags: &[&str]) -> Response {
    let (method, path, body) = endpoint;
    let mut request = app.request(method, &path).bearer_auth(&user.access).json(&body);
    for tag in tags {
        request = request.header("if-match", *tag);
    }
    app.send(request).await
}

#[tokio::test]
async fn a_change_under_a_condition_that_no_longer_holds_is_refused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let snack = app.snack(&admin, "새우깡").await;
    let order = app.order(&admin, &[&snack]).await;
    let path = format!("/orders/{order}");
    let tag = async || app.get(&admin, &path).await.header("etag").to_owned();
    let edit = || (Method::PUT, path.clone(), order_body(&[(&snack, 2)]));
    let to = |method: Method, status: &str| {
        let body = json!({"status": status, "estimated_arrival_time": "2030-01-01T00:00:00Z"});
        (method, format!("{path}/status"), body)
    };

    let first = tag().await;
    assert!(first.len() > 2 && first.starts_with('"') && first.ends_with('"'), "{first}");
    assert_eq!(tag().await, first, "looking changes nothing");
    let edited = change_if(&app, &admin, edit(), &[&first]).await;
    assert_eq!(edited.header("etag"), tag().await, "the new tag comes with the change");
    edited.expect(200);
    let second = tag().await;
    assert_ne!(second, first, "an edit makes the tag stale");
    let bare = second.trim_matches('"').to_owned();
    let lists: [&[&str]; 6] =
        [&[&first], &["\"x\", W/\"y\""], &[&format!("W/{first}")], &["\"x\"", &first], &[&bare], &[""]];
    for stale in lists {
        for endpoint in [edit(), to(Method::PUT, "approved"), to(Method::PATCH, "approved")] {
            change_if(&app, &admin, endpoint, stale).await.expect_error(412, "precondition_failed");
        }
    }
    assert_eq!(tag().await, second, "an error changes nothing");

    let weak = format!("W/{second}");
    change_if(&app, &admin, to(Method::PATCH, "approved"), &[&weak]).await.expect(200);
    let third = tag().await;
    // The condition is checked before the rules.
    change_if(&app, &admin, to(Method::PUT, "created"), &[&second]).await.expect_error(412, "precondition_failed");
    change_if(&app, &admin, edit(), &[&second]).await.expect_error(412, "precondition_failed");
    change_if(&app, &admin, edit(), &[&third]).await.expect_error(409, "order_not_editable");
    let list = format!("\"x\" , {third},W/\"y\"");
    let response = change_if(&app, &admin, to(Method::PUT, "ordered"), &[&list]).await;
    assert_eq!(response.header("etag"), tag().await);
    response.expect(200);
    let fourth = tag().await;
    change_if(&app, &admin, to(Method::PUT, "shipping"), &["\"x\"", &fourth]).await.expect(200);
    change_if(&app, &admin, to(Method::PUT, "completed"), &["*"]).await.expect(200);
    let unknown = format!("/orders/{}", uuid::Uuid::new_v4());
    let endpoint = (Method::PUT, unknown, order_body(&[(&snack, 1)]));
    change_if(&app, &admin, endpoint, &["*"]).await.expect_error(404, "not_found");
    assert_eq!(count(app.db(), "SELECT count(*) FROM order_history").await, 5);
}

#[tokio::test]
async fn of_many_edits_under_one_tag_at_once_one_is_taken() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let snack = app.snack(&member, "새우깡").await;
    let path = format!("/orders/{}", app.order(&member, &[&snack]).await);
    let tag = app.get(&member, &path).await.header("etag").to_owned();
    let edits = (2..12).map(|quantity| {
        let endpoint = (Method::PUT, path.clone(), order_body(&[(&snack, quantity)]));
        let (app, member, tag) = (&app, &member, &tag);
        async move { (quantity, change_if(app, member, endpoint, &[tag]).await) }
    });
    let responses = futures_util::future::join_all(edits).await;
    let (successes, failures): (Vec<_>, Vec<_>) =
        responses.into_iter().partition(|(_, response)| response.status == 200);
    assert_eq!((successes.len(), failures.len()), (1, 9));
    for (_, response) in failures {
        response.expect_error(412, "precondition_failed");
    }
    let order = app.get(&member, &path).await.expect(200);
    assert_eq!(order["purchases"][0]["quantity"], successes[0].0);
}
