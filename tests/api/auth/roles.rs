//! Roles and resignations: who may change them, one active admin always remains, and changes apply from the next
//! request.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::{join, join_all};
use serde_json::json;
use snack_server::auth::users::MemberType;
use sqlx::postgres::PgPoolOptions;
use tokio::time::timeout;

use crate::support::{
    database::through_proxy,
    proxy::Mode,
    response::Response,
    test_app::{TestApp, TestUser},
};

async fn set_type(app: &TestApp, admin: &TestUser, id: i64, member_type: &str) -> Response {
    app.put(admin, &format!("/auth/users/{id}"), json!({"member_type": member_type})).await
}

async fn resign(app: &TestApp, user: &TestUser) -> Response {
    app.delete(user, "/auth/users/resign").await
}

async fn active_admins(app: &TestApp) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM users WHERE member_type = 'admin' AND NOT is_deleted")
        .fetch_one(app.db())
        .await
        .expect("a count")
}

async fn is_admin(app: &TestApp, user: &TestUser) -> u16 {
    app.get(user, "/checks/is_admin").await.status.as_u16()
}

/// Repeats `GET /checks/is_admin` until its status is `status`.
async fn wait_for_status(app: &TestApp, user: &TestUser, status: u16) {
    let polling = async { while is_admin(app, user).await != status {} };
    timeout(Duration::from_secs(5), polling)
        .await
        .unwrap_or_else(|_| panic!("the status did not become {status} in time"));
}

/// Changes the type in the database, past the server.
async fn set_by_sql(app: &TestApp, id: i64, member_type: &str) {
    sqlx::query("UPDATE users SET member_type = $2::member_type WHERE id = $1")
        .bind(id)
        .bind(member_type)
        .execute(app.db())
        .await
        .expect("an update");
}

#[tokio::test]
async fn an_admin_makes_a_member_an_admin_and_back_by_put_and_by_patch() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let path = format!("/auth/users/{}", member.id);
    let before = app.get(&member, "/auth/users/profile").await.expect(200);
    for member_type in ["admin", "admin", "member", "member"] {
        let body = json!({"member_type": member_type});
        let by_put = app.put(&admin, &path, body.clone()).await.expect(200);
        let by_patch = app.patch(&admin, &path, body).await.expect(200);
        let mut expected = before.0.clone();
        expected["member_type"] = json!(member_type);
        assert_eq!((by_put.0, by_patch.0), (expected.clone(), expected));
    }
}

#[tokio::test]
async fn a_type_that_is_missing_or_unknown_and_a_user_that_is_not_there_are_refused() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let path = format!("/auth/users/{}", member.id);
    let problem = app.put(&admin, &path, json!({"name": "x"})).await.expect_error(400, "validation_failed");
    assert_eq!(problem.error_fields(), ["member_type"]);
    for value in [json!(null), json!("boss"), json!("ADMIN"), json!(1), json!(["admin"])] {
        app.patch(&admin, &path, json!({"member_type": value})).await.expect_error(400, "invalid_request");
    }
    for id in ["0", "-1", "9223372036854775807", "9223372036854775808", "seven", "1.0", "%FF", "%00"] {
        app.put(&admin, &format!("/auth/users/{id}"), json!({"member_type": "admin"}))
            .await
            .expect_error(404, "not_found");
    }
}

#[tokio::test]
async fn the_type_of_somebody_who_resigned_stays() {
    let app = TestApp::start().await;
    let (admin, resigned_user) = (app.admin().await, app.member().await);
    resign(&app, &resigned_user).await.expect(204);
    for member_type in ["admin", "member"] {
        set_type(&app, &admin, resigned_user.id, member_type).await.expect_error(409, "user_resigned");
    }
}

