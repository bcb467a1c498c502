//! Creating and reading orders.

use std::io::Cursor;

use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    fixtures::{FLOW, advance_order, count, insert_snacks, order_body, order_with_status, snack_with_price},
    test_app::{TestApp, TestUser},
};

/// Creates a snack with all of its fields.
async fn snack_with_image(app: &TestApp, user: &TestUser, name: &str) -> Value {
    let mut png = Cursor::new(Vec::new());
    image::RgbImage::new(4, 4).write_to(&mut png, image::ImageFormat::Png).expect("a picture");
    let form = Form::new()
        .text("name", name.to_owned())
        .text("url", "https://shop.example/1")
        .text("desc", "짭짤한 맛")
        .text("price", "1500")
        .part("image", Part::bytes(png.into_inner()).file_name("a.png"));
    app.post_form(user, "/snacks", form).await.expect(201).0
}

#[tokio::test]
async fn an_order_shows_what_was_asked_for_in_the_order_in_which_it_was_asked_for() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let snack_with_image = snack_with_image(&app, &member, "새우깡").await;
    let krw = snack_with_image["uid"].as_str().expect("a uid");
    let usd = snack_with_price(&app, &member, "Pringles", "USD", "3.9").await;
    let jpy = snack_with_price(&app, &member, "포키", "JPY", "210").await;
    let more_krw = snack_with_price(&app, &member, "꼬깔콘", "KRW", "1700").await;

    let request = order_body(&[(&jpy, 7), (krw, 2), (&usd, 1000), (&more_krw, 3)]);
    let response = app.post(&member, "/orders", request).await;
    let location = response.header("location").to_owned();
    let order = response.expect(201);
    assert_eq!(location, format!("/orders/{}", order.uid()));
    let plain = |uid: &str, name: &str| {
        json!({"uid": uid, "name": name, "url": "", "desc": "", "image": null, "thumbnail": null,
        "like_reaction_count": 0, "hate_reaction_count": 0})
    };
    let profile = app.get(&member, "/auth/users/profile").await.expect(200);
    assert_eq!(
        order.0,
        json!({
            "uid": order["uid"],
            "status": "created",
            "user": {"id": member.id, "name": profile["name"], "email": member.email},
            "purchases": [
                {"snack": plain(&jpy, "포키"), "quantity": 7, "unit_price": "210", "currency": "JPY", "amount": "1470"},
                {"snack": {"uid": krw, "name": "새우깡", "url": "https://shop.example/1", "desc": "짭짤한 맛",
                    "image": snack_with_image["image"], "thumbnail": snack_with_image["thumbnail"],
                    "like_reaction_count": 0, "hate_reaction_count": 0},
                 "quantity": 2, "unit_price": "1500", "currency": "KRW", "amount": "3000"},
                {"snack": plain(&usd, "Pringles"), "quantity": 1000, "unit_price": "3.90", "currency": "USD", "amount": "3900.00"},
                {"snack": plain(&more_krw, "꼬깔콘"), "quantity": 3, "unit_price": "1700", "currency": "KRW", "amount": "5100"},
            ],
            "amounts": [
                {"currency": "KRW", "amount": "8100"},
                {"currency": "USD", "amount": "3900.00"},
                {"currency": "JPY", "amount": "1470"},
            ],
            "note": "",
            "reason": null,
            "approved_at": null,
            "estimated_arrival_time": null,
            "follower_count": 0,
            "followed_by_me": false,
            "allowed_transitions": ["approved", "canceled"],
            "created_at": order["created_at"],
            "updated_at": order["updated_at"],
        })
    );
    assert!(snack_with_image["image"].as_str().is_some_and(|path| path.starts_with("/media/")));
    for key in ["created_at", "updated_at"] {
        let instant = order[key].as_str().expect("an instant");
        assert!(instant.ends_with('Z'), "{instant}");
        chrono::DateTime::parse_from_rfc3339(instant).expect("RFC 3339");
    }

    let other = app.member().await;
    let path = format!("/orders/{}", order.uid());
    assert_eq!(app.get(&other, &path).await.expect(200), order);
    assert_eq!(app.get(&other, &format!("{path}/")).await.expect(200), order);
    let snacks = app.get(&other, &format!("{path}/snacks")).await.expect(200);
    assert_eq!(snacks.0, json!({"results": order["purchases"]}));
    assert_eq!(app.get(&other, "/orders").await.expect(200).0, json!({"results": [order.0], "next_cursor": null}));
}

