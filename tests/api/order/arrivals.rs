//! Corrections of estimated arrival times.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::{
    fixtures::{FLOW, order_with_status},
    test_app::TestApp,
};

const LATER: &str = "2030-02-02T03:00:00Z";

#[tokio::test]
async fn the_arrival_of_an_ordered_or_shipping_order_is_corrected() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    for status in FLOW {
        let order = order_with_status(&app, &admin, status).await;
        let path = format!("/orders/{order}");
        let before = app.get(&admin, &path).await;
        let etag = before.header("etag").to_owned();
        let before = before.expect(200);
        let steps = app.get(&admin, &format!("{path}/history")).await.expect(200).rows().len();
        let body = json!({"estimated_arrival_time": "2030-02-02T12:00:00+09:00", "reason": "배송이 늦어요"});
        let response = app.put(&admin, &format!("{path}/arrival"), body).await;
        if !["ordered", "shipping"].contains(&status) {
            response.expect_error(409, "arrival_not_expected");
            assert_eq!(app.get(&admin, &path).await.expect(200), before);
            continue;
        }
        assert_ne!(response.header("etag"), etag);
        let changed = response.expect(200);
        assert_eq!(changed["estimated_arrival_time"], LATER);
        // The reason of the order is that of its last transition.
        assert_eq!((&changed["status"], &changed["reason"]), (&json!(status), &Value::Null));
        assert_eq!(app.get(&member, &path).await.expect(200), changed);
        let history = app.get(&member, &format!("{path}/history")).await.expect(200);
        assert_eq!(history.rows().len(), steps + 1);
        let entry = &history.rows()[steps];
        let shown = ["from", "to", "reason", "estimated_arrival_time"].map(|name| entry[name].clone());
        assert_eq!(shown, [status, status, "배송이 늦어요", LATER].map(|text| json!(text)));
        assert_eq!((&entry["actor"]["id"], &entry["over_budget"]), (&json!(admin.id), &json!(false)));
        let audit = app.get(&admin, "/audit?action=order_arrival_change&limit=1").await.expect(200);
        assert_eq!(audit.rows()[0]["subject"], order);
    }
}

#[tokio::test]
async fn a_correction_that_is_not_allowed_changes_nothing() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let order = order_with_status(&app, &admin, "ordered").await;
    let path = format!("/orders/{order}/arrival");
    let before = app.get(&admin, &format!("/orders/{order}")).await.expect(200);
    let valid = json!({"estimated_arrival_time": LATER});
    app.put(&member, &path, valid.clone()).await.expect_error(403, "permission_denied");
    app.put(&member, &path, json!({})).await.expect_error(403, "permission_denied");
    for body in [json!({}), json!({"estimated_arrival_time": null})] {
        app.put(&admin, &path, body).await.expect_error(400, "estimated_arrival_time_required");
    }
    for body in
        [json!({"estimated_arrival_time": "tomorrow"}), json!({"estimated_arrival_time": "2030-01-09"}), json!([])]
    {
        app.put(&admin, &path, body).await.expect_error(400, "invalid_request");
    }
    let long = json!({"estimated_arrival_time": LATER, "reason": "가".repeat(501)});
    app.put(&admin, &path, long).await.expect_error(400, "validation_failed");
    for uid in ["7c9e6679-7425-40de-944b-e07fc1f90ae7", "%FF"] {
        app.put(&admin, &format!("/orders/{uid}/arrival"), valid.clone()).await.expect_error(404, "not_found");
        app.put(&admin, &format!("/orders/{uid}/arrival"), json!({}))
            .await
            .expect_error(400, "estimated_arrival_time_required");
    }
    let conditional = |tag: &str| {
        app.request(Method::PUT, &path).bearer_auth(&admin.access).header(header::IF_MATCH, tag).json(&valid)
    };
    app.send(conditional("\"1\"")).await.expect_error(412, "precondition_failed");
    assert_eq!(app.get(&admin, &format!("/orders/{order}")).await.expect(200), before);
    app.send(conditional("\"3\"")).await.expect(200);
    // The condition comes before the conflict.
    app.set_status(&admin, &order, "shipping").await.expect(200);
    app.set_status(&admin, &order, "completed").await.expect(200);
    app.send(conditional("\"3\"")).await.expect_error(412, "precondition_failed");
    app.put(&admin, &path, valid.clone()).await.expect_error(409, "arrival_not_expected");
}
