//! Sign-in, the password and the profile.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::json;

use super::sign_up::is_recent;
use crate::support::{
    response::Response,
    test_app::{PASSWORD, TestApp, TestUser},
};

pub async fn sign_in(app: &TestApp, username: &str, password: &str) -> Response {
    let body = json!({"username": username, "password": password});
    app.post_open("/auth/token", body).await
}

async fn refresh(app: &TestApp, person: &TestUser) -> Response {
    app.post_open("/auth/token/refresh", json!({"refresh": person.refresh})).await
}

async fn change_password(app: &TestApp, person: &TestUser, current: &str, new: &str) -> Response {
    let body = json!({"current_password": current, "new_password": new});
    app.put(person, "/auth/users/password", body).await
}

#[tokio::test]
async fn signing_in_takes_the_email_as_username_or_as_email() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for field in ["username", "email"] {
        let tokens = app.post_open("/auth/token", json!({field: member.email, "password": PASSWORD})).await.expect(200);
        let mut keys: Vec<_> = tokens.as_object().expect("an object").keys().collect();
        keys.sort();
        assert_eq!(keys, ["access", "refresh"]);
    }
    let problem = app.post_open("/auth/token", json!({})).await.expect_error(400, "validation_failed");
    assert_eq!(problem.error_fields(), ["password", "username"]);
}

#[tokio::test]
async fn signing_in_is_noted_in_the_profile() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let profile = app.get(&member, "/auth/users/profile").await.expect(200);
    is_recent(&profile["last_login"]);
    let first = profile["last_login"].clone();
    sign_in(&app, &member.email, "a wrong password").await.expect_error(401, "invalid_credentials");
    let still = app.get(&member, "/auth/users/profile").await.expect(200);
    assert_eq!(still["last_login"], first);
    app.sign_in(member.id, &member.email).await;
    let next_login = app.get(&member, "/auth/users/profile").await.expect(200);
    assert!(next_login["last_login"].as_str() > first.as_str());
}

#[tokio::test]
async fn an_unknown_email_a_wrong_password_and_a_resigned_member_get_the_same_error() {
    let app = TestApp::start().await;
    let (member, resigned_user) = (app.member().await, app.member().await);
    app.delete(&resigned_user, "/auth/users/resign").await.expect(204);
    let mut error_names = Vec::new();
    for (email, password) in [
        ("nobody@snack.example", PASSWORD),
        ("no email at all", PASSWORD),
        (&member.email, "not the password"),
        (&member.email, &format!("{PASSWORD} ")),
        (&resigned_user.email, PASSWORD),
        (&resigned_user.email, "not the password"),
    ] {
        let response = sign_in(&app, email, password).await;
        let mut headers = response.headers.clone();
        for changing in ["x-request-id", "date"] {
            headers.remove(changing);
        }
        error_names.push((response.expect_error(401, "invalid_credentials"), headers));
    }
    for other in &error_names[1..] {
        assert_eq!(other, &error_names[0]);
    }
}

#[tokio::test]
async fn an_unknown_email_costs_what_a_wrong_password_costs() {
    let app = TestApp::start().await;
    let (member, resigned_user) = (app.member().await, app.member().await);
    app.delete(&resigned_user, "/auth/users/resign").await.expect(204);
    // The fastest of several attempts: load slows some of them down, but a hash that is left out speeds all of them up.
    let emails = [member.email.as_str(), "nobody@snack.example", &resigned_user.email];
    let mut fastest = [Duration::MAX; 3];
    for _ in 0..40 {
        for (email, fastest) in emails.iter().zip(&mut fastest) {
            let started = Instant::now();
            sign_in(&app, email, "not the password").await.expect_error(401, "invalid_credentials");
            *fastest = started.elapsed().min(*fastest);
        }
        if fastest[1] * 2 > fastest[0] && fastest[2] * 2 > fastest[0] {
            return;
        }
    }
    panic!("{fastest:?}");
}

#[tokio::test]
async fn a_new_password_ends_every_refresh_token_but_no_access_token() {
    let app = TestApp::start().await;
    let (member, other_user) = (app.member().await, app.member().await);
    let other_session = app.sign_in(member.id, &member.email).await;
    change_password(&app, &member, PASSWORD, "새로운비밀번호1").await.expect(204);

    for device in [&member, &other_session] {
        refresh(&app, device).await.expect_error(401, "invalid_token");
        app.get(device, "/auth/users/profile").await.expect(200);
    }
    refresh(&app, &other_user).await.expect(200);
    sign_in(&app, &member.email, PASSWORD).await.expect_error(401, "invalid_credentials");
    let again = sign_in(&app, &member.email, "새로운비밀번호1").await.expect(200);
    app.post_open("/auth/token/refresh", json!({"refresh": again["refresh"]})).await.expect(200);
}