#[tokio::test]
async fn a_price_that_changes_later_does_not_reach_an_order() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let snack = app.snack(&member, "새우깡").await;
    let order = app.post(&member, "/orders", order_body(&[(&snack, 3)])).await.expect(201).uid();
    let change = json!({"price": "9.99", "currency": "USD", "name": "매운 새우깡"});
    app.patch(&member, &format!("/snacks/{snack}"), change).await.expect(200);

    let order = app.get(&member, &format!("/orders/{order}")).await.expect(200);
    let purchase = &order["purchases"][0];
    assert_eq!(
        (&purchase["unit_price"], &purchase["currency"], &purchase["amount"]),
        (&json!("1500"), &json!("KRW"), &json!("4500"))
    );
    assert_eq!(order["amounts"], json!([{"currency": "KRW", "amount": "4500"}]));
    assert_eq!(purchase["snack"]["name"], "매운 새우깡", "the snack itself is shown as it is");
}

#[tokio::test]
async fn an_order_has_from_one_to_a_hundred_snacks() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let snacks = insert_snacks(&app, 101).await;
    let lines: Vec<(&str, i64)> = snacks.iter().map(|uid| (uid.as_str(), 1)).collect();
    let error = app.post(&member, "/orders", order_body(&lines)).await;
    assert_eq!(error.expect_error(400, "validation_failed").error_fields(), ["snacks"]);
    let order = app.post(&member, "/orders", order_body(&lines[..100])).await.expect(201);
    let order: Vec<_> = order["purchases"]
        .as_array()
        .expect("purchases")
        .iter()
        .map(|purchase| purchase["snack"]["uid"].as_str().expect("a uid"))
        .collect();
    assert_eq!(order, &snacks[..100]);
}

#[tokio::test]
async fn a_quantity_is_whole_however_its_number_is_written() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let snack = app.snack(&member, "새우깡").await;
    let body = json!({"snacks": [{"uid": snack, "quantity": 2.0}]});
    let order = app.post(&member, "/orders", body).await.expect(201);
    assert_eq!(order["purchases"][0]["quantity"], 2);
}

