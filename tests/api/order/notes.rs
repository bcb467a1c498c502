//! Notes of owners and reasons of transitions.

use serde_json::{Value, json};

use crate::support::{
    fixtures::order_body,
    test_app::{TestApp, TestUser},
};

fn with_note(snack: &str, note: &Value) -> Value {
    let mut body = order_body(&[(snack, 1)]);
    body["note"] = note.clone();
    body
}

async fn note_of(app: &TestApp, user: &TestUser, order: &str) -> Value {
    app.get(user, &format!("/orders/{order}")).await.expect(200)["note"].clone()
}

#[tokio::test]
async fn a_note_is_given_with_the_order_and_changed_by_an_edit() {
    let app = TestApp::start().await;
    let (owner, admin) = (app.member().await, app.admin().await);
    let snack = app.snack(&owner, "새우깡").await;
    let note = "금요일 회의용이에요.\n3층으로 부탁드려요.";
    let order = app.post(&owner, "/orders", with_note(&snack, &json!(note))).await.expect(201);
    assert_eq!(order["note"], note);
    let path = format!("/orders/{}", order.uid());
    assert_eq!(app.get(&admin, "/orders").await.expect(200).rows()[0]["note"], note);
    // Left out it stays.
    app.put(&owner, &path, order_body(&[(&snack, 2)])).await.expect(200);
    assert_eq!(note_of(&app, &owner, &order.uid()).await, note);
    app.put(&admin, &path, with_note(&snack, &json!("4층으로 부탁드려요."))).await.expect(200);
    assert_eq!(note_of(&app, &owner, &order.uid()).await, "4층으로 부탁드려요.");
    for blank in ["", " \n ", "\u{200b}\u{3164}"] {
        app.put(&owner, &path, with_note(&snack, &json!("x"))).await.expect(200);
        let edited = app.put(&owner, &path, with_note(&snack, &json!(blank))).await.expect(200);
        assert_eq!(edited["note"], "", "{blank:?}");
    }
}

#[tokio::test]
async fn a_note_has_at_most_500_characters_and_no_control_characters() {
    let app = TestApp::start().await;
    let owner = app.member().await;
    let snack = app.snack(&owner, "새우깡").await;
    for (note, code) in [
        (json!("가".repeat(501)), "validation_failed"),
        (json!("a\u{0}b"), "validation_failed"),
        (json!("a\u{202e}b"), "validation_failed"),
        (json!(5), "invalid_request"),
        (json!(null), "invalid_request"),
        (json!(["a"]), "invalid_request"),
    ] {
        let error = app.post(&owner, "/orders", with_note(&snack, &note)).await.expect_error(400, code);
        assert_eq!(error.error_fields(), if code == "validation_failed" { vec!["note"] } else { vec![] }, "{note}");
    }
    let longest = "가".repeat(500);
    let order = app.post(&owner, "/orders", with_note(&snack, &json!(longest))).await.expect(201);
    assert_eq!(order["note"], longest);
}

#[tokio::test]
async fn an_order_with_a_key_has_its_note_and_another_note_is_another_request() {
    let app = TestApp::start().await;
    let owner = app.member().await;
    let snack = app.snack(&owner, "새우깡").await;
    let send = |note: &str| {
        let request = app.request(reqwest::Method::POST, "/orders").bearer_auth(&owner.access);
        app.send(request.header("idempotency-key", "one").json(&with_note(&snack, &json!(note))))
    };
    let first = send("빨리요").await.expect(201);
    assert_eq!((&first["note"], &first["follower_count"]), (&json!("빨리요"), &json!(0)));
    assert_eq!(send("빨리요").await.expect(201), first);
    send("천천히요").await.expect_error(409, "idempotency_key_reused");
}

#[tokio::test]
async fn the_reason_is_that_of_the_last_transition_and_the_history_has_all() {
    let app = TestApp::start().await;
    let (owner, admin) = (app.member().await, app.admin().await);
    let snack = app.snack(&owner, "새우깡").await;
    let order = app.order(&owner, &[&snack]).await;
    let path = format!("/orders/{order}");
    let steps = [
        (json!({"status": "approved", "reason": "좋은 선택이에요"}), json!("좋은 선택이에요")),
        (json!({"status": "ordered", "estimated_arrival_time": "2030-01-09T03:00:00Z"}), Value::Null),
        (
            json!({"status": "shipping", "estimated_arrival_time": "2030-01-09T03:00:00Z", "reason": "두 상자로\n옵니다"}),
            json!("두 상자로\n옵니다"),
        ),
        (json!({"status": "completed", "reason": " \u{3164} "}), Value::Null),
    ];
    let mut reasons = vec![Value::Null];
    for (body, reason) in steps {
        let changed = app.patch(&admin, &format!("{path}/status"), body).await.expect(200);
        assert_eq!(changed["reason"], reason);
        assert_eq!(app.get(&owner, "/orders").await.expect(200).rows()[0]["reason"], reason);
        reasons.push(reason);
    }
    assert_eq!(app.get(&owner, &format!("{path}/history")).await.expect(200).column("reason"), reasons);

    let second = app.order(&owner, &[&app.snack(&owner, "꼬깔콘").await]).await;
    for (reason, code) in [
        (json!("가".repeat(501)), "validation_failed"),
        (json!("a\u{7}"), "validation_failed"),
        (json!(7), "invalid_request"),
    ] {
        let body = json!({"status": "canceled", "reason": reason});
        let error = app.put(&admin, &format!("/orders/{second}/status"), body).await.expect_error(400, code);
        assert_eq!(error.error_fields(), if code == "validation_failed" { vec!["reason"] } else { vec![] });
    }
    let longest = json!({"status": "canceled", "reason": "가".repeat(500)});
    let canceled = app.put(&admin, &format!("/orders/{second}/status"), longest).await.expect(200);
    assert_eq!(canceled["reason"], "가".repeat(500));
    assert_eq!(app.get(&owner, &format!("/orders/{second}")).await.expect(200), canceled);
}

#[tokio::test]
async fn an_order_has_the_time_of_its_approval_and_keeps_it() {
    let app = TestApp::start().await;
    let (owner, admin) = (app.member().await, app.admin().await);
    let snack = app.snack(&owner, "새우깡").await;
    let order = app.post(&owner, "/orders", order_body(&[(&snack, 1)])).await.expect(201);
    assert_eq!(order["approved_at"], Value::Null);
    let approved = app.set_status(&admin, &order.uid(), "approved").await.expect(200);
    let at = approved["approved_at"].as_str().expect("an instant").to_owned();
    assert!(at.ends_with('Z') && at.as_str() > order["created_at"].as_str().expect("an instant"), "{at}");
    let canceled = app.set_status(&admin, &order.uid(), "canceled").await.expect(200);
    assert_eq!(canceled["approved_at"], at);
}
