//! Editing snacks: permissions, consequences, and availability.

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::support::{
    response::Body,
    test_app::{TestApp, TestUser},
};

const UNKNOWN: &str = "/snacks/00000000-0000-4000-8000-000000000000";

fn updated_at(snack: &Body) -> DateTime<Utc> {
    snack["updated_at"].as_str().expect("an instant").parse().expect("RFC 3339")
}

async fn register(app: &TestApp, user: &TestUser, body: Value) -> Body {
    app.post(user, "/snacks", body).await.expect(201)
}

#[tokio::test]
async fn whoever_registered_a_snack_and_admins_may_change_it_and_nobody_else() {
    let app = TestApp::start().await;
    let (owner, other, admin) = (app.member().await, app.member().await, app.admin().await);
    let path = format!("/snacks/{}", app.snack(&owner, "새우깡").await);
    app.patch(&owner, &path, json!({"desc": "owner"})).await.expect(200);
    app.patch(&other, &path, json!({"desc": "other"})).await.expect_error(403, "permission_denied");
    let form = Form::new().text("desc", "other");
    let request = app.request(reqwest::Method::PATCH, &path).bearer_auth(&other.access).multipart(form);
    app.send(request).await.expect_error(403, "permission_denied");
    assert_eq!(app.get(&owner, &path).await.expect(200)["desc"], "owner");
    let by_admin = app.patch(&admin, &path, json!({"desc": "admin"})).await.expect(200);
    assert_eq!(by_admin["desc"], "admin");
    assert_eq!(by_admin["registered_by"]["id"], owner.id);
}

#[tokio::test]
async fn only_the_fields_that_are_sent_change() {
    let app = TestApp::start().await;
    let owner = app.member().await;
    let body =
        json!({"name": "새우깡", "url": "https://a.example/", "desc": "하나", "currency": "USD", "price": "3.99"});
    let mut before = register(&app, &owner, body).await;
    let path = format!("/snacks/{}", before.uid());
    let changes = [
        json!({"name": "매운 새우깡"}),
        json!({"url": " https://b.example/ "}),
        json!({"url": ""}),
        json!({"desc": "둘"}),
        json!({"desc": ""}),
        json!({"price": 4}),
        json!({"currency": "KRW", "price": "5000"}),
        json!({"image": null}),
        json!({}),
    ];
    for change in changes {
        let after = app.patch(&owner, &path, change.clone()).await.expect(200);
        assert!(updated_at(&after) > updated_at(&before), "{change}");
        let mut expected = before.0.clone();
        for (field, value) in change.as_object().expect("an object") {
            expected[field] = match value {
                Value::Number(_) => json!("4.00"),
                Value::String(text) => json!(text.trim()),
                other => other.clone(),
            };
        }
        expected["updated_at"] = after["updated_at"].clone();
        assert_eq!(after.0, expected, "{change}");
        assert_eq!(app.get(&owner, &path).await.expect(200), after);
        before = after;
    }
}

