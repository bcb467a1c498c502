//! Forgotten passwords: the request for a mail, links of admins, and the new password.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use futures_util::future::{join, join_all};
use reqwest::{Method, header::ACCEPT_LANGUAGE};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use snack_server::auth::{
    links::{self, Purpose},
    password_reset::MAILED_LINK_TTL,
};

use super::accounts::sign_in;
use crate::support::{
    fixtures::count,
    notification::{mailing, reset_token},
    process::Run,
    response::Response,
    smtp::SmtpServer,
    test_app::{PASSWORD, TestApp, TestUser},
};

const NEW: &str = "korea-snack-10";

/// Asks for a mail from the address `from`.
async fn forgot(app: &TestApp, email: &str, from: &str) -> Response {
    let request = app.request(Method::POST, "/auth/password/forgot").header("X-Forwarded-For", from);
    app.send(request.json(&json!({"email": email}))).await
}

async fn reset(app: &TestApp, token: &str, password: &str) -> Response {
    app.post_open("/auth/password/reset", json!({"token": token, "new_password": password})).await
}

/// A token of the user that is good for half an hour.
async fn create_token(app: &TestApp, user: &TestUser) -> String {
    let purpose = Purpose::PasswordReset(user.id);
    links::create(app.db(), purpose, Utc::now() + MAILED_LINK_TTL).await.expect("a token")
}

async fn create_link(app: &TestApp, admin: &TestUser, user: &TestUser) -> Response {
    let path = format!("/auth/users/{}/password-reset", user.id);
    app.send(app.request(Method::POST, &path).bearer_auth(&admin.access)).await
}

async fn refresh(app: &TestApp, user: &TestUser) -> Response {
    app.post_open("/auth/token/refresh", json!({"refresh": user.refresh})).await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text");
        text
    })
}

/// Subject, actor, address and outcome of the entries with this action, newest first.
async fn entries(app: &TestApp, admin: &TestUser, action: &str) -> Vec<Value> {
    let list = app.get(admin, &format!("/audit?action={action}")).await.expect(200);
    let entry = |row: &Value| json!([row["subject"], row["actor"]["id"], row["address"], row["outcome"]]);
    list.rows().iter().map(entry).collect()
}

#[tokio::test]
async fn the_link_of_a_mail_sets_a_new_password_once_and_ends_all_sessions() {
    let mut smtp = SmtpServer::start(&[]).await;
    let app = mailing(smtp.url()).await;
    let (admin, member, other) = (app.admin().await, app.member().await, app.member().await);
    let other_device = app.sign_in(member.id, &member.email).await;
    forgot(&app, &member.email, "203.0.113.9").await.expect(204);
    forgot(&app, &member.email, "203.0.113.9").await.expect(204);
    let (token, second) = (reset_token(&smtp.mail().await), reset_token(&smtp.mail().await));
    assert_ne!(token, second);
    let asked = json!([member.id.to_string(), null, "203.0.113.9", "ok"]);
    assert_eq!(entries(&app, &admin, "password_reset_link").await, [asked.clone(), asked]);

    // Nothing has happened until the link is used.
    refresh(&app, &other_device).await.expect(200);
    sign_in(&app, &member.email, PASSWORD).await.expect(200);

    let response = reset(&app, &token, NEW).await;
    assert_eq!(response.text, "");
    response.expect(204);
    for device in [&member, &other_device] {
        refresh(&app, device).await.expect_error(401, "invalid_token");
        app.get(device, "/auth/users/profile").await.expect(200);
    }
    refresh(&app, &other).await.expect(200);
    sign_in(&app, &member.email, PASSWORD).await.expect_error(401, "invalid_credentials");
    let tokens = sign_in(&app, &member.email, NEW).await.expect(200);
    app.post_open("/auth/token/refresh", json!({"refresh": tokens["refresh"]})).await.expect(200);

    // Both are used up: the token itself and the other one of the same user.
    for used in [&token, &second] {
        reset(&app, used, "korea-snack-11").await.expect_error(400, "invalid_reset_token");
    }
    sign_in(&app, &member.email, NEW).await.expect(200);
    let done = json!([member.id.to_string(), member.id, "127.0.0.1", "ok"]);
    assert_eq!(entries(&app, &admin, "password_reset").await, [done]);
}

