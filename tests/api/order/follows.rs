//! Followers of orders.

use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    fixtures::{FLOW, count, order_with_status, texts, wait_for_blocked},
    response::Response,
    test_app::{TestApp, TestUser},
};

async fn follow(app: &TestApp, user: &TestUser, order: &str) -> Response {
    app.send(app.request(Method::PUT, &format!("/orders/{order}/follow")).bearer_auth(&user.access)).await
}

#[tokio::test]
async fn a_member_follows_an_order_once_and_stops() {
    let app = TestApp::start().await;
    let (admin, one, two) = (app.admin().await, app.member().await, app.member().await);
    let order = order_with_status(&app, &admin, "created").await;
    let path = format!("/orders/{order}");
    let etag = app.get(&admin, &path).await.header("etag").to_owned();
    for (user, count) in [(&one, 1), (&one, 1), (&two, 2)] {
        follow(&app, user, &order).await.expect(204);
        // Everyone sees the number; each sees whether they are among them, in lists too.
        for viewer in [&admin, &one, &two] {
            let follows = viewer.id == one.id || (viewer.id == two.id && count == 2);
            let listed = app.get(viewer, "/orders").await.expect(200).rows()[0].clone();
            let period = app.get(viewer, "/statistics/orders").await.expect(200).rows()[0].clone();
            for shown in [app.get(viewer, &path).await.expect(200).0, listed, period] {
                assert_eq!((&shown["follower_count"], &shown["followed_by_me"]), (&json!(count), &json!(follows)));
            }
        }
    }
    assert_eq!(app.get(&admin, &path).await.header("etag"), etag);
    for count in [1, 1] {
        app.delete(&one, &format!("{path}/follow")).await.expect(204);
        let shown = app.get(&one, &path).await.expect(200);
        assert_eq!((&shown["follower_count"], &shown["followed_by_me"]), (&json!(count), &json!(false)));
    }
    assert_eq!(app.get(&two, &path).await.expect(200)["followed_by_me"], true);
}

#[tokio::test]
async fn viewers_who_share_a_page_see_their_own_follows() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        orders.push(order_with_status(&app, &admin, "created").await);
    }
    orders.reverse();
    let users = app.users(16).await;
    let follows = |user: usize, order: usize| user >> order & 1 == 1;
    for (number, user) in users.iter().enumerate() {
        for (place, order) in orders.iter().enumerate().filter(|(place, _)| follows(number, *place)) {
            follow(&app, user, order).await.expect(204);
            assert!(place < 3);
        }
    }
    for _ in 0..4 {
        let pages = join_all(users.iter().map(|user| app.get(user, "/orders"))).await;
        for (number, page) in pages.into_iter().enumerate() {
            let page = page.expect(200);
            let expected: Vec<Value> = (0..3).map(|place| json!(follows(number, place))).collect();
            assert_eq!(page.column("followed_by_me"), expected, "user {number}");
            assert_eq!(page.column("follower_count"), [8, 8, 8]);
        }
    }
}

#[tokio::test]
async fn the_orders_that_one_follows_are_listed() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let first = order_with_status(&app, &admin, "created").await;
    let second = order_with_status(&app, &admin, "approved").await;
    order_with_status(&app, &admin, "approved").await;
    for order in [&first, &second] {
        follow(&app, &member, order).await.expect(204);
    }
    for (query, expected) in [
        ("followed=me", vec![&second, &first]),
        ("followed=me&status=approved", vec![&second]),
        ("followed=me&user=me", vec![]),
        ("followed=me&limit=1", vec![&second]),
    ] {
        let page = app.get(&member, &format!("/orders?{query}")).await.expect(200);
        assert_eq!(texts(page.rows(), "uid"), expected, "{query}");
    }
    assert_eq!(app.get(&admin, "/orders?followed=me").await.expect(200).rows().len(), 0);
    assert_eq!(app.get(&member, "/orders?followed=").await.expect(200).rows().len(), 3);
    for wrong in ["you", "7", "ME"] {
        app.get(&member, &format!("/orders?followed={wrong}")).await.expect_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_closed_order_gets_no_followers_but_loses_them() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    for status in FLOW {
        let order = order_with_status(&app, &admin, status).await;
        let response = follow(&app, &member, &order).await;
        if ["completed", "canceled"].contains(&status) {
            response.expect_error(409, "order_closed");
        } else {
            response.expect(204);
        }
        app.delete(&member, &format!("/orders/{order}/follow")).await.expect(204);
    }
    for uid in ["7c9e6679-7425-40de-944b-e07fc1f90ae7", "7", "%FF"] {
        follow(&app, &member, uid).await.expect_error(404, "not_found");
        app.delete(&member, &format!("/orders/{uid}/follow")).await.expect_error(404, "not_found");
    }
    assert_eq!(count(app.db(), "SELECT count(*) FROM order_follows").await, 0);
}

#[tokio::test]
async fn nobody_follows_an_order_that_closes_at_the_same_moment() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let order = order_with_status(&app, &admin, "created").await;
    let mut cancellation = app.db().begin().await.expect("a transaction");
    sqlx::query("UPDATE orders SET status = 'canceled'").execute(&mut *cancellation).await.expect("an update");
    let commit = async {
        wait_for_blocked(&app, 1).await;
        cancellation.commit().await.expect("a commit");
    };
    let (followed, ()) = join(follow(&app, &member, &order), commit).await;
    followed.expect_error(409, "order_closed");
    assert_eq!(count(app.db(), "SELECT count(*) FROM order_follows").await, 0);
}