#[tokio::test]
async fn the_only_active_admin_can_neither_step_down_nor_resign() {
    let app = TestApp::start().await;
    let (admin, other, member) = (app.admin().await, app.admin().await, app.member().await);
    resign(&app, &other).await.expect(204);
    // Resigned admins do not count, and members may resign.
    set_type(&app, &admin, admin.id, "member").await.expect_error(409, "last_admin");
    resign(&app, &admin).await.expect_error(409, "last_admin");
    set_type(&app, &admin, admin.id, "admin").await.expect(200);
    resign(&app, &member).await.expect(204);
    let profile = app.get(&admin, "/auth/users/profile").await.expect(200);
    assert_eq!((&profile["member_type"], &profile["is_deleted"]), (&json!("admin"), &json!(false)));

    let second = app.member().await;
    set_type(&app, &admin, second.id, "admin").await.expect(200);
    set_type(&app, &admin, admin.id, "member").await.expect(200);
    resign(&app, &second).await.expect_error(409, "last_admin");
}

#[tokio::test]
async fn who_resigns_is_refused_from_then_on_and_their_row_stays() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let other_server = app.sign_in(member.id, &member.email).await;
    // The request puts the user into the server's cache.
    app.get(&member, "/auth/users/profile").await.expect(200);
    resign(&app, &member).await.expect(204);
    for device in [&member, &other_server] {
        app.get(device, "/auth/users/profile").await.expect_error(401, "invalid_token");
        app.post_open("/auth/token/refresh", json!({"refresh": device.refresh}))
            .await
            .expect_error(401, "invalid_token");
        resign(&app, device).await.expect_error(401, "invalid_token");
    }
    let list = app.get(&admin, "/auth/users?is_deleted=true").await.expect(200);
    assert_eq!(list.column("email"), [json!(member.email)]);
}

#[tokio::test]
async fn of_admins_who_all_resign_at_once_one_stays() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    for _ in 0..6 {
        let mut admins = Vec::new();
        for _ in 0..3 {
            admins.push(app.admin().await);
        }
        let attempts = admins.iter().zip([&app, &replica, &app]).map(|(admin, server)| resign(server, admin));
        let (resigned_user, stayed): (Vec<_>, Vec<_>) =
            join_all(attempts).await.into_iter().partition(|response| response.status == 204);
        assert_eq!((resigned_user.len(), active_admins(&app).await), (2, 1));
        for response in stayed {
            response.expect_error(409, "last_admin");
        }
        // The next round starts without admins.
        sqlx::query("UPDATE users SET member_type = 'member'").execute(app.db()).await.expect("an update");
    }
}

#[tokio::test]
async fn of_two_admins_who_demote_each_other_at_once_one_stays() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    for _ in 0..6 {
        let (one, two) = (app.admin().await, app.admin().await);
        let (first, second) =
            join(set_type(&app, &one, two.id, "member"), set_type(&replica, &two, one.id, "member")).await;
        let responses = [first.status.as_u16(), second.status.as_u16()];
        assert_eq!(active_admins(&app).await, 1, "{responses:?}");
        // The slower request was rejected because no admin would be left, or because its sender was no longer an admin.
        assert_eq!(responses.iter().filter(|status| **status == 200).count(), 1, "{responses:?}");
        assert!(responses.iter().all(|status| [200, 403, 409].contains(status)), "{responses:?}");
        set_by_sql(&app, one.id, "member").await;
        set_by_sql(&app, two.id, "member").await;
    }
}

#[tokio::test]
async fn one_who_resigns_while_the_other_is_demoted_does_not_leave_nobody() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    for _ in 0..6 {
        let (one, two) = (app.admin().await, app.admin().await);
        let (resigned, demoted) = join(resign(&app, &one), set_type(&replica, &one, two.id, "member")).await;
        assert_eq!(active_admins(&app).await, 1);
        assert!(resigned.status == 204 || demoted.status == 200);
        sqlx::query("UPDATE users SET member_type = 'member'").execute(app.db()).await.expect("an update");
    }
}

#[tokio::test]
async fn a_changed_type_is_in_force_with_the_very_next_request() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    for _ in 0..10 {
        for (member_type, status) in [("admin", 200), ("member", 403)] {
            // The member sends requests throughout.
            let polling = join_all((0..8).map(|_| is_admin(&app, &member)));
            let (changed, _) = join(set_type(&app, &admin, member.id, member_type), polling).await;
            changed.expect(200);
            assert_eq!(is_admin(&app, &member).await, status);
        }
    }
}