#[tokio::test]
async fn a_request_that_breaks_a_rule_orders_nothing() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let (snack, other) = (app.snack(&member, "새우깡").await, app.snack(&member, "꼬깔콘").await);
    let line = |quantity: Value| json!({"snacks": [{"uid": snack, "quantity": quantity}]});
    let unreadable = [
        json!([]),
        json!("snacks"),
        json!({"snacks": "all"}),
        json!({"snacks": null}),
        json!({"snacks": [snack]}),
        json!({"snacks": [{"uid": 7, "quantity": 1}]}),
        line(json!("1")),
        line(json!(1.5)),
        line(json!(null)),
        line(json!(1e30)),
    ];
    for body in unreadable {
        app.post(&member, "/orders", body).await.expect_error(400, "invalid_request");
    }
    let invalid = [
        (json!({}), vec!["snacks"]),
        (line(json!(0.0)), vec!["snacks[0].quantity"]),
        (json!({"snacks": []}), vec!["snacks"]),
        (line(json!(0)), vec!["snacks[0].quantity"]),
        (line(json!(-1)), vec!["snacks[0].quantity"]),
        (line(json!(1001)), vec!["snacks[0].quantity"]),
        (line(json!(4_294_967_297_i64)), vec!["snacks[0].quantity"]),
        (json!({"snacks": [{"uid": snack}]}), vec!["snacks[0].quantity"]),
        (json!({"snacks": [{"uid": snack, "quantity": 1}, {}]}), vec!["snacks[1].quantity", "snacks[1].uid"]),
    ];
    for (body, fields) in invalid {
        let error = app.post(&member, "/orders", body).await.expect_error(400, "validation_failed");
        assert_eq!(error.error_fields(), fields);
    }
    let (unknown, upper) = (Uuid::new_v4().to_string(), snack.to_uppercase());
    let named = [
        (order_body(&[(&snack, 1), (&unknown, 1)]), "unknown_snack"),
        (order_body(&[(&snack, 1), ("새우깡", 1)]), "unknown_snack"),
        (order_body(&[(&snack, 1), (&snack[1..], 1)]), "unknown_snack"),
        (order_body(&[(&snack, 1), ("\0", 1)]), "unknown_snack"),
        (order_body(&[(&snack, 1), (&snack, 2)]), "duplicate_snack"),
        (order_body(&[(&snack, 1), (&upper, 1)]), "duplicate_snack"),
    ];
    for (body, code) in named {
        let error = app.post(&member, "/orders", body).await.expect_error(400, code);
        assert_eq!(error.error_fields(), ["snacks[1].uid"]);
    }
    app.put(&app.admin().await, &format!("/snacks/{other}/status"), json!({"status": "unavailable"})).await.expect(200);
    let error = app.post(&member, "/orders", order_body(&[(&snack, 1), (&other, 1)])).await;
    assert_eq!(error.expect_error(409, "snack_unavailable").error_fields(), ["snacks[1].uid"]);

    for table in ["SELECT count(*) FROM orders", "SELECT count(*) FROM order_history"] {
        assert_eq!(count(app.db(), table).await, 0);
    }
    // No request has ordered the snack, and its uid is accepted in any form.
    app.order(&member, &[&upper]).await;
}

#[tokio::test]
async fn one_snack_of_an_open_order_refuses_the_whole_request() {
    let app = TestApp::start().await;
    let (owner, other) = (app.member().await, app.member().await);
    let (in_open_order, free) = (app.snack(&owner, "새우깡").await, app.snack(&owner, "꼬깔콘").await);
    app.order(&owner, &[&in_open_order]).await;
    for user in [&owner, &other] {
        let error = app.post(user, "/orders", order_body(&[(&free, 1), (&in_open_order, 1)])).await;
        let error = error.expect_error(409, "snack_already_requested");
        assert_eq!(error.error_fields(), ["snacks[1].uid"]);
    }
    assert_eq!(count(app.db(), "SELECT count(*) FROM orders").await, 1);
    app.order(&other, &[&free]).await;
}

#[tokio::test]
async fn a_snack_is_kept_from_others_until_its_order_ships_or_is_canceled() {
    let app = TestApp::start().await;
    let (admin, other) = (app.admin().await, app.member().await);
    for status in FLOW {
        let order = order_with_status(&app, &admin, status).await;
        let order = app.get(&admin, &format!("/orders/{order}")).await.expect(200);
        let snack = order["purchases"][0]["snack"]["uid"].as_str().expect("a uid");
        let again = app.post(&other, "/orders", order_body(&[(snack, 1)])).await;
        if matches!(status, "created" | "approved" | "ordered") {
            again.expect_error(409, "snack_already_requested");
        } else {
            again.expect(201);
        }
    }
    // An order that was canceled after its approval frees its snack as well.
    let order = order_with_status(&app, &admin, "approved").await;
    app.set_status(&admin, &order, "canceled").await.expect(200);
    let order = app.get(&admin, &format!("/orders/{order}")).await.expect(200);
    let snack = order["purchases"][0]["snack"]["uid"].as_str().expect("a uid");
    app.order(&other, &[snack]).await;
}