#[tokio::test]
async fn errors_of_an_edit_come_in_the_order_of_the_contract() {
    let app = TestApp::start().await;
    let (owner, other) = (app.member().await, app.member().await);
    let path = format!("/snacks/{}", app.snack(&owner, "새우깡").await);
    app.snack(&owner, "감자깡").await;

    for unreadable in [
        json!({"name": null}),
        json!({"url": null}),
        json!({"desc": null}),
        json!({"currency": null}),
        json!({"price": null}),
        json!({"image": "cat.png"}),
        json!([]),
    ] {
        app.patch(&owner, &path, unreadable).await.expect_error(400, "invalid_request");
    }
    let wrong = [
        (
            json!({"name": " ", "url": "x", "desc": "다".repeat(5001), "price": "x"}),
            vec!["desc", "name", "price", "url"],
        ),
        (json!({"name": "", "price": "-1"}), vec!["name", "price"]),
        (json!({"price": "1.234"}), vec!["price"]),
        (json!({"price": "1.5", "currency": "JPY"}), vec!["price"]),
        (json!({"price": 1_000_000_000_000_u64}), vec!["price"]),
    ];
    // The request is checked before the existence and the owner of the snack.
    for (body, error_fields) in wrong {
        for (user, path) in [(&owner, path.as_str()), (&other, path.as_str()), (&other, UNKNOWN)] {
            let response = app.patch(user, path, body.clone()).await;
            assert_eq!(response.expect_error(400, "validation_failed").error_fields(), error_fields, "{body}");
        }
    }
    app.patch(&other, UNKNOWN, json!({"name": "감자깡"})).await.expect_error(404, "not_found");
    app.patch(&other, "/snacks/x", json!({})).await.expect_error(404, "not_found");
    // The owner is checked before the business rules.
    app.patch(&other, &path, json!({"name": "감자깡"})).await.expect_error(403, "permission_denied");
    app.patch(&owner, &path, json!({"name": " 감자깡"})).await.expect_error(409, "snack_name_taken");
    app.patch(&owner, &path, json!({"name": "  새우깡 "})).await.expect(200);
}

#[tokio::test]
async fn a_price_fits_the_currency_that_results() {
    let app = TestApp::start().await;
    let owner = app.member().await;
    // Present price, request, and result.
    let table = [
        (("USD", "3.99"), json!({"currency": "KRW"}), None),
        (("USD", "3.00"), json!({"currency": "KRW"}), Some(("KRW", "3"))),
        (("USD", "3.99"), json!({"currency": "JPY", "price": "400"}), Some(("JPY", "400"))),
        (("USD", "3.99"), json!({"currency": "JPY", "price": "4.00"}), None),
        (("KRW", "1500"), json!({"price": "1.5"}), None),
        (("KRW", "1500"), json!({"price": "1.50", "currency": "USD"}), Some(("USD", "1.50"))),
        (("KRW", "1500"), json!({"currency": "USD"}), Some(("USD", "1500.00"))),
        (("JPY", "150"), json!({"price": 0.5}), None),
    ];
    for (at, ((currency, price), change, expected)) in table.into_iter().enumerate() {
        let body = json!({"name": format!("간식 {at}"), "currency": currency, "price": price});
        let before = register(&app, &owner, body).await;
        let path = format!("/snacks/{}", before.uid());
        let response = app.patch(&owner, &path, change.clone()).await;
        if let Some((currency, price)) = expected {
            let after = response.expect(200);
            assert_eq!((&after["currency"], &after["price"]), (&json!(currency), &json!(price)), "{change}");
        } else {
            assert_eq!(response.expect_error(400, "validation_failed").error_fields(), ["price"], "{change}");
            assert_eq!(app.get(&owner, &path).await.expect(200), before);
        }
    }
}

#[tokio::test]
async fn edits_of_different_fields_at_once_are_all_kept() {
    let app = TestApp::start().await;
    let owner = app.member().await;
    let path = format!("/snacks/{}", app.snack(&owner, "새우깡").await);
    for round in 0..5 {
        let changes = [
            ("name", format!("새우깡 {round}")),
            ("url", format!("https://x.example/{round}")),
            ("desc", format!("{round}번째")),
            ("price", format!("{round}")),
        ];
        let edits = changes.iter().map(|(field, value)| app.patch(&owner, &path, json!({*field: value})));
        for response in join_all(edits).await {
            response.expect(200);
        }
        let snack = app.get(&owner, &path).await.expect(200);
        for (field, value) in changes {
            assert_eq!(snack[field], value);
        }
    }
}