#[tokio::test]
async fn any_string_gets_the_same_response_and_only_an_email_is_written() {
    let smtp = SmtpServer::start(&[]).await;
    let app = mailing(smtp.url()).await;
    let (member, resigned) = (app.member().await, app.member().await);
    app.delete(&resigned, "/auth/users/resign").await.expect(204);
    let of_length = |length: usize| {
        let (local, label) = ("k".repeat(64), "o".repeat(60));
        format!("{local}@{label}.{label}.{}.example", "o".repeat(length - 195))
    };
    let (longest, too_long) = (of_length(254), of_length(255));
    assert_eq!((longest.len(), too_long.len()), (254, 255));
    let table = [
        (member.email.as_str(), 1),
        ("nobody@snack.example", 1),
        (&resigned.email, 1),
        ("  Nobody@Snack.example \u{200b}", 1),
        ("kim@한국.kr", 1),
        (&longest, 1),
        (&too_long, 0),
        ("", 0),
        (" ", 0),
        ("no email at all", 0),
        ("kim@@snack.example", 0),
        ("kim@snack.example\u{0}", 0),
        ("kim@snack.example\r\nBcc: all@snack.example", 0),
        (&"a".repeat(60_000), 0),
        (&format!("{}@snack.example", "ﷺ".repeat(15_000)), 0),
    ];
    let mut expected = None;
    for (number, (email, rows)) in table.into_iter().enumerate() {
        let before = count(app.db(), "SELECT count(*) FROM account_mails").await;
        let response = forgot(&app, email, &format!("203.0.113.{number}")).await;
        let mut headers = response.headers.clone();
        for changing in ["x-request-id", "date"] {
            headers.remove(changing);
        }
        let found = (response.status.as_u16(), response.text, headers);
        assert_eq!(found.0, 204, "{email}");
        assert_eq!(expected.get_or_insert_with(|| found.clone()), &found, "{email}");
        let after = count(app.db(), "SELECT count(*) FROM account_mails").await;
        assert_eq!(after - before, rows, "{email}");
    }
    let post = async |body: Value| app.post_open("/auth/password/forgot", body).await;
    for (body, code) in [
        (json!({}), "validation_failed"),
        (json!({"email": null}), "invalid_request"),
        (json!({"email": 7}), "invalid_request"),
        (json!({"email": ["kim@snack.example"]}), "invalid_request"),
    ] {
        post(body).await.expect_error(400, code);
    }
    post(json!({"email": "a".repeat(70_000)})).await.expect_error(413, "payload_too_large");
}

#[tokio::test]
async fn without_mail_nothing_is_written_and_the_response_is_the_same() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for email in [&member.email, "nobody@snack.example"] {
        forgot(&app, email, "").await.expect(204);
    }
    assert_eq!(count(app.db(), "SELECT count(*) FROM account_mails").await, 0);
    assert_eq!(count(app.db(), "SELECT count(*) FROM deliveries").await, 0);
}

#[tokio::test]
async fn an_email_is_mailed_three_times_an_hour_whether_it_has_an_account_or_not() {
    let smtp = SmtpServer::start(&[]).await;
    let app = mailing(smtp.url()).await;
    let member = app.member().await;
    let upper = member.email.to_uppercase();
    let cases = [
        [member.email.as_str(), &upper, &format!(" {} ", member.email), &member.email, &upper],
        ["x@한국.kr", "X@xn--3e0b707e.kr", " x@한국.kr", "x@한국.kr", "x@xn--3e0b707e.KR"],
    ];
    for (case, emails) in cases.iter().enumerate() {
        let before = count(app.db(), "SELECT count(*) FROM account_mails").await;
        for (number, email) in emails.iter().enumerate() {
            forgot(&app, email, &format!("203.0.{case}.{number}")).await.expect(204);
        }
        let after = count(app.db(), "SELECT count(*) FROM account_mails").await;
        assert_eq!(after - before, 3, "{emails:?}");
    }
    // Another account has requests of its own.
    forgot(&app, "another@snack.example", "203.0.113.1").await.expect(204);
    assert_eq!(count(app.db(), "SELECT count(*) FROM account_mails").await, 7);
    // At once, too.
    join_all((0..10).map(|number| {
        let app = &app;
        async move { forgot(app, "at-once@snack.example", &format!("198.51.100.{number}")).await.expect(204) }
    }))
    .await;
    assert_eq!(count(app.db(), "SELECT count(*) FROM account_mails").await, 10);
}

