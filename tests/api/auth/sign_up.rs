//! Sign-up: validation, and the uniqueness of emails.

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use reqwest::{Method, header::ACCEPT_LANGUAGE};
use serde_json::{Value, json};
use snack_server::config::{Config, OidcConfig, SignUpMode};
use unicode_normalization::UnicodeNormalization;

use super::accounts::sign_in;
use crate::support::{
    fixtures::count,
    response::Response,
    test_app::{PASSWORD, TestApp},
};

pub async fn sign_up(app: &TestApp, email: &str) -> Response {
    let body = json!({"email": email, "password": PASSWORD, "name": "김간식"});
    app.post_open("/auth/sign-up", body).await
}

/// A valid email of `length` characters.
fn email_of(length: usize) -> String {
    let domain = format!("{0}.{0}.{0}.example", "d".repeat(60));
    let local = length - domain.len() - 1;
    format!("{}@{domain}", "l".repeat(local))
}

#[track_caller]
pub fn is_recent(instant: &Value) {
    let text = instant.as_str().expect("an instant");
    assert!(text.ends_with('Z'), "{text}");
    let instant: DateTime<Utc> = text.parse().expect("RFC 3339");
    assert!((Utc::now() - instant).abs() < chrono::TimeDelta::minutes(1), "{text}");
}