#[tokio::test]
async fn only_admins_decide_what_can_be_ordered() {
    let app = TestApp::start().await;
    let (owner, admin) = (app.member().await, app.admin().await);
    let uid = app.snack(&owner, "새우깡").await;
    let path = format!("/snacks/{uid}/status");
    app.put(&owner, &path, json!({"status": "unavailable"})).await.expect_error(403, "permission_denied");
    // The role is checked before the request, and the request before the snack.
    app.put(&owner, &path, json!({"status": "gone"})).await.expect_error(403, "permission_denied");
    for (body, code) in [
        (json!({"status": "gone"}), "invalid_request"),
        (json!({"status": null}), "invalid_request"),
        (json!({}), "validation_failed"),
    ] {
        app.put(&admin, &path, body.clone()).await.expect_error(400, code);
        app.put(&admin, &format!("{UNKNOWN}/status"), body).await.expect_error(400, code);
    }
    let unavailable = json!({"status": "unavailable"});
    app.put(&admin, &format!("{UNKNOWN}/status"), unavailable.clone()).await.expect_error(404, "not_found");
    let before = app.get(&owner, &format!("/snacks/{uid}")).await.expect(200);
    let after = app.put(&admin, &path, unavailable).await.expect(200);
    assert_eq!(after["status"], "unavailable");
    assert!(updated_at(&after) > updated_at(&before));
    let back = app.put(&admin, &path, json!({"status": "available"})).await.expect(200);
    assert_eq!(back["status"], "available");
    app.order(&owner, &[&uid]).await;
}

#[tokio::test]
async fn an_unavailable_snack_cannot_be_ordered_but_what_is_under_way_goes_on() {
    let app = TestApp::start().await;
    let (member, admin) = (app.member().await, app.admin().await);
    let (ordered, other) = (app.snack(&member, "새우깡").await, app.snack(&member, "감자깡").await);
    let order = app.order(&member, &[&ordered]).await;
    for uid in [&ordered, &other] {
        let path = format!("/snacks/{uid}/status");
        app.put(&admin, &path, json!({"status": "unavailable"})).await.expect(200);
    }

    let body = json!({"snacks": [{"uid": other, "quantity": 1}]});
    app.post(&member, "/orders", body).await.expect_error(409, "snack_unavailable");
    for status in ["approved", "ordered", "shipping", "completed"] {
        assert_eq!(app.set_status(&admin, &order, status).await.expect(200)["status"], status);
    }
    let path = format!("/snacks/{ordered}/reaction");
    let liked = app.post(&member, &path, json!({"type": "like"})).await.expect(200);
    assert_eq!(liked["like_reaction_count"], 1);
    app.post(&member, &path, json!({"type": "hate"})).await.expect(200);
    app.delete(&member, &path).await.expect(200);
    app.patch(&member, &format!("/snacks/{ordered}"), json!({"price": "9"})).await.expect(200);
}

#[tokio::test]
async fn reacting_and_counting_is_no_edit() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let uid = app.snack(&member, "새우깡").await;
    let path = format!("/snacks/{uid}");
    let before = updated_at(&app.get(&member, &path).await.expect(200));
    app.post(&member, &format!("{path}/reaction"), json!({"type": "like"})).await.expect(200);
    app.flush().await;
    app.reconcile().await;
    let after = app.get(&member, &path).await.expect(200);
    assert_eq!(after["like_reaction_count"], 1);
    assert_eq!(updated_at(&after), before);
}

#[tokio::test]
async fn a_snack_keeps_the_name_of_a_member_who_resigned() {
    let app = TestApp::start().await;
    let (owner, other) = (app.member().await, app.member().await);
    let path = format!("/snacks/{}", app.snack(&owner, "새우깡").await);
    let before = app.get(&other, &path).await.expect(200);
    app.delete(&owner, "/auth/users/resign").await.expect(204);
    assert_eq!(app.get(&other, &path).await.expect(200), before);

    sqlx::query("UPDATE snacks SET registered_by = NULL").execute(app.db()).await.expect("a snack without an owner");
    assert_eq!(app.get(&other, &path).await.expect(200)["registered_by"], Value::Null);
    app.patch(&other, &path, json!({"desc": "내 것"})).await.expect_error(403, "permission_denied");
}