#[tokio::test]
async fn allowed_transitions_follow_from_the_status() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let table: [(&str, &[&str]); 6] = [
        ("created", &["approved", "canceled"]),
        ("approved", &["ordered", "canceled"]),
        ("ordered", &["shipping"]),
        ("shipping", &["completed"]),
        ("completed", &[]),
        ("canceled", &[]),
    ];
    for (status, allowed) in table {
        let order = order_with_status(&app, &admin, status).await;
        // The status alone decides, not the user.
        for user in [&admin, &member] {
            let order = app.get(user, &format!("/orders/{order}")).await.expect(200);
            assert_eq!(order["status"], status);
            assert_eq!(order["allowed_transitions"], json!(allowed));
        }
    }
}

#[tokio::test]
async fn the_history_tells_every_step_with_the_arrival_time_as_it_then_stood() {
    let app = TestApp::start().await;
    let (member, first, second) = (app.member().await, app.admin().await, app.admin().await);
    let snack = app.snack(&member, "새우깡").await;
    let order = app.order(&member, &[&snack]).await;
    let path = format!("/orders/{order}/status");
    let early = "2030-01-01T00:00:00Z";
    let late = "2030-02-02T00:00:00Z";
    let steps = [
        (&first, "approved", None),
        (&second, "ordered", Some(early)),
        (&first, "shipping", Some(late)),
        (&second, "completed", None),
    ];
    for (admin, status, arrival) in steps {
        let body = json!({"status": status, "estimated_arrival_time": arrival});
        app.put(admin, &path, body).await.expect(200);
    }
    // Neither an edit nor an error adds to the history.
    app.put(&first, &path, json!({"status": "canceled"})).await.expect_error(409, "invalid_transition");

    let history = app.get(&app.member().await, &format!("/orders/{order}/history")).await.expect(200);
    let mut error_names = history.rows().clone();
    let at: Vec<_> = error_names.iter_mut().map(|row| row["at"].take()).collect();
    assert!(at.is_sorted_by(|a, b| a.as_str() < b.as_str()), "{at:?}");
    assert!(at.iter().all(|at| at.as_str().is_some_and(|instant| instant.ends_with('Z'))));
    let mut expected = Vec::new();
    for (user, from, to, arrival) in [
        (&member, None, "created", None),
        (&first, Some("created"), "approved", None),
        (&second, Some("approved"), "ordered", Some(early)),
        (&first, Some("ordered"), "shipping", Some(late)),
        (&second, Some("shipping"), "completed", Some(late)),
    ] {
        let name = app.get(user, "/auth/users/profile").await.expect(200)["name"].clone();
        expected.push(json!({"from": from, "to": to, "actor": {"id": user.id, "name": name},
            "estimated_arrival_time": arrival, "reason": null, "over_budget": false, "at": null}));
    }
    assert_eq!(error_names, expected);
    assert_eq!(history.0.as_object().map(serde_json::Map::len), Some(1));
}

