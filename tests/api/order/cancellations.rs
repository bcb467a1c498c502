//! Owners who take back their orders.

use futures_util::future::join;
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::{
    fixtures::{FLOW, advance_order, order_body},
    test_app::TestApp,
};

#[tokio::test]
async fn an_owner_takes_back_an_order_that_nobody_has_approved() {
    let app = TestApp::start().await;
    let owner = app.member().await;
    for (number, method) in [Method::PUT, Method::PATCH].into_iter().enumerate() {
        let snack = app.snack(&owner, &format!("새우깡 {number}")).await;
        let order = app.order(&owner, &[&snack]).await;
        let request = app.request(method, &format!("/orders/{order}/status")).bearer_auth(&owner.access);
        let canceled =
            app.send(request.json(&json!({"status": "canceled", "reason": "잘못 골랐어요"}))).await.expect(200);
        assert_eq!((&canceled["status"], &canceled["reason"]), (&json!("canceled"), &json!("잘못 골랐어요")));
        let history = app.get(&owner, &format!("/orders/{order}/history")).await.expect(200);
        assert_eq!(history.rows()[1]["actor"]["id"], owner.id);
        // The snack is free again.
        app.post(&owner, "/orders", order_body(&[(&snack, 1)])).await.expect(201);
    }
    let snack = app.snack(&owner, "꼬깔콘").await;
    let order = app.order(&owner, &[&snack]).await;
    app.put(&owner, &format!("/order/{order}/"), json!({"status": "canceled"})).await.expect(200);
}

#[tokio::test]
async fn a_member_changes_no_other_status() {
    let app = TestApp::start().await;
    let (owner, other, admin) = (app.member().await, app.member().await, app.admin().await);
    for status in FLOW {
        let snack = app.snack(&owner, &format!("새우깡 {status}")).await;
        let order = app.order(&owner, &[&snack]).await;
        advance_order(&app, &admin, &order, status).await;
        let before = app.get(&owner, &format!("/orders/{order}")).await.expect(200);
        let path = format!("/orders/{order}/status");
        for to in FLOW {
            app.set_status(&other, &order, to).await.expect_error(403, "permission_denied");
            if (status, to) != ("created", "canceled") {
                app.set_status(&owner, &order, to).await.expect_error(403, "permission_denied");
            }
        }
        // What cannot be read asks for nothing that a member may do.
        for body in [
            json!({}),
            json!([]),
            json!({"status": "lost"}),
            json!({"status": null}),
            json!({"status": "approved", "reason": 5}),
        ] {
            app.put(&owner, &path, body).await.expect_error(403, "permission_denied");
        }
        let text = app.request(Method::PUT, &path).bearer_auth(&owner.access).body("{");
        app.send(text).await.expect_error(403, "permission_denied");
        assert_eq!(app.get(&owner, &format!("/orders/{order}")).await.expect(200), before);
    }
}

#[tokio::test]
async fn errors_of_an_owners_cancellation_come_in_the_order_of_the_contract() {
    let app = TestApp::start().await;
    let (owner, other, admin) = (app.member().await, app.member().await, app.admin().await);
    let snack = app.snack(&owner, "새우깡").await;
    let order = app.order(&owner, &[&snack]).await;
    let path = format!("/orders/{order}/status");
    let long = json!({"status": "canceled", "reason": "가".repeat(501)});
    for user in [&owner, &other, &admin] {
        app.put(user, &path, long.clone()).await.expect_error(400, "validation_failed");
    }
    let cancel = json!({"status": "canceled"});
    for uid in ["7c9e6679-7425-40de-944b-e07fc1f90ae7", "7", "%FF"] {
        app.put(&owner, &format!("/orders/{uid}/status"), cancel.clone()).await.expect_error(404, "not_found");
    }
    let stale = |access: &str| {
        app.request(Method::PUT, &path).bearer_auth(access).header(header::IF_MATCH, "\"7\"").json(&cancel)
    };
    app.send(stale(&other.access)).await.expect_error(403, "permission_denied");
    app.send(stale(&owner.access)).await.expect_error(412, "precondition_failed");
    app.set_status(&admin, &order, "approved").await.expect(200);
    let denied = app.send(stale(&owner.access)).await.expect_error(403, "permission_denied");
    assert_eq!(denied["detail"], "승인 대기 중인 주문만 취소할 수 있습니다. 관리자에게 요청해 주세요.");
}

#[tokio::test]
async fn of_an_approval_and_the_owners_cancellation_at_once_no_state_is_lost() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let (owner, admin) = (app.member().await, app.admin().await);
    for round in 0..12 {
        let snack = app.snack(&owner, &format!("새우깡 {round}")).await;
        let order = app.order(&owner, &[&snack]).await;
        let path = format!("/orders/{order}/status");
        let cancel = app.put(&owner, &path, json!({"status": "canceled"}));
        let (canceled, approved) = join(cancel, replica.set_status(&admin, &order, "approved")).await;
        let after = app.get(&owner, &format!("/orders/{order}")).await.expect(200);
        if canceled.status == 200 {
            approved.expect_error(409, "invalid_transition");
            assert_eq!((&after["status"], &after["approved_at"]), (&json!("canceled"), &Value::Null));
        } else {
            canceled.expect_error(403, "permission_denied");
            approved.expect(200);
            assert_eq!(after["status"], "approved");
        }
    }
}
