//! Sign-up, sign-in, the password and the profile.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use crate::support::{
    response::Response,
    test_app::{PASSWORD, TestApp, TestUser},
};

async fn sign_up(app: &TestApp, email: &str) -> Response {
    let body = json!({"email": email, "password": PASSWORD, "name": "김간식"});
    app.post_open("/auth/sign-up", body).await
}

async fn sign_in(app: &TestApp, username: &str, password: &str) -> Response {
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

/// A valid email of `length` characters.
fn email_of(length: usize) -> String {
    let domain = format!("{0}.{0}.{0}.example", "d".repeat(60));
    let local = length - domain.len() - 1;
    format!("{}@{domain}", "l".repeat(local))
}

#[track_caller]
fn is_recent(instant: &Value) {
    let text = instant.as_str().expect("an instant");
    assert!(text.ends_with('Z'), "{text}");
    let instant: DateTime<Utc> = text.parse().expect("RFC 3339");
    assert!((Utc::now() - instant).abs() < chrono::TimeDelta::minutes(1), "{text}");
}

#[tokio::test]
async fn signing_up_answers_the_new_member_and_nothing_secret() {
    let app = TestApp::start().await;
    let body = json!({"email": " Kim@Snack.example ", "password": PASSWORD, "name": "  김간식\n", "member_type": "admin",
        "is_deleted": true, "id": 7});
    let user = app.post_open("/auth/sign-up", body).await.expect(201);
    is_recent(&user["date_joined"]);
    assert!(user["id"].is_i64());
    let expected = json!({"id": user["id"], "email": "Kim@Snack.example", "name": "김간식", "member_type": "member",
        "is_deleted": false, "date_joined": user["date_joined"], "last_login": null});
    assert_eq!(user.0, expected);
}

#[tokio::test]
async fn an_email_is_the_same_whatever_its_case_space_and_unicode_form() {
    let app = TestApp::start().await;
    let domain = "카페Ünï.example";
    let first = format!("Kim@{domain}");
    sign_up(&app, &first).await.expect(201);
    let decomposed: String = domain.nfd().collect();
    assert_ne!(decomposed, domain);
    for same in [
        first.to_lowercase(),
        first.to_uppercase(),
        format!(" \t{first}\n"),
        format!("\u{3000}{first}"),
        format!("Kim@{decomposed}"),
        format!("kIM@{}", decomposed.to_uppercase()),
    ] {
        sign_up(&app, &same).await.expect_error(409, "email_taken");
        sign_in(&app, &same, PASSWORD).await.expect(200);
    }
    sign_up(&app, &format!("kim2@{domain}")).await.expect(201);
}

#[tokio::test]
async fn an_email_is_one_however_its_domain_is_written() {
    let app = TestApp::start().await;
    let user = sign_up(&app, "kim1@한국.kr").await.expect(201);
    assert_eq!(user["email"], "kim1@xn--3e0b707e.kr");
    let user = sign_up(&app, "kim2@ｅｘａｍｐｌｅ。com").await.expect(201);
    assert_eq!(user["email"], "kim2@example.com");
    // IDNA without transitional processing keeps ß.
    sign_up(&app, "kim3@faß.example").await.expect(201);
    sign_up(&app, "kim3@fass.example").await.expect(201);
    for same in [
        "kim1@xn--3e0b707e.kr",
        "KIM1@XN--3E0B707E.KR",
        "kim1@한국。ｋｒ",
        "kim2@example.com",
        "kim2@example。com",
        "kim2@ｅｘａｍｐｌｅ.com",
        "kim3@FAẞ.example",
    ] {
        sign_up(&app, same).await.expect_error(409, "email_taken");
        sign_in(&app, same, PASSWORD).await.expect(200);
    }
    sign_in(&app, "kim1@한국2.kr", PASSWORD).await.expect_error(401, "invalid_credentials");
}

#[tokio::test]
async fn an_email_that_is_not_what_it_looks_like_is_refused() {
    let app = TestApp::start().await;
    for email in [
        "kim@example.com\u{200b}",
        "\u{feff}kim@example.com",
        "k\u{ad}im@example.com",
        "kim@exam\u{2060}ple.com",
        "kim@exam\u{3164}ple.com",
        "kim@exam\u{200d}ple.com",
        "kim@example\u{202e}.com",
        "kim\u{1b}@example.com",
        "kim\0@example.com",
        "kim@exam\nple.com",
        "ｋｉｍ@example.com",
        "\u{212a}im@example.com",
        "김@example.com",
        "kim＠example.com",
        "kim@xn--a.com",
        "kim@example..com",
        "kim@exa_mple.com",
        "kim@[127.0.0.1]",
    ] {
        let problem = sign_up(&app, email).await.expect_error(400, "validation_failed");
        let error = &problem["errors"][0];
        assert_eq!((&error["field"], &error["code"]), (&json!("email"), &json!("invalid_email")), "{email:?}");
    }
}

#[tokio::test]
async fn a_name_is_what_is_seen_of_it() {
    let app = TestApp::start().await;
    let user = json!({"email": "kim@snack.example", "password": PASSWORD, "name": "\u{200b}\u{3164}김간식👨‍👩‍👧 \u{ad}"});
    assert_eq!(app.post_open("/auth/sign-up", user).await.expect(201)["name"], "김간식👨‍👩‍👧");
    let member = app.member().await;
    for (name, code) in [
        ("\u{3164}", "blank"),
        ("\u{200b}\u{ad}\u{2060}\u{feff}\u{180e}", "blank"),
        ("\u{115f}\u{1160}\u{ffa0}\u{2800} \t", "blank"),
        ("\u{200d}\u{fe0f}", "blank"),
        ("김\n간식", "invalid_character"),
        ("김\u{1b}[31m간식", "invalid_character"),
        ("\u{202e}식간김", "invalid_character"),
        ("김\u{2066}간식", "invalid_character"),
        ("김\0간식", "invalid_character"),
    ] {
        let body = json!({"email": "lee@snack.example", "password": PASSWORD, "name": name});
        let change = json!({"name": name});
        for response in
            [app.post_open("/auth/sign-up", body).await, app.patch(&member, "/auth/users/profile", change).await]
        {
            let problem = response.expect_error(400, "validation_failed");
            let error = &problem["errors"][0];
            assert_eq!((&error["field"], &error["code"]), (&json!("name"), &json!(code)), "{name:?}");
        }
    }
}

#[tokio::test]
async fn every_field_of_a_sign_up_keeps_its_rule() {
    let app = TestApp::start().await;
    let long = "가".repeat(51);
    let with_spaces = format!("   {}   ", email_of(254));
    let table = [
        ("email", json!(email_of(254)), None),
        ("email", json!(with_spaces.replacen('l', "m", 1)), None),
        ("email", json!(email_of(255)), Some("too_long")),
        ("email", json!(""), Some("required")),
        ("email", json!("   "), Some("blank")),
        ("email", json!("kim"), Some("invalid_email")),
        ("email", json!("kim@"), Some("invalid_email")),
        ("email", json!("@snack.example"), Some("invalid_email")),
        ("email", json!("kim lee@snack.example"), Some("invalid_email")),
        ("email", json!("kim@snack@example"), Some("invalid_email")),
        ("password", json!(""), Some("required")),
        ("password", json!("1234567"), Some("too_short")),
        ("password", json!("7-snacks"), None),
        ("password", json!("12345678"), Some("too_common")),
        ("password", json!("PassWord123"), Some("too_common")),
        ("password", json!("qlalfqjsgh"), Some("too_common")),
        // Lengths count characters, not bytes: 7 of three bytes are too few, 128 of four bytes are allowed.
        ("password", json!("비밀번호일곱자"), Some("too_short")),
        ("password", json!("비밀번호여덟글자"), None),
        ("password", json!("🍪".repeat(128)), None),
        ("password", json!("a".repeat(129)), Some("too_long")),
        ("name", json!(""), Some("required")),
        ("name", json!(" \t\u{3000}"), Some("blank")),
        ("name", json!("김"), None),
        ("name", json!("가".repeat(50)), None),
        // 150 code points decomposed, 50 characters composed.
        ("name", json!("간".repeat(50).nfd().collect::<String>()), None),
        ("name", json!(format!(" {} ", "가".repeat(50))), None),
        ("name", json!(long), Some("too_long")),
    ];
    for (number, (field, value, broken)) in table.into_iter().enumerate() {
        let mut body = json!({"email": format!("kim{number}@snack.example"), "password": PASSWORD, "name": "김간식"});
        body[field] = value.clone();
        let response = app.post_open("/auth/sign-up", body).await;
        let Some(code) = broken else {
            response.expect(201);
            continue;
        };
        let problem = response.expect_error(400, "validation_failed");
        assert_eq!(problem.error_fields(), [field], "{value}");
        assert_eq!(problem["errors"][0]["code"], code, "{value}");
        assert!(problem["errors"][0]["message"].is_string());
    }
}

#[tokio::test]
async fn all_broken_fields_are_told_at_once_and_before_a_taken_email() {
    let app = TestApp::start().await;
    let duplicate = app.member().await;
    for body in [json!({}), json!({"email": "nobody", "password": "short", "name": " "})] {
        let problem = app.post_open("/auth/sign-up", body).await.expect_error(400, "validation_failed");
        assert_eq!(problem.error_fields(), ["email", "name", "password"]);
    }
    let body = json!({"email": duplicate.email, "password": "short", "name": "김간식"});
    let problem = app.post_open("/auth/sign-up", body).await.expect_error(400, "validation_failed");
    assert_eq!(problem.error_fields(), ["password"]);
}

#[tokio::test]
async fn a_field_of_another_type_cannot_be_read() {
    let app = TestApp::start().await;
    for value in [json!(null), json!(7), json!(["kim@snack.example"]), json!({}), json!(true)] {
        for field in ["email", "password", "name"] {
            let mut body = json!({"email": "kim@snack.example", "password": PASSWORD, "name": "김간식"});
            body[field] = value.clone();
            app.post_open("/auth/sign-up", body).await.expect_error(400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn the_email_of_somebody_who_resigned_is_never_handed_out_again() {
    let app = TestApp::start().await;
    let resigned_user = app.member().await;
    app.delete(&resigned_user, "/auth/users/resign").await.expect(204);
    sign_up(&app, &resigned_user.email).await.expect_error(409, "email_resigned");
    sign_up(&app, &format!(" {} ", resigned_user.email.to_uppercase())).await.expect_error(409, "email_resigned");
}

#[tokio::test]
async fn of_many_sign_ups_with_one_email_at_once_one_wins() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let emails = ["kim@snack.example", "KIM@snack.example", " kim@SNACK.example "];
    let tries = (0..18).map(|number| sign_up(if number % 2 == 0 { &app } else { &replica }, emails[number % 3]));
    let (successes, failures): (Vec<_>, Vec<_>) =
        join_all(tries).await.into_iter().partition(|response| response.status == 201);
    assert_eq!((successes.len(), failures.len()), (1, 17));
    for response in failures {
        response.expect_error(409, "email_taken");
    }
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
async fn an_unknown_email_a_wrong_password_and_a_resigned_member_are_told_alike() {
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
    let [first, second]: [Response; 2] = responses.try_into().expect("two answers");
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