#[tokio::test]
async fn sign_up_returns_the_new_member_and_no_secret() {
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
async fn all_invalid_fields_are_reported_at_once_and_before_a_taken_email() {
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

async fn options(app: &TestApp) -> Value {
    app.send(app.request(Method::GET, "/auth/sign-up")).await.expect(200).0
}

/// Texts of an error in Korean and in English.
async fn details(app: &TestApp, body: &Value, status: u16, code: &str) -> (String, String) {
    let mut texts = Vec::new();
    for language in ["ko", "en"] {
        let request = app.request(Method::POST, "/auth/sign-up").header(ACCEPT_LANGUAGE, language).json(body);
        let problem = app.send(request).await.expect_error(status, code);
        let text = if code == "validation_failed" { &problem["errors"][0]["message"] } else { &problem["detail"] };
        texts.push(text.as_str().expect("a text").to_owned());
    }
    (texts.remove(0), texts.remove(0))
}

#[tokio::test]
async fn everybody_may_read_who_may_sign_up_and_how() {
    let app = TestApp::start().await;
    assert_eq!(options(&app).await, json!({"mode": "open", "email_domains": [], "oidc": null}));
    let app = TestApp::with(|config| {
        config.sign_up = SignUpMode::Invited;
        config.sign_up_email_domains = vec!["datamaker.io".to_owned(), "xn--3e0b707e.kr".to_owned()];
        config.oidc = Some(OidcConfig {
            issuer: "https://id.office.example".parse().expect("a URL"),
            client_id: "snack".to_owned(),
            client_secret: "a secret of the provider".into(),
            name: "Google".to_owned(),
        });
    })
    .await;
    let expected =
        json!({"mode": "invited", "email_domains": ["datamaker.io", "xn--3e0b707e.kr"], "oidc": {"name": "Google"}});
    assert_eq!(options(&app).await, expected);
}

#[tokio::test]
async fn a_closed_sign_up_says_so_before_it_looks_at_the_fields() {
    let app = TestApp::with(|config| config.sign_up = SignUpMode::Invited).await;
    let valid = json!({"email": "kim@snack.example", "password": PASSWORD, "name": "김간식"});
    let invalid = json!({"email": "nobody", "password": "short", "name": " "});
    for fields in [valid.clone(), invalid, json!({})] {
        for invitation in [None, Some(json!(null)), Some(json!(""))] {
            let mut body = fields.clone();
            if let Some(invitation) = invitation {
                body["invitation"] = invitation;
            }
            app.post_open("/auth/sign-up", body).await.expect_error(403, "sign_up_closed");
        }
    }
    let (ko, en) = details(&app, &valid, 403, "sign_up_closed").await;
    assert_eq!(ko, "초대받은 사람만 가입할 수 있습니다. 관리자에게 초대를 요청해 주세요.");
    assert_eq!(en, "You need an invitation to sign up. Ask an admin for one.");
    // A body that cannot be read is a 400 as ever.
    for (field, value) in
        [("email", json!(7)), ("name", json!(null)), ("invitation", json!(7)), ("invitation", json!([]))]
    {
        let mut body = valid.clone();
        body[field] = value;
        app.post_open("/auth/sign-up", body).await.expect_error(400, "invalid_request");
    }
    for body in [json!([]), json!("kim@snack.example"), json!(null)] {
        app.post_open("/auth/sign-up", body).await.expect_error(400, "invalid_request");
    }
    let form = app.request(Method::POST, "/auth/sign-up").header("content-type", "text/plain").body(valid.to_string());
    app.send(form).await.expect_error(415, "unsupported_media_type");
    assert_eq!(count(app.db(), "SELECT count(*) FROM users").await, 0);
}

#[tokio::test]
async fn only_emails_of_the_listed_domains_may_sign_up() {
    let domains = ["DataMaker.io", "xn--3e0b707e.kr"].map(str::to_owned);
    let app = TestApp::with(|config| config.sign_up_email_domains = domains.to_vec()).await;
    for email in [
        "kim1@datamaker.io",
        " KIM2@DATAMAKER.IO ",
        "kim3@ｄａｔａｍａｋｅｒ。io",
        "kim4@한국.kr",
        "kim5@XN--3E0B707E.kr",
    ] {
        sign_up(&app, email).await.expect(201);
    }
    for email in [
        "kim@sub.datamaker.io",
        "kim@datamaker.io.evil.example",
        "kim@evil-datamaker.io",
        "kim@atamaker.io",
        "kim@io",
        "datamaker.io@evil.example",
        "kim@datamaker.com",
        "kim@dаtamaker.io",
        "kim@한국2.kr",
    ] {
        let problem = sign_up(&app, email).await.expect_error(400, "validation_failed");
        let errors = problem["errors"].as_array().expect("errors");
        assert_eq!(errors.len(), 1, "{email}");
        assert_eq!(
            (&errors[0]["field"], &errors[0]["code"]),
            (&json!("email"), &json!("domain_not_allowed")),
            "{email}"
        );
    }
    for email in ["kim@evil.example@datamaker.io", "kim@datamaker.io@evil.example", "kim@", "@datamaker.io"] {
        let problem = sign_up(&app, email).await.expect_error(400, "validation_failed");
        assert_eq!(problem["errors"].as_array().map(Vec::len), Some(1), "{email}");
        assert_eq!(problem["errors"][0]["code"], "invalid_email", "{email}");
    }
    assert_eq!(count(app.db(), "SELECT count(*) FROM users").await, 5);

    let body = json!({"email": "kim@evil.example", "password": PASSWORD, "name": "김간식"});
    let (ko, en) = details(&app, &body, 400, "validation_failed").await;
    assert_eq!(ko, "이 도메인의 이메일로는 가입할 수 없습니다. 회사 이메일을 입력해 주세요.");
    assert_eq!(en, "Emails of this domain cannot sign up. Enter your work email.");
}

#[tokio::test]
async fn a_domain_that_is_not_listed_is_reported_with_all_other_fields() {
    let app = TestApp::with(|config| config.sign_up_email_domains = vec!["datamaker.io".to_owned()]).await;
    for (password, name, expected) in [
        ("short", " ", vec![("email", "domain_not_allowed"), ("name", "blank"), ("password", "too_short")]),
        ("kim@evil.example", "김간식", vec![("email", "domain_not_allowed"), ("password", "too_personal")]),
        (PASSWORD, "김간식", vec![("email", "domain_not_allowed")]),
    ] {
        let body = json!({"email": "kim@evil.example", "password": password, "name": name});
        let problem = app.post_open("/auth/sign-up", body).await.expect_error(400, "validation_failed");
        let errors = problem["errors"].as_array().expect("errors").iter();
        let found: Vec<_> = errors.map(|error| (error["field"].as_str(), error["code"].as_str())).collect();
        let expected: Vec<_> = expected.into_iter().map(|(field, code)| (Some(field), Some(code))).collect();
        assert_eq!(found, expected);
    }
    // A known email of another domain is not told apart from an unknown one.
    sqlx::query("INSERT INTO users (email, email_key, name, name_key) VALUES ('kim@evil.example', 'kim@evil.example', 'x', 'x')")
        .execute(app.db())
        .await
        .expect("a user");
    let problem = sign_up(&app, "kim@evil.example").await.expect_error(400, "validation_failed");
    assert_eq!(problem["errors"][0]["code"], "domain_not_allowed");
}

#[tokio::test]
async fn a_member_who_has_left_is_told_that_they_cannot_join_again() {
    let app = TestApp::start().await;
    let resigned = app.member().await;
    app.delete(&resigned, "/auth/users/resign").await.expect(204);
    let body = json!({"email": resigned.email, "password": PASSWORD, "name": "김간식"});
    let (ko, en) = details(&app, &body, 409, "email_resigned").await;
    assert_eq!(ko, "탈퇴한 회원은 다시 가입할 수 없습니다. 계속 사용하려면 관리자에게 문의해 주세요.");
    assert_eq!(en, "Members who have left cannot sign up again. Ask an admin to restore the account.");
    // A closed sign-up tells nothing of accounts.
    let closed = Config { sign_up: SignUpMode::Invited, ..app.state.config.as_ref().clone() };
    TestApp::serve(closed).await.post_open("/auth/sign-up", body).await.expect_error(403, "sign_up_closed");
}