#[tokio::test]
async fn an_address_has_twenty_requests_an_hour() {
    let app = mailing("smtp://127.0.0.1:1".to_owned()).await;
    let texts = (0..20).map(|number| match number % 2 {
        0 => format!("kim{number}@snack.example"),
        _ => "no email at all".to_owned(),
    });
    for email in texts {
        forgot(&app, &email, "203.0.113.1").await.expect(204);
    }
    for email in ["kim20@snack.example", "kim0@snack.example", "no email at all"] {
        let response = forgot(&app, email, "203.0.113.1").await;
        let wait: u64 = response.header("retry-after").parse().expect("seconds");
        assert!((1..=180).contains(&wait), "{wait}");
        response.expect_error(429, "too_many_requests");
    }
    assert_eq!(count(app.db(), "SELECT count(*) FROM account_mails").await, 10);
    forgot(&app, "kim20@snack.example", "203.0.113.2").await.expect(204);
}

#[tokio::test]
async fn a_known_an_unknown_and_a_resigned_email_take_as_long_while_mails_are_sent() {
    const ROUNDS: usize = 100;
    let mut smtp = SmtpServer::start(&[]).await;
    let app = mailing(smtp.url()).await;
    let sql = "INSERT INTO users (email, email_key, name, name_key, password_hash, is_deleted)
        SELECT kind || n || '@snack.example', kind || n || '@snack.example', 'x', 'x', '', kind = 'resigned'
        FROM unnest('{known,resigned}'::text[]) AS kind, generate_series(0, $1) AS n";
    sqlx::query(sql).bind(i32::try_from(ROUNDS).expect("a number")).execute(app.db()).await.expect("users");
    // Number of rounds in which a known email took longer than the others. Half of them, if nothing but chance decides; the limits are
    // four standard deviations away.
    let mut slower = [0; 2];
    for round in 0..ROUNDS {
        let mut times = [Duration::ZERO; 3];
        for turn in 0..3 {
            let number = (round + turn) % 3;
            let kind = ["known", "unknown", "resigned"][number];
            let (email, from) = (format!("{kind}{round}@snack.example"), format!("10.0.{number}.{round}"));
            let started = Instant::now();
            forgot(&app, &email, &from).await.expect(204);
            times[number] = started.elapsed();
            // The next request does not meet the work of this one.
            if kind == "known" {
                assert_eq!(smtp.mail().await["recipients"], json!([email]));
            }
            while count(app.db(), "SELECT count(*) FROM deliveries WHERE status = 'pending'").await > 0 {
                tokio::task::yield_now().await;
            }
        }
        for (slower, other) in slower.iter_mut().zip(&times[1..]) {
            *slower += u32::from(times[0] > *other);
        }
    }
    assert!(slower.iter().all(|slower| (30..=70).contains(slower)), "{slower:?}");
}

#[tokio::test]
async fn a_token_that_is_not_the_users_own_open_one_sets_no_password() {
    let app = TestApp::start().await;
    let (member, resigned) = (app.member().await, app.member().await);
    let token = create_token(&app, &member).await;
    let of_resigned = create_token(&app, &resigned).await;
    // Kept by somebody who resigned under the former release, which does not remove it.
    sqlx::query("UPDATE users SET is_deleted = true WHERE id = $1")
        .bind(resigned.id)
        .execute(app.db())
        .await
        .expect("an update");
    let invitation: i64 = sqlx::query_scalar(
        "INSERT INTO invitations (email, email_key, member_type, expires_at)
         VALUES ('new@snack.example', 'new@snack.example', 'member', now() + interval '7 days') RETURNING id",
    )
    .fetch_one(app.db())
    .await
    .expect("an invitation");
    let expires_at = Utc::now() + MAILED_LINK_TTL;
    let of_invitation = links::create(app.db(), Purpose::Invitation(invitation), expires_at).await.expect("a token");
    let expired = links::create(app.db(), Purpose::PasswordReset(member.id), Utc::now()).await.expect("a token");
    let swapped: String = token
        .chars()
        .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    let hash = hex(&Sha256::digest(&token));
    let hostile = [
        ("garbage", "nonsense".to_owned()),
        ("an access token", member.access.clone()),
        ("a refresh token", member.refresh.clone()),
        ("an invitation's", of_invitation),
        ("expired", expired),
        ("of somebody who resigned", of_resigned),
        ("truncated", token[..token.len() - 1].to_owned()),
        ("prefixed", format!("Bearer {token}")),
        ("padded", format!("{token}=")),
        ("with space", format!(" {token}")),
        ("with a line break", format!("{token}\n")),
        ("with a NUL", format!("{token}\u{0}")),
        ("in another case", swapped),
        ("its hash", hash),
        ("a whole link", app.state.auth.links.password_reset(&token)),
        ("long", token.repeat(1000)),
        ("a blank", " ".to_owned()),
        ("SQL", "' OR true --".to_owned()),
    ];
    for (what, hostile) in &hostile {
        let response = reset(&app, hostile, NEW).await;
        assert_eq!(response.status, 400, "{what}");
        response.expect_error(400, "invalid_reset_token");
    }
    let problem = reset(&app, "", NEW).await.expect_error(400, "validation_failed");
    assert_eq!(problem.error_fields(), ["token"]);
    reset(&app, &"a".repeat(1 << 20), NEW).await.expect_error(413, "payload_too_large");
    for body in [json!({"token": null, "new_password": NEW}), json!({"token": [token], "new_password": NEW}), json!([])]
    {
        app.post_open("/auth/password/reset", body).await.expect_error(400, "invalid_request");
    }
    // No other endpoint accepts it.
    let as_bearer = app.request(Method::GET, "/auth/users/profile").bearer_auth(&token);
    app.send(as_bearer).await.expect_error(401, "invalid_token");
    app.post_open("/auth/token/refresh", json!({"refresh": token})).await.expect_error(401, "invalid_token");

    sign_in(&app, &member.email, PASSWORD).await.expect(200);
    reset(&app, &token, NEW).await.expect(204);
    sign_in(&app, &member.email, NEW).await.expect(200);
}

