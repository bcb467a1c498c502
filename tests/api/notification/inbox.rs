//! The inbox: the list, the unread count, reading, preferences, languages.

use reqwest::header::ACCEPT_LANGUAGE;
use serde_json::{Value, json};

use crate::support::{
    fixtures::{count, order_with_status, walk},
    notification::{inbox, take_unread},
    test_app::{TestApp, TestUser},
};

async fn unread(app: &TestApp, user: &TestUser) -> Value {
    app.get(user, "/notifications/unread-count").await.expect(200)["count"].clone()
}

#[tokio::test]
async fn a_notification_says_what_happened_in_the_language_of_its_reader() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let snacks = [app.snack(&member, "새우깡").await, app.snack(&member, "초코파이").await];
    let order = app.order(&member, &[&snacks[0], &snacks[1]]).await;
    let body = json!({"status": "canceled", "reason": "품절"});
    app.put(&admin, &format!("/orders/{order}/status"), body).await.expect(200);

    let found = inbox(&app, &member).await.remove(0);
    assert_eq!(found["kind"], "order_canceled");
    assert_eq!(found["text"], "주문이 취소되었습니다: 새우깡 외 1가지 (사유: 품절)");
    assert_eq!(found["order"], json!({"uid": order, "status": "canceled"}));
    assert_eq!(found["actor"]["id"], admin.id);
    assert_eq!(found["read_at"], Value::Null);
    let request = app.request(reqwest::Method::GET, "/notifications").bearer_auth(&member.access);
    let english = app.send(request.header(ACCEPT_LANGUAGE, "en")).await.expect(200);
    assert_eq!(english.rows()[0]["text"], "Order canceled: 새우깡 and 1 more (reason: 품절)");
    // The snack keeps the name that it had.
    app.patch(&member, &format!("/snacks/{}", snacks[0]), json!({"name": "매운 새우깡"})).await.expect(200);
    assert_eq!(inbox(&app, &member).await[0]["text"], found["text"]);
}

#[tokio::test]
async fn the_list_has_pages_and_can_be_limited_to_unread_ones() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    for _ in 0..7 {
        let order = order_with_status(&app, &member, "created").await;
        app.set_status(&admin, &order, "approved").await.expect(200);
    }
    let all = inbox(&app, &member).await;
    assert_eq!(all.len(), 7);
    assert!(all.is_sorted_by(|one, two| one["created_at"].as_str() >= two["created_at"].as_str()));
    assert_eq!(walk(&app, &member, "/notifications", 3, async || {}).await, all);

    let ids: Vec<Value> = all[..3].iter().map(|notification| notification["id"].clone()).collect();
    app.put(&member, "/notifications/read", json!({"ids": ids})).await.expect(204);
    assert_eq!(unread(&app, &member).await, 4);
    let listed = async |filter| app.get(&member, &format!("/notifications?unread={filter}")).await.expect(200);
    assert_eq!(listed("true").await.rows(), &all[3..]);
    let read = listed("false").await;
    assert_eq!(read.column("id"), ids);
    assert!(read.rows().iter().all(|notification| notification["read_at"].is_string()));
    // Reading again keeps the first time.
    app.put(&member, "/notifications/read", json!({"all": true})).await.expect(204);
    assert_eq!(unread(&app, &member).await, 0);
    assert_eq!(inbox(&app, &member).await[..3], read.rows()[..]);
}

#[tokio::test]
async fn others_and_unknown_ids_are_passed_over() {
    let app = TestApp::start().await;
    let (one, two) = (app.admin().await, app.admin().await);
    let member = app.member().await;
    order_with_status(&app, &member, "created").await;
    let others = inbox(&app, &two).await[0]["id"].clone();
    let own = inbox(&app, &one).await[0]["id"].clone();
    app.put(&one, "/notifications/read", json!({"ids": [others, i64::MAX, -1, own]})).await.expect(204);
    assert_eq!((unread(&app, &one).await, unread(&app, &two).await), (json!(0), json!(1)));
    app.put(&one, "/notifications/read", json!({"all": true})).await.expect(204);
    assert_eq!(unread(&app, &two).await, 1);
    app.put(&one, "/notifications/read", json!({"ids": []})).await.expect(204);
    assert_eq!(inbox(&app, &member).await, Vec::<Value>::new());
}

#[tokio::test]
async fn reading_takes_ids_or_all() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let put = async |body| app.put(&member, "/notifications/read", body).await;
    for body in [json!({}), json!({"all": false})] {
        let error = put(body).await.expect_error(400, "validation_failed");
        assert_eq!(error.error_fields(), ["ids"]);
    }
    put(json!({"ids": vec![1; 1000]})).await.expect(204);
    let error = put(json!({"ids": vec![1; 1001]})).await.expect_error(400, "validation_failed");
    assert_eq!(error.error_fields(), ["ids"]);
    for body in [json!({"ids": ["a"]}), json!({"ids": 1}), json!({"all": "yes"}), json!([])] {
        put(body).await.expect_error(400, "invalid_request");
    }
    for query in ["unread=maybe", "limit=0", "cursor=x"] {
        app.get(&member, &format!("/notifications?{query}")).await.expect_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn mails_are_off_until_the_user_turns_them_on() {
    let app = TestApp::start().await;
    let (one, two) = (app.member().await, app.member().await);
    let path = "/notifications/preferences";
    assert_eq!(app.get(&one, path).await.expect(200).0, json!({"email": "none"}));
    assert_eq!(app.put(&one, path, json!({"email": "all"})).await.expect(200).0, json!({"email": "all"}));
    assert_eq!(app.get(&one, path).await.expect(200).0, json!({"email": "all"}));
    assert_eq!(app.get(&two, path).await.expect(200).0, json!({"email": "none"}));
    assert_eq!(app.put(&one, path, json!({})).await.expect_error(400, "validation_failed").error_fields(), ["email"]);
    for email in [json!("some"), json!(null), json!(true)] {
        app.put(&one, path, json!({"email": email})).await.expect_error(400, "invalid_request");
    }
    app.put(&one, path, json!({"email": "none"})).await.expect(200);
    assert_eq!(app.get(&one, path).await.expect(200).0, json!({"email": "none"}));
}

#[tokio::test]
async fn old_notifications_are_removed() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    for status in ["approved", "ordered"] {
        order_with_status(&app, &member, "created").await;
        let order = app.get(&member, "/orders").await.expect(200).rows()[0]["uid"].as_str().expect("a uid").to_owned();
        app.set_status(&admin, &order, "approved").await.expect(200);
        if status == "ordered" {
            app.set_status(&admin, &order, "ordered").await.expect(200);
        }
    }
    let age =
        "UPDATE notifications SET created_at = now() - $1::text::interval WHERE kind = $2::text::notification_kind";
    for (age_of, kind) in [("179 days", "order_approved"), ("181 days", "order_ordered")] {
        sqlx::query(age).bind(age_of).bind(kind).execute(app.db()).await.expect("an update");
    }
    assert!(snack_server::operations::cleanup::remove_expired(app.db()).await.expect("Postgres"));
    assert_eq!(take_unread(&app, &member).await, ["order_approved"; 2]);
    assert_eq!(count(app.db(), "SELECT count(*) FROM notifications WHERE kind = 'order_ordered'").await, 0);
}