#[tokio::test]
async fn a_password_is_not_made_of_ones_own_email_or_name() {
    let app = TestApp::start().await;
    let body = |password: &str| json!({"email": "Kim.Minsu@snack.example", "password": password, "name": "김 과자왕"});
    for password in ["kim.minsu@snack.example", "KimMinsu2026", "김과자왕!!!!", "**김 과자왕**"] {
        let problem = app.post_open("/auth/sign-up", body(password)).await.expect_error(400, "validation_failed");
        assert_eq!(problem["errors"][0]["code"], "too_personal", "{password}");
        assert_eq!(problem.error_fields(), ["password"]);
    }
    app.post_open("/auth/sign-up", body(PASSWORD)).await.expect(201);
    let tokens = sign_in(&app, "kim.minsu@snack.example", PASSWORD).await.expect(200);
    let change = json!({"current_password": PASSWORD, "new_password": "김과자왕1234"});
    let request = app.request(Method::PUT, "/auth/users/password").bearer_auth(tokens["access"].as_str().expect("one"));
    let problem = app.send(request.json(&change)).await.expect_error(400, "validation_failed");
    assert_eq!(problem["errors"][0]["code"], "too_personal");
    assert_eq!(problem.error_fields(), ["new_password"]);
    sign_in(&app, "kim.minsu@snack.example", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_refused_new_password_changes_nothing() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let long = "a".repeat(129);
    let table: [(&str, &str, &[&str]); 6] = [
        ("not the password", "korea-snack-10", &["current_password"]),
        (PASSWORD, "password1", &["new_password"]),
        (PASSWORD, "short", &["new_password"]),
        (PASSWORD, &long, &["new_password"]),
        ("not the password", "short", &["new_password"]),
        ("", "", &["current_password", "new_password"]),
    ];
    for (current, new, error_fields) in table {
        let problem = change_password(&app, &member, current, new).await.expect_error(400, "validation_failed");
        assert_eq!(problem.error_fields(), error_fields);
    }
    sign_in(&app, &member.email, PASSWORD).await.expect(200);
    refresh(&app, &member).await.expect(200);
}

#[tokio::test]
async fn of_two_password_changes_at_once_one_wins() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let changes = ["the first new one", "the second new one"].map(|new| change_password(&app, &member, PASSWORD, new));
    let responses = join_all(changes).await;
    let successes = responses.iter().position(|response| response.status == 204).expect("a winner");
    let [first, second]: [Response; 2] = responses.try_into().expect("two responses");
    let failures = if successes == 0 { second } else { first };
    assert_eq!(failures.expect_error(400, "validation_failed").error_fields(), ["current_password"]);
}

#[tokio::test]
async fn no_sign_in_with_the_old_password_outlives_the_change() {
    let app = TestApp::start().await;
    for _ in 0..3 {
        let member = app.member().await;
        let changed = AtomicBool::new(false);
        // Sign-ins run all the time, so that some have read the old password and still verify it when the new one is
        // set.
        let sessions = (0..6).map(async |_| {
            let mut successes = Vec::new();
            while !changed.load(Ordering::Relaxed) {
                let response = sign_in(&app, &member.email, PASSWORD).await;
                successes.extend((response.status == 200).then(|| response.body["refresh"].clone()));
            }
            successes
        });
        let changing = async {
            change_password(&app, &member, PASSWORD, "korea-snack-10").await.expect(204);
            changed.store(true, Ordering::Relaxed);
        };
        let (successes, ()) = join(join_all(sessions), changing).await;
        for token in successes.into_iter().flatten() {
            app.post_open("/auth/token/refresh", json!({"refresh": token})).await.expect_error(401, "invalid_token");
        }
    }
}

#[tokio::test]
async fn a_profile_is_ones_own_and_only_its_name_changes() {
    let app = TestApp::start().await;
    let (member, other) = (app.member().await, app.member().await);
    let before = app.get(&member, "/auth/users/profile").await.expect(200);
    assert_eq!(before["id"], member.id);
    assert_eq!(before["email"], member.email);

    let change =
        json!({"name": "  이과자 ", "email": "other@snack.example", "member_type": "admin", "is_deleted": true});
    let changed = app.patch(&member, "/auth/users/profile", change).await.expect(200);
    let mut expected = before.0;
    expected["name"] = json!("이과자");
    assert_eq!(changed.0, expected);
    assert_eq!(app.get(&member, "/auth/users/profile").await.expect(200), changed);
    let others = app.get(&other, "/auth/users/profile").await.expect(200);
    assert_ne!(others["name"], "이과자");
}

#[tokio::test]
async fn a_profile_refuses_a_name_that_breaks_the_rule() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for body in [json!({}), json!({"name": " "}), json!({"name": "가".repeat(51)})] {
        let problem = app.patch(&member, "/auth/users/profile", body).await.expect_error(400, "validation_failed");
        assert_eq!(problem.error_fields(), ["name"]);
    }
    app.patch(&member, "/auth/users/profile", json!({"name": null})).await.expect_error(400, "invalid_request");
}

#[tokio::test]
async fn checks_tell_who_one_is() {
    let app = TestApp::start().await;
    let (member, admin) = (app.member().await, app.admin().await);
    let success = json!({"detail": "Success"});
    for check in ["/checks/is_authenticated", "/checks/is_admin"] {
        assert_eq!(app.get(&admin, check).await.expect(200).0, success);
        app.send(app.request(Method::GET, check)).await.expect_error(401, "not_authenticated");
    }
    assert_eq!(app.get(&member, "/checks/is_authenticated").await.expect(200).0, success);
    app.get(&member, "/checks/is_admin").await.expect_error(403, "permission_denied");
}