#[tokio::test]
async fn a_refused_password_does_not_use_the_token_up() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let token = create_token(&app, &member).await;
    for (password, code) in [
        ("", "required"),
        ("short", "too_short"),
        ("ｐａｓｓｗｏｒｄ１", "too_common"),
        (&"가".repeat(129), "too_long"),
    ] {
        // The rules of the field come before the token.
        for token in [token.as_str(), "nonsense"] {
            let problem = reset(&app, token, password).await.expect_error(400, "validation_failed");
            assert_eq!((problem.error_fields(), &problem["errors"][0]["code"]), (vec!["new_password"], &json!(code)));
        }
    }
    let personal = format!("{}!!", member.email);
    for password in [personal.as_str(), "회원 회원 회원 회원"] {
        reset(&app, "nonsense", password).await.expect_error(400, "invalid_reset_token");
    }
    let problem = reset(&app, &token, &personal).await.expect_error(400, "validation_failed");
    assert_eq!((problem.error_fields(), &problem["errors"][0]["code"]), (vec!["new_password"], &json!("too_personal")));
    let problem = app.post_open("/auth/password/reset", json!({})).await.expect_error(400, "validation_failed");
    assert_eq!(problem.error_fields(), ["new_password", "token"]);
    refresh(&app, &member).await.expect(200);
    reset(&app, &token, NEW).await.expect(204);
}

/// Number of 204s. All others are refused tokens.
fn successes(responses: Vec<Response>) -> usize {
    let (done, refused): (Vec<_>, Vec<_>) = responses.into_iter().partition(|response| response.status == 204);
    for response in refused {
        response.expect_error(400, "invalid_reset_token");
    }
    done.len()
}

#[tokio::test]
async fn of_several_uses_at_once_one_wins() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for round in 0..5 {
        let token = create_token(&app, &member).await;
        let passwords: Vec<String> = (0..6).map(|number| format!("korea-snack-{round}-{number}")).collect();
        let responses = join_all(passwords.iter().map(|password| reset(&app, &token, password))).await;
        let winner = responses.iter().position(|response| response.status == 204).expect("a winner");
        assert_eq!(successes(responses), 1);
        sign_in(&app, &member.email, &passwords[winner]).await.expect(200);

        // Two tokens of one user.
        let tokens = [create_token(&app, &member).await, create_token(&app, &member).await];
        let (one, two) = join(reset(&app, &tokens[0], NEW), reset(&app, &tokens[1], NEW)).await;
        assert_eq!(successes(vec![one, two]), 1);
    }
    assert_eq!(count(app.db(), "SELECT count(*) FROM link_tokens").await, 0);
    assert_eq!(count(app.db(), "SELECT count(*) FROM audit_log WHERE action = 'password_reset'").await, 10);
}