#[tokio::test]
async fn errors_of_order_requests_come_in_the_order_of_the_contract() {
    let app = TestApp::start().await;
    let (admin, member, other) = (app.admin().await, app.member().await, app.member().await);
    let (snack, free) = (app.snack(&member, "새우깡").await, app.snack(&member, "꼬깔콘").await);
    let order = app.order(&member, &[&snack]).await;
    advance_order(&app, &admin, &order, "approved").await;
    let endpoints = |uid: &str| {
        [
            (Method::GET, format!("/orders/{uid}"), Value::Null),
            (Method::GET, format!("/orders/{uid}/snacks"), Value::Null),
            (Method::GET, format!("/orders/{uid}/history"), Value::Null),
            (Method::PUT, format!("/orders/{uid}"), order_body(&[(&free, 1)])),
            (Method::PUT, format!("/orders/{uid}/status"), json!({"status": "approved"})),
            (Method::PATCH, format!("/orders/{uid}/status"), json!({"status": "approved"})),
            (Method::GET, format!("/order/{uid}/"), Value::Null),
            (Method::PUT, format!("/order/{uid}/"), json!({"status": "approved"})),
        ]
    };
    for uid in [Uuid::new_v4().to_string().as_str(), "7", "%FF", "새우깡"] {
        for (method, path, body) in endpoints(uid) {
            let request = app.request(method, &path).json(&body);
            app.send(request.try_clone().expect("a request")).await.expect_error(401, "not_authenticated");
            app.send(request.bearer_auth(&admin.access)).await.expect_error(404, "not_found");
        }
    }
    let edit = |uid: &str| app.request(Method::PUT, &format!("/orders/{uid}"));
    let edited = order_body(&[(&free, 1)]);
    let stale = |request: reqwest::RequestBuilder| request.header("if-match", "\"stale\"");
    let unknown = Uuid::new_v4().to_string();
    let table = [
        // Order of checks: request, existence, owner, entity tag, rules.
        (edit(&unknown).bearer_auth(&other.access).json(&json!({})), 400),
        (edit(&unknown).bearer_auth(&other.access).json(&order_body(&[("unknown", 1)])), 400),
        (stale(edit(&unknown)).bearer_auth(&other.access).json(&edited), 404),
        (stale(edit(&order)).bearer_auth(&other.access).json(&edited), 403),
        (stale(edit(&order)).bearer_auth(&member.access).json(&edited), 412),
        (edit(&order).bearer_auth(&member.access).json(&edited), 409),
    ];
    for (request, status) in table {
        app.send(request).await.expect(status);
    }
    // The required role is checked before everything but the token.
    for path in [format!("/orders/{unknown}/status"), format!("/order/{unknown}/")] {
        let request = app.request(Method::PUT, &path).bearer_auth(&member.access).body("{");
        app.send(request).await.expect_error(403, "permission_denied");
    }
}

#[tokio::test]
async fn the_older_spellings_do_the_same_and_are_deprecated() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    for slash in ["", "/"] {
        let snack = app.snack(&member, &format!("새우깡{slash}")).await;
        let response = app.post(&member, &format!("/order{slash}"), order_body(&[(&snack, 1)])).await;
        let location = response.header("location").to_owned();
        let order = response.expect(201);
        assert_eq!(location, format!("/orders/{}", order.uid()));
        let old = format!("/order/{}{slash}", order.uid());
        let (shown, current) = (app.get(&member, &old).await, app.get(&member, &location).await);
        assert_eq!(shown.header("etag"), current.header("etag"));
        assert!(!shown.header("etag").is_empty());
        assert_eq!((shown.expect(200), current.expect(200)), (order.clone(), order));

        let approve = json!({"status": "approved"});
        app.put(&member, &old, approve.clone()).await.expect_error(403, "permission_denied");
        let stale = app.request(Method::PUT, &old).header("if-match", "\"stale\"");
        app.send(stale.bearer_auth(&admin.access).json(&approve)).await.expect_error(412, "precondition_failed");
        assert_eq!(app.put(&admin, &old, approve).await.expect(200)["status"], "approved");
        app.put(&admin, &old, json!({"status": "ordered"})).await.expect_error(400, "estimated_arrival_time_required");
    }
    let document = serde_json::to_value(snack_server::app::router::document()).expect("a document");
    for (path, method, is_deprecated) in [
        ("/order", "post", true),
        ("/order/{uid}", "get", true),
        ("/order/{uid}", "put", true),
        ("/orders", "post", false),
        ("/orders/{uid}", "get", false),
        ("/orders/{uid}/status", "put", false),
    ] {
        let operation = &document["paths"][path][method];
        assert!(operation.is_object(), "{method} {path}");
        assert_eq!(operation["deprecated"] == true, is_deprecated, "{method} {path}");
    }
}
