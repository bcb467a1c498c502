//! Who is notified of what. Whoever did it is not told.

use serde_json::{Value, json};

use crate::support::{
    fixtures::{advance_order, order_body, order_with_status},
    notification::{inbox, kinds, take_unread},
    test_app::{TestApp, TestUser},
};

async fn follow(app: &TestApp, user: &TestUser, order: &str) {
    app.send(app.request(reqwest::Method::PUT, &format!("/orders/{order}/follow")).bearer_auth(&user.access))
        .await
        .expect(204);
}

#[tokio::test]
async fn a_new_order_is_told_to_the_other_admins() {
    let app = TestApp::start().await;
    let (one, two, member) = (app.admin().await, app.admin().await, app.member().await);
    order_with_status(&app, &member, "created").await;
    for admin in [&one, &two] {
        let found = inbox(&app, admin).await;
        assert_eq!((found.len(), &found[0]["kind"]), (1, &json!("order_created")));
        assert_eq!(found[0]["actor"]["id"], member.id);
        assert_eq!(found[0]["order"]["status"], "created");
    }
    assert_eq!(kinds(&app, &member).await, Vec::<String>::new());
    order_with_status(&app, &one, "created").await;
    assert_eq!((kinds(&app, &one).await.len(), kinds(&app, &two).await.len()), (1, 2));
}

#[tokio::test]
async fn every_step_is_told_to_the_owner_and_the_followers() {
    let app = TestApp::start().await;
    let (admin, owner) = (app.admin().await, app.member().await);
    let (follower, stranger, former) = (app.member().await, app.member().await, app.member().await);
    let order = order_with_status(&app, &owner, "created").await;
    for user in [&follower, &former] {
        follow(&app, user, &order).await;
    }
    app.delete(&former, &format!("/orders/{order}/follow")).await.expect(204);
    for status in ["approved", "ordered", "shipping", "completed"] {
        app.set_status(&admin, &order, status).await.expect(200);
        for user in [&owner, &follower] {
            assert_eq!(take_unread(&app, user).await, [format!("order_{status}")]);
        }
    }
    for user in [&stranger, &former] {
        assert_eq!(kinds(&app, user).await, Vec::<String>::new());
    }
    // The admin has the creation only.
    assert_eq!(kinds(&app, &admin).await, ["order_created"]);
}

#[tokio::test]
async fn whoever_did_it_is_not_told() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let own = order_with_status(&app, &admin, "created").await;
    follow(&app, &member, &own).await;
    for status in ["approved", "canceled"] {
        app.set_status(&admin, &own, status).await.expect(200);
        assert_eq!(take_unread(&app, &member).await, [format!("order_{status}")]);
    }
    assert_eq!(kinds(&app, &admin).await, Vec::<String>::new());
    // An owner who cancels is not told, but the followers are. An admin who follows counts as one.
    let order = order_with_status(&app, &member, "created").await;
    follow(&app, &admin, &order).await;
    app.set_status(&member, &order, "canceled").await.expect(200);
    assert_eq!(take_unread(&app, &admin).await, ["order_canceled", "order_created"]);
    assert_eq!(kinds(&app, &member).await.len(), 2);
}

#[tokio::test]
async fn a_changed_arrival_and_an_edit_by_an_admin_are_told() {
    let app = TestApp::start().await;
    let (admin, owner, follower) = (app.admin().await, app.member().await, app.member().await);
    let snack = app.snack(&owner, "새우깡").await;
    let order = app.order(&owner, &[&snack]).await;
    follow(&app, &follower, &order).await;
    // An owner's own edit is told to nobody.
    app.put(&owner, &format!("/orders/{order}"), order_body(&[(&snack, 2)])).await.expect(200);
    assert_eq!(kinds(&app, &follower).await, Vec::<String>::new());
    app.put(&admin, &format!("/orders/{order}"), order_body(&[(&snack, 3)])).await.expect(200);
    for user in [&owner, &follower] {
        assert_eq!(take_unread(&app, user).await, ["order_edited_by_admin"]);
    }
    advance_order(&app, &admin, &order, "ordered").await;
    for user in [&owner, &follower] {
        assert_eq!(take_unread(&app, user).await, ["order_ordered", "order_approved"]);
    }
    let body = json!({"estimated_arrival_time": "2030-01-10T18:00:00Z", "reason": "폭설"});
    app.put(&admin, &format!("/orders/{order}/arrival"), body).await.expect(200);
    for user in [&owner, &follower] {
        let found = inbox(&app, user).await.remove(0);
        assert_eq!(found["kind"], "order_arrival_changed");
        assert_eq!(found["text"], "도착 예정이 변경되었습니다: 새우깡 (1월 11일 도착 예정) (사유: 폭설)");
    }
    // What is refused is not told.
    app.set_status(&admin, &order, "approved").await.expect_error(409, "invalid_transition");
    assert_eq!(take_unread(&app, &owner).await, ["order_arrival_changed"]);
    assert_eq!(take_unread(&app, &owner).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_new_role_is_told_to_the_member() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let path = format!("/auth/users/{}", member.id);
    for (role, text) in [("admin", "관리자로 지정되었습니다."), ("member", "일반 회원으로 변경되었습니다.")]
    {
        // The second request changes nothing.
        for _ in 0..2 {
            app.put(&admin, &path, json!({"member_type": role})).await.expect(200);
        }
        let found = inbox(&app, &member).await.remove(0);
        assert_eq!(found["text"], text);
        assert_eq!((&found["order"], &found["actor"]["id"]), (&Value::Null, &json!(admin.id)));
        assert_eq!(take_unread(&app, &member).await, ["member_type_changed"]);
    }
    assert_eq!(kinds(&app, &admin).await, Vec::<String>::new());
    // Nobody is told of what they do to themselves.
    let other = app.admin().await;
    app.put(&other, &format!("/auth/users/{}", other.id), json!({"member_type": "member"})).await.expect(200);
    assert_eq!(kinds(&app, &other).await, Vec::<String>::new());
}

#[tokio::test]
async fn users_who_resigned_are_not_told() {
    let app = TestApp::start().await;
    let (admin, leaving) = (app.admin().await, app.admin().await);
    let owner = app.member().await;
    let order = order_with_status(&app, &owner, "created").await;
    follow(&app, &leaving, &order).await;
    app.delete(&leaving, "/auth/users/resign").await.expect(204);
    app.delete(&owner, "/auth/users/resign").await.expect(204);
    app.set_status(&admin, &order, "approved").await.expect(200);
    order_with_status(&app, &admin, "created").await;
    let told: Vec<i64> = sqlx::query_scalar("SELECT user_id FROM notifications ORDER BY id")
        .fetch_all(app.db())
        .await
        .expect("notifications");
    assert_eq!(told, [admin.id, leaving.id], "of the first order only");
}