#[tokio::test]
async fn a_changed_password_and_a_resignation_remove_open_links() {
    let app = TestApp::start().await;
    let (member, other) = (app.member().await, app.member().await);
    let (token, of_other) = (create_token(&app, &member).await, create_token(&app, &other).await);
    let change = json!({"current_password": PASSWORD, "new_password": NEW});
    app.put(&member, "/auth/users/password", change).await.expect(204);
    reset(&app, &token, "korea-snack-11").await.expect_error(400, "invalid_reset_token");
    assert_eq!(count(app.db(), "SELECT count(*) FROM link_tokens").await, 1);
    app.delete(&other, "/auth/users/resign").await.expect(204);
    reset(&app, &of_other, "korea-snack-11").await.expect_error(400, "invalid_reset_token");
    assert_eq!(count(app.db(), "SELECT count(*) FROM link_tokens").await, 0);
}

#[tokio::test]
async fn an_admin_hands_over_a_link_for_a_day() {
    let app = TestApp::with(|config| config.public_url = "https://office.example/snack".parse().expect("a URL")).await;
    let (admin, member, resigned) = (app.admin().await, app.member().await, app.member().await);
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let response = create_link(&app, &admin, &member).await;
        assert_eq!(response.header("cache-control"), "no-store");
        let link = response.expect(201);
        let url = link["url"].as_str().expect("a url");
        let token = url.strip_prefix("https://office.example/snack/app/reset-password?token=").expect("a link");
        assert_eq!(token.len(), 43, "256 bits");
        let expires_at: DateTime<Utc> = link["expires_at"].as_str().expect("a time").parse().expect("a time");
        let ttl = (expires_at - Utc::now()).num_seconds();
        assert!((86_300..=86_400).contains(&ttl), "{ttl}");
        tokens.push(token.to_owned());
    }
    // The second has taken the place of the first.
    reset(&app, &tokens[0], NEW).await.expect_error(400, "invalid_reset_token");
    sqlx::query("UPDATE link_tokens SET expires_at = expires_at - interval '86000 seconds'")
        .execute(app.db())
        .await
        .expect("an update");
    reset(&app, &tokens[1], NEW).await.expect(204);
    sign_in(&app, &member.email, NEW).await.expect(200);
    let created = json!([member.id.to_string(), admin.id, "127.0.0.1", "ok"]);
    assert_eq!(entries(&app, &admin, "password_reset_link").await, [created.clone(), created]);

    app.delete(&resigned, "/auth/users/resign").await.expect(204);
    create_link(&app, &admin, &resigned).await.expect_error(409, "user_resigned");
    for id in ["987654321", "nonsense", "%FF"] {
        let path = format!("/auth/users/{id}/password-reset");
        app.send(app.request(Method::POST, &path).bearer_auth(&admin.access)).await.expect_error(404, "not_found");
    }
    assert_eq!(count(app.db(), "SELECT count(*) FROM link_tokens").await, 0);
    // Of links that are created at once, one stays.
    join_all((0..6).map(|_| create_link(&app, &admin, &member)))
        .await
        .into_iter()
        .for_each(|link| drop(link.expect(201)));
    assert_eq!(count(app.db(), "SELECT count(*) FROM link_tokens").await, 1);
}

#[tokio::test]
async fn a_user_without_a_password_gets_one() {
    let app = TestApp::start().await;
    let member = app.member().await;
    sqlx::query("UPDATE users SET password_hash = NULL WHERE id = $1")
        .bind(member.id)
        .execute(app.db())
        .await
        .expect("an update");
    reset(&app, &create_token(&app, &member).await, NEW).await.expect(204);
    sign_in(&app, &member.email, NEW).await.expect(200);
}

/// Number of rows of all tables whose text contains `text`. Bytes are hexadecimal in it.
async fn rows_with(app: &TestApp, text: &str) -> i64 {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
    )
    .fetch_all(app.db())
    .await
    .expect("the tables");
    assert!(tables.len() > 20, "{tables:?}");
    let mut rows = 0;
    for table in tables {
        let sql = format!("SELECT count(*) FROM {table} AS t WHERE strpos(lower(t::text), lower($1)) > 0");
        let found: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(text).fetch_one(app.db()).await.expect("a count");
        rows += found;
    }
    rows
}