#[tokio::test]
async fn a_server_does_not_need_the_channel_to_know_what_it_did_itself() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    sqlx::query("DROP TRIGGER users_notify_changed ON users").execute(app.db()).await.expect("a trigger that is gone");
    for (member_type, status) in [("admin", 200), ("member", 403)] {
        is_admin(&app, &member).await;
        set_type(&app, &admin, member.id, member_type).await.expect(200);
        assert_eq!(is_admin(&app, &member).await, status);
    }
    resign(&app, &member).await.expect(204);
    assert_eq!(is_admin(&app, &member).await, 401);
}

#[tokio::test]
async fn a_replica_learns_of_a_changed_type_and_of_a_resignation() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let (admin, member) = (app.admin().await, app.member().await);
    assert_eq!(is_admin(&replica, &member).await, 403);
    for (member_type, status) in [("admin", 200), ("member", 403), ("admin", 200)] {
        set_type(&app, &admin, member.id, member_type).await.expect(200);
        wait_for_status(&replica, &member, status).await;
    }
    resign(&app, &member).await.expect(204);
    wait_for_status(&replica, &member, 401).await;
}

#[tokio::test]
async fn a_change_by_sql_reaches_servers_with_cached_users() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for (member_type, status) in [("admin", 200), ("member", 403)].repeat(5) {
        set_by_sql(&app, member.id, member_type).await;
        wait_for_status(&app, &member, status).await;
        // The server does not return to the earlier type.
        for _ in 0..5 {
            assert_eq!(is_admin(&app, &member).await, status);
        }
    }
}

#[tokio::test]
async fn a_user_status_that_was_read_before_a_change_is_not_cached_after_it() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let cache = &app.state.auth.user_cache;
    // A reader whose responses from Postgres are delayed.
    let (proxy, database) = through_proxy(&app.state.config.database).await;
    let slow = PgPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .connect_with(database.application_name("slow"))
        .await
        .expect("Postgres");
    cache.invalidate(member.id);
    cache.get(&slow, member.id).await.expect("a status");
    cache.invalidate(member.id);
    let before: DateTime<Utc> =
        sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(app.db()).await.expect("the time");

    // The pool pings a connection that is returned to it, and would wait for the held response forever.
    while slow.num_idle() == 0 {
        tokio::task::yield_now().await;
    }
    proxy.set_mode(Mode::HoldResponses);
    let changing = async {
        let has_read = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'slow'
            AND datname = current_database() AND state = 'idle' AND query_start > $1 AND query LIKE '%member_type%')";
        let reading = async {
            let read = || sqlx::query_scalar::<_, bool>(has_read).bind(before).fetch_one(app.db());
            while !read().await.expect("the activity") {}
        };
        timeout(Duration::from_secs(5), reading).await.expect("a row that was read");
        set_type(&app, &admin, member.id, "admin").await.expect(200);
        assert_eq!(is_admin(&app, &member).await, 200);
        proxy.set_mode(Mode::Pass);
    };
    let (read, ()) = join(cache.get(&slow, member.id), changing).await;
    assert_eq!(read.expect("a response").expect("a status").member_type, MemberType::Member);
    assert_eq!(is_admin(&app, &member).await, 200);
}

#[tokio::test]
async fn a_server_that_lost_the_channel_does_not_trust_its_cache() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for (member_type, status) in [("admin", 200), ("member", 403)].repeat(2) {
        // The change happens without a listener, so its notification is lost.
        sqlx::query(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
             WHERE datname = current_database() AND query ILIKE 'LISTEN%'",
        )
        .execute(app.db())
        .await
        .expect("the end of the listener");
        set_by_sql(&app, member.id, member_type).await;
        wait_for_status(&app, &member, status).await;
        // After listening again the server receives changes as before.
        set_by_sql(&app, member.id, "admin").await;
        wait_for_status(&app, &member, 200).await;
        set_by_sql(&app, member.id, "member").await;
        wait_for_status(&app, &member, 403).await;
    }
}
