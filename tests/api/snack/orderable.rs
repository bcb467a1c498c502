//! Snacks that can be ordered, and the reason and the order that are in the way of others.

use serde_json::{Value, json};

use crate::support::{
    fixtures::{FLOW, advance_order, order_body, texts, uncommitted_order},
    test_app::{TestApp, TestUser},
};

/// `orderable`, `blocked_reason` and `open_order` of a snack, which the list and the snack itself agree on.
async fn state(app: &TestApp, user: &TestUser, snack: &str) -> [Value; 3] {
    let fields = |snack: &Value| ["orderable", "blocked_reason", "open_order"].map(|name| snack[name].clone());
    let single = app.get(user, &format!("/snacks/{snack}")).await.expect(200);
    let listed = app.get(user, &format!("/snacks?status=all&uid={snack}")).await.expect(200);
    assert_eq!(fields(&listed.rows()[0]), fields(&single));
    fields(&single)
}

async fn set_status(app: &TestApp, admin: &TestUser, snack: &str, status: &str) -> Value {
    app.put(admin, &format!("/snacks/{snack}/status"), json!({"status": status})).await.expect(200).0
}

#[tokio::test]
async fn a_snack_names_the_open_order_that_has_it() {
    let app = TestApp::start().await;
    let (admin, owner, viewer) = (app.admin().await, app.member().await, app.member().await);
    let name = app.get(&owner, "/auth/users/profile").await.expect(200)["name"].clone();
    for status in FLOW {
        let snack = app.snack(&owner, &format!("새우깡 {status}")).await;
        assert_eq!(state(&app, &viewer, &snack).await, [json!(true), Value::Null, Value::Null]);
        let order = app.order(&owner, &[&snack]).await;
        advance_order(&app, &admin, &order, status).await;
        let expected = if ["created", "approved", "ordered"].contains(&status) {
            let open = json!({"uid": order, "status": status, "user": {"id": owner.id, "name": name}});
            [json!(false), json!("already_requested"), open]
        } else {
            [json!(true), Value::Null, Value::Null]
        };
        assert_eq!(state(&app, &viewer, &snack).await, expected, "{status}");
        // What the snack says is what an order meets.
        let response = app.post(&viewer, "/orders", order_body(&[(&snack, 1)])).await;
        assert_eq!(response.status == 201, expected[0] == true, "{status}");
    }
}

#[tokio::test]
async fn an_unavailable_snack_says_so_and_names_its_order_all_the_same() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (free, held) = (app.snack(&admin, "새우깡").await, app.snack(&admin, "꼬깔콘").await);
    let order = app.order(&admin, &[&held]).await;
    let changed = set_status(&app, &admin, &free, "unavailable").await;
    assert_eq!((&changed["orderable"], &changed["blocked_reason"]), (&json!(false), &json!("unavailable")));
    set_status(&app, &admin, &held, "unavailable").await;
    assert_eq!(state(&app, &admin, &free).await, [json!(false), json!("unavailable"), Value::Null]);
    let [orderable, reason, open] = state(&app, &admin, &held).await;
    assert_eq!((orderable, reason, &open["uid"]), (json!(false), json!("unavailable"), &json!(order)));
    set_status(&app, &admin, &held, "available").await;
    assert_eq!(state(&app, &admin, &held).await[1], "already_requested");
}

#[tokio::test]
async fn the_filter_tells_snacks_that_can_be_ordered_from_the_others() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut snacks = Vec::new();
    for name in ["가", "나", "다", "라", "마"] {
        snacks.push(app.snack(&admin, name).await);
    }
    app.order(&admin, &[&snacks[0], &snacks[3]]).await;
    let over = app.order(&admin, &[&snacks[4]]).await;
    app.set_status(&admin, &over, "canceled").await.expect(200);
    for at in [2, 3] {
        set_status(&app, &admin, &snacks[at], "unavailable").await;
    }
    for (query, expected) in [
        ("", vec!["가", "나", "마"]),
        ("&orderable=true", vec!["나", "마"]),
        ("&orderable=false", vec!["가"]),
        ("&orderable=true&status=all", vec!["나", "마"]),
        ("&orderable=false&status=all", vec!["가", "다", "라"]),
        ("&orderable=false&status=unavailable", vec!["다", "라"]),
        ("&orderable=true&status=unavailable", vec![]),
        ("&orderable=false&status=all&search=라", vec!["라"]),
        ("&orderable=", vec!["가", "나", "마"]),
    ] {
        let page = app.get(&admin, &format!("/snacks?ordering=name{query}")).await.expect(200);
        assert_eq!(texts(page.rows(), "name"), expected, "{query}");
        assert!(!query.contains("=true") || page.rows().iter().all(|snack| snack["orderable"] == true));
        assert!(!query.contains("=false") || page.rows().iter().all(|snack| snack["orderable"] == false));
    }
    for wrong in ["yes", "1", "TRUE", "null"] {
        app.get(&admin, &format!("/snacks?orderable={wrong}")).await.expect_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn an_order_that_is_not_committed_is_not_shown_and_one_that_is_is_shown_at_once() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let member = app.member().await;
    let snack = app.snack(&member, "새우깡").await;
    let tx = uncommitted_order(&app, &member, &snack, 1).await;
    for server in [&app, &replica] {
        assert_eq!(state(server, &member, &snack).await[0], true);
    }
    tx.commit().await.expect("a commit");
    for server in [&app, &replica] {
        assert_eq!(state(server, &member, &snack).await[0], false);
    }
}

#[tokio::test]
async fn a_refused_order_names_every_snack_with_the_order_that_has_it() {
    let app = TestApp::start().await;
    let (admin, member, other) = (app.admin().await, app.member().await, app.member().await);
    let mut snacks = Vec::new();
    for name in ["가", "나", "다", "라"] {
        snacks.push(app.snack(&member, name).await);
    }
    let first = app.order(&member, &[&snacks[0], &snacks[2]]).await;
    let second = app.order(&other, &[&snacks[1]]).await;
    app.set_status(&admin, &second, "approved").await.expect(200);
    let lines: Vec<(&str, i64)> = [3, 1, 2, 0].map(|at: usize| (snacks[at].as_str(), 1)).to_vec();
    let requested = |field: &str, order: &str, status: &str| (json!(field), json!({"uid": order, "status": status}));
    let own = app.order(&other, &[&app.snack(&other, "마").await]).await;
    for response in [
        app.post(&other, "/orders", order_body(&lines)).await,
        app.post(&other, "/order/", order_body(&lines)).await,
        app.put(&other, &format!("/orders/{own}"), order_body(&lines)).await,
    ] {
        let error = response.expect_error(409, "snack_already_requested");
        let errors = error["errors"].as_array().expect("errors").iter();
        let named: Vec<_> = errors.map(|error| (error["field"].clone(), error["order"].clone())).collect();
        assert_eq!(
            named,
            [
                requested("snacks[1].uid", &second, "approved"),
                requested("snacks[2].uid", &first, "created"),
                requested("snacks[3].uid", &first, "created"),
            ]
        );
        assert!(
            error["errors"].as_array().expect("errors").iter().all(|error| error["code"] == "snack_already_requested")
        );
    }
}