#[tokio::test]
async fn a_token_is_kept_only_as_its_hash() {
    let mut smtp = SmtpServer::start(&[]).await;
    let app = mailing(smtp.url()).await;
    let (admin, member, other) = (app.admin().await, app.member().await, app.member().await);
    // One mail that arrives, and one whose server repeats the link in its error.
    sqlx::query("UPDATE users SET email = $2, email_key = $2 WHERE id = $1")
        .bind(other.id)
        .bind("quoting@snack.example")
        .execute(app.db())
        .await
        .expect("an update");
    forgot(&app, "quoting@snack.example", "").await.expect(204);
    while count(app.db(), "SELECT count(*) FROM deliveries WHERE status = 'pending'").await > 0 {
        tokio::task::yield_now().await;
    }
    let error: String = sqlx::query_scalar("SELECT error FROM deliveries").fetch_one(app.db()).await.expect("an error");
    assert!(error.contains("5.7.1 Refused") && error.ends_with("/app/reset-password?token=…"), "{error}");

    forgot(&app, &member.email, "").await.expect(204);
    let mailed = reset_token(&smtp.mail().await);
    let link = create_link(&app, &admin, &other).await.expect(201);
    let (_, handed_over) = link["url"].as_str().and_then(|url| url.split_once("token=")).expect("a token");
    for token in [&mailed, handed_over] {
        let hash = hex(&Sha256::digest(token));
        assert_eq!(rows_with(&app, &hash).await, 1, "all tables are read");
        let as_bytes = hex(token.as_bytes());
        for form in [token, as_bytes.as_str()] {
            assert_eq!(rows_with(&app, form).await, 0, "{form}");
        }
    }
}

#[tokio::test]
async fn neither_a_log_line_nor_a_metric_tells_of_a_token_or_an_account() {
    let mut smtp = SmtpServer::start(&[]).await;
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let run = Run::on(&app.state.config.database, &["serve"])
        .set("SMTP_URL", &smtp.url())
        .set("MAIL_FROM", "snack@office.example")
        .set("JWT_SECRET", TestApp::SECRET)
        .set("RUST_LOG", "trace");
    let server = run.serve().await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = |path: &str| format!("http://{}{path}", server.address);
    let post = async |path: &str, body: Value| {
        let request = client.post(url(path)).bearer_auth(&admin.access).json(&body);
        request.send().await.expect("a response")
    };
    for email in ["nobody@snack.example", &member.email] {
        assert_eq!(post("/auth/password/forgot", json!({"email": email})).await.status(), 204);
    }
    let mailed = reset_token(&smtp.mail().await);
    while count(app.db(), "SELECT count(*) FROM deliveries WHERE status = 'pending'").await > 0 {
        tokio::task::yield_now().await;
    }
    let metrics = client.get(url("/metrics")).send().await.expect("a response").text().await.expect("metrics");
    assert!(metrics.contains("/auth/password/forgot"), "{metrics}");
    let mut deliveries = metrics.lines().filter(|line| line.starts_with("deliveries_"));
    assert!(deliveries.all(|line| line.ends_with(" 0")), "{metrics}");

    let link = post(&format!("/auth/users/{}/password-reset", admin.id), json!({})).await;
    let link: Value = link.json().await.expect("a link");
    let (_, handed_over) = link["url"].as_str().and_then(|url| url.split_once("token=")).expect("a token");
    let page = client.get(url(&format!("/app/reset-password?token={mailed}"))).send().await.expect("a response");
    assert_eq!(page.status(), 200);
    let short = json!({"token": mailed, "new_password": "short"});
    assert_eq!(post("/auth/password/reset", short).await.status(), 400);
    for token in [&mailed, handed_over] {
        let body = json!({"token": token, "new_password": NEW});
        assert_eq!(post("/auth/password/reset", body.clone()).await.status(), 204);
        assert_eq!(post("/auth/password/reset", body).await.status(), 400);
    }
    server.signal("-TERM");
    let (code, lines, _) = server.wait().await;
    assert_eq!(code, Some(0));
    assert!(lines.iter().any(|line| line.contains("\"password_reset\"")), "{}", lines.len());
    for secret in [&mailed, handed_over, NEW] {
        let lines: Vec<_> = lines.iter().filter(|line| line.contains(secret)).collect();
        assert!(lines.is_empty(), "{lines:#?}");
    }
}

#[tokio::test]
async fn a_refused_token_is_told_in_both_languages() {
    let app = TestApp::start().await;
    let request = app.request(Method::POST, "/auth/password/reset").header(ACCEPT_LANGUAGE, "en");
    let problem = app.send(request.json(&json!({"token": "nonsense", "new_password": NEW}))).await;
    let problem = problem.expect_error(400, "invalid_reset_token");
    assert_eq!(problem["detail"], "The link has expired or was used already. Request a new one.");
    let problem = reset(&app, "nonsense", NEW).await.expect_error(400, "invalid_reset_token");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.starts_with("비밀번호 재설정 링크")), "{problem:?}");
}
