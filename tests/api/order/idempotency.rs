//! Idempotency keys: a repeated request gets the first response and creates no second order.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::support::{
    fixtures::{advance_order, count, order_body},
    response::Response,
    test_app::{TestApp, TestUser},
};

const ORDERS: &str = "SELECT count(*) FROM orders";

/// Sends an order with a key, and the body as it is written.
async fn order_at(app: &TestApp, user: &TestUser, path: &str, key: &str, body: &str) -> Response {
    let request = app.request(Method::POST, path).bearer_auth(&user.access);
    let request = request.header("content-type", "application/json").header("idempotency-key", key);
    app.send(request.body(body.to_owned())).await
}

async fn order(app: &TestApp, user: &TestUser, key: &str, body: &str) -> Response {
    order_at(app, user, "/orders", key, body).await
}

/// The parts of a response that describe its order.
fn order_part(response: &Response) -> (u16, String, String) {
    let location = response.header("location").to_owned();
    (response.status.as_u16(), location, response.text.clone())
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_response_unchanged() {
    let app = TestApp::start().await;
    let (member, admin) = (app.member().await, app.admin().await);
    let snack = app.snack(&member, "새우깡").await;
    let body = order_body(&[(&snack, 2)]).to_string();
    let first = order(&app, &member, "key", &body).await;
    assert_eq!(first.status, 201);
    assert_eq!(first.header("location"), format!("/orders/{}", first.body["uid"].as_str().expect("a uid")));
    let again = order(&app, &member, "key", &body).await;
    assert_eq!(order_part(&again), order_part(&first));
    assert_eq!(again.header("content-type"), first.header("content-type"));

    // The response stays the first one, whatever happens to the order and its snack.
    let uid = first.body["uid"].as_str().expect("a uid");
    app.put(&member, &format!("/orders/{uid}"), order_body(&[(&snack, 9)])).await.expect(200);
    assert_eq!(order_part(&order(&app, &member, "key", &body).await), order_part(&first));
    advance_order(&app, &admin, uid, "canceled").await;
    let deleted_user = json!({"status": "unavailable"});
    app.put(&admin, &format!("/snacks/{snack}/status"), deleted_user).await.expect(200);
    assert_eq!(order_part(&order(&app, &member, "key", &body).await), order_part(&first));
    assert_eq!(count(app.db(), ORDERS).await, 1);
    assert_eq!(count(app.db(), "SELECT count(*) FROM order_history").await, 2);
}

#[tokio::test]
async fn without_a_key_every_request_counts_for_itself() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let snack = app.snack(&member, "새우깡").await;
    app.order(&member, &[&snack]).await;
    app.post(&member, "/orders", order_body(&[(&snack, 1)])).await.expect_error(409, "snack_already_requested");
}

#[tokio::test]
async fn bodies_are_compared_as_json_values() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let (a, b) = (app.snack(&member, "새우깡").await, app.snack(&member, "꼬깔콘").await);
    let body = format!(r#"{{"snacks":[{{"uid":"{a}","quantity":1}},{{"uid":"{b}","quantity":2}}],"note":"새"}}"#);
    let first = order(&app, &member, "key", &body).await;
    assert_eq!(first.status, 201);
    let same = [
        format!(
            "{{ \"snacks\" : [ {{\"uid\":\"{a}\", \"quantity\":1}},\n\t{{\"uid\":\"{b}\",\"quantity\":2}} ], \"note\":\"새\" }}"
        ),
        format!(r#"{{"note":"\uc0c8","snacks":[{{"quantity":1,"uid":"{a}"}},{{"quantity":2,"uid":"{b}"}}]}}"#),
    ];
    for body in same {
        assert_eq!(order_part(&order(&app, &member, "key", &body).await), order_part(&first), "{body}");
    }
    let other = [
        format!(r#"{{"snacks":[{{"uid":"{b}","quantity":2}},{{"uid":"{a}","quantity":1}}],"note":"새"}}"#),
        format!(r#"{{"snacks":[{{"uid":"{a}","quantity":1}},{{"uid":"{b}","quantity":3}}],"note":"새"}}"#),
        format!(r#"{{"snacks":[{{"uid":"{a}","quantity":1}},{{"uid":"{b}","quantity":2}}],"note":"우"}}"#),
        format!(r#"{{"snacks":[{{"uid":"{a}","quantity":1}},{{"uid":"{b}","quantity":2}}]}}"#),
    ];
    for body in other {
        order(&app, &member, "key", &body).await.expect_error(409, "idempotency_key_reused");
    }
    // The rejected requests did not use the key.
    assert_eq!(order_part(&order(&app, &member, "key", &body).await), order_part(&first));
    assert_eq!(count(app.db(), ORDERS).await, 1);
}

#[tokio::test]
async fn a_key_is_its_users_own_and_read_to_the_letter() {
    let app = TestApp::start().await;
    let (one, two) = (app.member().await, app.member().await);
    let snacks = [app.snack(&one, "새우깡").await, app.snack(&one, "꼬깔콘").await, app.snack(&one, "포카칩").await];
    let bodies = snacks.each_ref().map(|snack| order_body(&[(snack, 1)]).to_string());
    let mut responses = Vec::new();
    for (user, key, body) in [(&one, "key", &bodies[0]), (&two, "key", &bodies[1]), (&one, "KEY", &bodies[2])] {
        let first = order(&app, user, key, body).await;
        assert_eq!(first.status, 201, "{}", first.text);
        responses.push((user, key, body, order_part(&first)));
    }
    for (user, key, body, first) in responses {
        assert_eq!(order_part(&order(&app, user, key, body).await), first);
    }
    // The same key of another user is independent.
    order(&app, &two, "another", &bodies[0]).await.expect_error(409, "snack_already_requested");
}

#[tokio::test]
async fn of_many_requests_with_one_key_at_once_one_orders_and_all_get_its_response() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let member = app.member().await;
    for round in 0..5 {
        let snack = app.snack(&member, &format!("새우깡 {round}")).await;
        let body = order_body(&[(&snack, 1)]).to_string();
        let key = format!("key-{round}");
        let attempts = (0..10).map(|number| {
            let server = if number % 2 == 0 { &app } else { &replica };
            order(server, &member, &key, &body)
        });
        let responses: Vec<_> = join_all(attempts).await.iter().map(order_part).collect();
        assert_eq!(responses[0].0, 201, "{}", responses[0].2);
        assert!(responses.iter().all(|response| *response == responses[0]), "{responses:?}");
        assert_eq!(count(app.db(), ORDERS).await, round + 1);
    }
}

#[tokio::test]
async fn of_two_bodies_with_one_key_at_once_one_is_ordered_and_the_other_refused() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for round in 0..5 {
        let snacks = [app.snack(&member, &format!("a{round}")).await, app.snack(&member, &format!("b{round}")).await];
        let key = round.to_string();
        let attempts = (0..8).map(|number| {
            let (app, member, key) = (&app, &member, &key);
            let body = order_body(&[(&snacks[number % 2], 1)]).to_string();
            async move { (number % 2, order(app, member, key, &body).await) }
        });
        let responses = join_all(attempts).await;
        let (successes, failures): (Vec<_>, Vec<_>) =
            responses.into_iter().partition(|(_, response)| response.status == 201);
        assert_eq!(successes.len(), 4);
        assert!(
            successes.iter().all(
                |(which, response)| (*which, order_part(response)) == (successes[0].0, order_part(&successes[0].1))
            )
        );
        for (_, response) in failures {
            response.expect_error(409, "idempotency_key_reused");
        }
    }
}

#[tokio::test]
async fn refusals_are_not_kept() {
    let app = TestApp::start().await;
    let (member, admin) = (app.member().await, app.admin().await);
    let snack = app.snack(&member, "새우깡").await;
    let record = app.order(&admin, &[&snack]).await;
    let body = order_body(&[(&snack, 1)]).to_string();
    order(&app, &member, "key", &body).await.expect_error(409, "snack_already_requested");
    order(&app, &member, "key", &order_body(&[("없음", 1)]).to_string()).await.expect_error(400, "unknown_snack");
    order(&app, &member, "key", "{}").await.expect_error(400, "validation_failed");
    order(&app, &member, "key", "{").await.expect_error(400, "invalid_request");
    assert_eq!(count(app.db(), "SELECT count(*) FROM idempotency_keys").await, 0);

    advance_order(&app, &admin, &record, "canceled").await;
    let first = order(&app, &member, "key", &body).await;
    assert_eq!(first.status, 201, "{}", first.text);
    assert_eq!(order_part(&order(&app, &member, "key", &body).await), order_part(&first));
}

#[tokio::test]
async fn a_key_lasts_a_day() {
    let app = TestApp::start().await;
    let (member, admin) = (app.member().await, app.admin().await);
    let (snack, other) = (app.snack(&member, "새우깡").await, app.snack(&member, "꼬깔콘").await);
    let body = order_body(&[(&snack, 1)]).to_string();
    let first = order(&app, &member, "key", &body).await;
    let set_age = async |set_age: &str| {
        let aged = "UPDATE idempotency_keys SET created_at = now() - $1::text::interval";
        sqlx::query(aged).bind(set_age).execute(app.db()).await.expect("an update");
    };
    let clean = async || snack_server::order::idempotency::remove_expired(app.db()).await.expect("a cleaning");
    set_age("23 hours 59 minutes").await;
    assert_eq!(clean().await, 0);
    assert_eq!(order_part(&order(&app, &member, "key", &body).await), order_part(&first));
    let another = order_body(&[(&other, 1)]).to_string();
    order(&app, &member, "key", &another).await.expect_error(409, "idempotency_key_reused");

    set_age("24 hours 1 second").await;
    // The same body is a new request now, and conflicts with the first order.
    order(&app, &member, "key", &body).await.expect_error(409, "snack_already_requested");
    let second = order(&app, &member, "key", &another).await;
    assert_eq!(second.status, 201, "{}", second.text);
    assert_eq!(order_part(&order(&app, &member, "key", &another).await), order_part(&second));
    order(&app, &member, "key", &body).await.expect_error(409, "idempotency_key_reused");

    set_age("24 hours 1 second").await;
    assert_eq!(clean().await, 1);
    advance_order(&app, &admin, second.body["uid"].as_str().expect("a uid"), "canceled").await;
    let third = order(&app, &member, "key", &another).await;
    assert_eq!(third.status, 201);
    assert_ne!(order_part(&third), order_part(&second));
}

#[tokio::test]
async fn keys_outlive_the_server_and_redis() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let snack = app.snack(&member, "새우깡").await;
    let body = order_body(&[(&snack, 1)]).to_string();
    let first = order_part(&order(&app, &member, "key", &body).await);
    let mut settings = app.state.config.as_ref().clone();
    app.stop().await;
    // Another prefix stands for a Redis that has lost its data.
    settings.redis_prefix = format!("test:{}:", uuid::Uuid::new_v4());
    let app = TestApp::with(|config| *config = settings).await;
    assert_eq!(order_part(&order(&app, &member, "key", &body).await), first);
    assert_eq!(count(app.db(), ORDERS).await, 1);
}

#[tokio::test]
async fn a_key_is_1_to_255_visible_ascii_characters() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let longest = "k".repeat(255);
    let visible: String = ('!'..='~').collect();
    for (number, key) in ["k", longest.as_str(), visible.as_str()].into_iter().enumerate() {
        let snack = app.snack(&member, &format!("새우깡 {number}")).await;
        let body = order_body(&[(&snack, 1)]).to_string();
        let first = order(&app, &member, key, &body).await;
        assert_eq!(first.status, 201, "{key}");
        assert_eq!(order_part(&order(&app, &member, key, &body).await), order_part(&first));
    }
    let snack = app.snack(&member, "꼬깔콘").await;
    let body = order_body(&[(&snack, 1)]).to_string();
    let too_long = "k".repeat(256);
    for key in ["", "two words", "tab\tbed", "키", too_long.as_str()] {
        order(&app, &member, key, &body).await.expect_error(400, "invalid_request");
    }
    let twice = app.request(Method::POST, "/orders").bearer_auth(&member.access);
    let twice = twice.header("idempotency-key", "a").header("idempotency-key", "b");
    app.send(twice.json(&order_body(&[(&snack, 1)]))).await.expect_error(400, "invalid_request");
    let without_token = app.request(Method::POST, "/orders").header("idempotency-key", "");
    app.send(without_token.json(&json!({}))).await.expect_error(401, "not_authenticated");
    assert_eq!(count(app.db(), ORDERS).await, 3);
}

#[tokio::test]
async fn the_older_spelling_takes_the_same_keys() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let (a, b) = (app.snack(&member, "새우깡").await, app.snack(&member, "꼬깔콘").await);
    let body = order_body(&[(&a, 1)]).to_string();
    let first = order_at(&app, &member, "/order/", "key", &body).await;
    assert_eq!(first.status, 201);
    for path in ["/order/", "/order", "/orders/", "/orders"] {
        assert_eq!(order_part(&order_at(&app, &member, path, "key", &body).await), order_part(&first), "{path}");
    }
    let other = order_body(&[(&b, 1)]).to_string();
    order_at(&app, &member, "/order/", "key", &other).await.expect_error(409, "idempotency_key_reused");
    order_at(&app, &member, "/order/", "two words", &other).await.expect_error(400, "invalid_request");
    assert_eq!(count(app.db(), ORDERS).await, 1);
}
