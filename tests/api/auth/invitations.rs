//! Invitations: creation, list, withdrawal, and sign-up with the token of a link.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{join, join_all};
use reqwest::{Method, header::ACCEPT_LANGUAGE};
use serde_json::{Value, json};
use snack_server::{
    audit::Actor,
    auth::{
        invitations,
        links::{self, Purpose},
        sign_up::{self, NewUser},
        users::MemberType,
    },
    config::{Config, SignUpMode},
    operations::cleanup,
};

use super::accounts::sign_in;
use crate::support::{
    database,
    fixtures::{count, wait_for_blocked, walk},
    notification::{link_token, mailing},
    response::{Body, Response},
    smtp::SmtpServer,
    test_app::{PASSWORD, TestApp, TestUser},
};

const EMAIL: &str = "kim@partner.example";
const PATH: &str = "/app/sign-up?invitation=";

/// A server on the same database on which nobody may sign up without an invitation.
async fn closed(app: &TestApp) -> TestApp {
    let config = app.state.config.as_ref().clone();
    let domains = vec!["datamaker.io".to_owned()];
    TestApp::serve(Config { sign_up: SignUpMode::Invited, sign_up_email_domains: domains, ..config }).await
}

async fn invite(app: &TestApp, admin: &TestUser, email: &str, member_type: &str) -> Response {
    app.post(admin, "/auth/invitations", json!({"email": email, "member_type": member_type})).await
}

/// Token in the URL of a new invitation.
fn token(invitation: &Body) -> String {
    let (_, token) = invitation["url"].as_str().expect("a url").split_once(PATH).expect("a link");
    token.to_owned()
}

/// Invites a member and returns the token.
async fn invited(app: &TestApp, admin: &TestUser, email: &str) -> String {
    token(&invite(app, admin, email, "member").await.expect(201))
}

async fn accept(app: &TestApp, token: &str, email: &str) -> Response {
    let body = json!({"email": email, "password": PASSWORD, "name": "김간식", "invitation": token});
    app.post_open("/auth/sign-up", body).await
}

/// Subject, actor, address and outcome of the entries with this action, newest first.
async fn entries(app: &TestApp, admin: &TestUser, action: &str) -> Vec<Value> {
    let list = app.get(admin, &format!("/audit?action={action}")).await.expect(200);
    let entry = |row: &Value| json!([row["subject"], row["actor"]["id"], row["address"], row["outcome"]]);
    list.rows().iter().map(entry).collect()
}

async fn list(app: &TestApp, admin: &TestUser) -> Vec<Value> {
    app.get(admin, "/auth/invitations").await.expect(200).rows().clone()
}

async fn execute(app: &TestApp, sql: &'static str) {
    sqlx::query(sql).execute(app.db()).await.expect("an update");
}

#[tokio::test]
async fn an_invited_person_joins_once_with_the_role_of_the_invitation() {
    let app = TestApp::with(|config| config.public_url = "https://office.example/snack".parse().expect("a URL")).await;
    let (admin, app) = (app.admin().await, closed(&app).await);
    for (email, stored, member_type) in
        [(" Kim@한국.kr ", "Kim@xn--3e0b707e.kr", "admin"), ("lee@partner.example", "lee@partner.example", "member")]
    {
        let response = invite(&app, &admin, email, member_type).await;
        assert_eq!(response.header("cache-control"), "no-store");
        let invitation = response.expect(201);
        let token = token(&invitation);
        assert_eq!(token.len(), 43, "256 bits");
        let name = app.get(&admin, "/auth/users/profile").await.expect(200)["name"].clone();
        let expected = json!({"id": invitation["id"], "email": stored, "member_type": member_type,
            "url": format!("https://office.example/snack/app/sign-up?invitation={token}"),
            "invited_by": {"id": admin.id, "name": name},
            "created_at": invitation["created_at"], "expires_at": invitation["expires_at"]});
        assert_eq!(invitation.0, expected);
        let instant =
            |field: &str| -> DateTime<Utc> { invitation[field].as_str().expect("a time").parse().expect("a time") };
        let ttl = instant("expires_at") - instant("created_at");
        assert!((ttl - TimeDelta::days(7)).abs() < TimeDelta::minutes(1), "{ttl}");
        assert!((Utc::now() - instant("created_at")).abs() < TimeDelta::minutes(1));

        let user = accept(&app, &token, &email.to_uppercase()).await.expect(201);
        assert_eq!((&user["member_type"], &user["is_deleted"]), (&json!(member_type), &json!(false)));
        let signed_in = app.sign_in(user["id"].as_i64().expect("an id"), stored).await;
        app.get(&signed_in, "/checks/is_admin")
            .await
            .assert_status_in(&[if member_type == "admin" { 200 } else { 403 }], stored);

        assert_eq!(list(&app, &admin).await, Vec::<Value>::new());
        assert_eq!(count(app.db(), "SELECT count(*) FROM link_tokens").await, 0);
        accept(&app, &token, stored).await.expect_error(400, "invalid_invitation");
        let created = json!([format!("{stored} {member_type}"), admin.id, "127.0.0.1", "ok"]);
        assert_eq!(entries(&app, &admin, "invitation_create").await[0], created);
        let typed = user["email"].as_str().expect("an email");
        let joined = json!([typed, user["id"], "127.0.0.1", "ok"]);
        assert_eq!(entries(&app, &admin, "sign_up").await[0], joined);
        if member_type == "admin" {
            let promoted = json!([format!("{} admin", user["id"]), null, "127.0.0.1", "ok"]);
            assert_eq!(entries(&app, &admin, "member_type_change").await, [promoted]);
        }
    }
    assert_eq!(entries(&app, &admin, "member_type_change").await.len(), 1);
}

#[tokio::test]
async fn the_list_has_open_invitations_newest_first_and_no_links() {
    let app = TestApp::start().await;
    let (admin, other) = (app.admin().await, app.admin().await);
    let mut expected = Vec::new();
    for number in 0..5 {
        let admin = if number % 2 == 0 { &admin } else { &other };
        let mut invitation = invite(&app, admin, &format!("kim{number}@partner.example"), "member").await.expect(201).0;
        invitation.as_object_mut().expect("an object").remove("url").expect("a url");
        expected.insert(0, invitation);
    }
    // Created at the same instant as another.
    execute(
        &app,
        "UPDATE invitations SET created_at = (SELECT min(created_at) FROM invitations) WHERE email LIKE 'kim1%'",
    )
    .await;
    let first = expected[4]["created_at"].clone();
    expected[3]["created_at"] = first;
    // One of the command line, and one that has expired.
    execute(&app, "UPDATE invitations SET invited_by = NULL WHERE email LIKE 'kim2%'").await;
    expected[2]["invited_by"] = json!(null);
    execute(&app, "UPDATE invitations SET expires_at = now() - interval '1 second' WHERE email LIKE 'kim3%'").await;
    expected.remove(1);

    assert_eq!(list(&app, &admin).await, expected);
    for limit in [1, 2, 3] {
        assert_eq!(walk(&app, &admin, "/auth/invitations", limit, async || {}).await, expected, "{limit}");
    }
    let mut number = 100;
    let walked = walk(&app, &admin, "/auth/invitations", 1, async || {
        number += 1;
        invite(&app, &other, &format!("kim{number}@partner.example"), "admin").await.expect(201);
    })
    .await;
    assert_eq!(walked, expected, "neither skipped nor repeated");
    for query in ["limit=0", "limit=101", "limit=x", "cursor=x"] {
        app.get(&admin, &format!("/auth/invitations?{query}")).await.expect_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn the_link_of_a_withdrawn_invitation_no_longer_works() {
    let app = TestApp::start().await;
    let (admin, other) = (app.admin().await, app.admin().await);
    let invitation = invite(&app, &admin, EMAIL, "member").await.expect(201);
    let path = format!("/auth/invitations/{}", invitation["id"]);
    let response = app.delete(&other, &path).await;
    assert_eq!(response.text, "");
    response.expect(204);
    accept(&app, &token(&invitation), EMAIL).await.expect_error(400, "invalid_invitation");
    assert_eq!(list(&app, &admin).await, Vec::<Value>::new());
    assert_eq!(count(app.db(), "SELECT count(*) FROM link_tokens").await, 0);
    for path in [path.as_str(), "/auth/invitations/987654321", "/auth/invitations/x", "/auth/invitations/%FF"] {
        app.delete(&admin, path).await.expect_error(404, "not_found");
    }
    assert_eq!(entries(&app, &admin, "invitation_delete").await, [json!([EMAIL, other.id, "127.0.0.1", "ok"])]);
    // The person may be invited again.
    accept(&app, &invited(&app, &admin, EMAIL).await, EMAIL).await.expect(201);
}

#[tokio::test]
async fn another_invitation_for_the_same_email_takes_the_place_of_the_first() {
    // Nothing listens there, so that the mails stay.
    let app = mailing("smtp://127.0.0.1:1".to_owned()).await;
    let (admin, other) = (app.admin().await, app.admin().await);
    let first = invite(&app, &admin, "Kim@한국.kr", "admin").await.expect(201);
    let later = links::create(
        app.db(),
        Purpose::Invitation(first["id"].as_i64().expect("an id")),
        Utc::now() + TimeDelta::days(7),
    )
    .await
    .expect("a token");
    let second = invite(&app, &other, " kim@xn--3e0b707e.KR", "member").await.expect(201);
    assert_ne!(first["id"], second["id"]);
    let rows = list(&app, &admin).await;
    assert_eq!((rows.len(), &rows[0]["id"], &rows[0]["invited_by"]["id"]), (1, &second["id"], &json!(other.id)));
    // The mail with the first link is not sent.
    let mails: Vec<i64> =
        sqlx::query_scalar("SELECT invitation_id FROM account_mails").fetch_all(app.db()).await.expect("the mails");
    assert_eq!(mails.iter().map(|id| json!(id)).collect::<Vec<_>>(), [second["id"].clone()]);
    assert_eq!(count(app.db(), "SELECT count(*) FROM deliveries").await, 1);

    for token in [&token(&first), &later] {
        accept(&app, token, "kim@한국.kr").await.expect_error(400, "invalid_invitation");
    }
    app.delete(&admin, &format!("/auth/invitations/{}", first["id"])).await.expect_error(404, "not_found");
    let user = accept(&app, &token(&second), "kim@한국.kr").await.expect(201);
    assert_eq!(user["member_type"], "member");
}

#[tokio::test]
async fn members_and_those_who_have_left_are_not_invited() {
    let app = TestApp::start().await;
    let (admin, member, resigned) = (app.admin().await, app.member().await, app.member().await);
    app.delete(&resigned, "/auth/users/resign").await.expect(204);
    for (user, code) in [(&member, "email_taken"), (&resigned, "email_resigned"), (&admin, "email_taken")] {
        for email in [user.email.clone(), format!(" {} ", user.email.to_uppercase())] {
            invite(&app, &admin, &email, "admin").await.expect_error(409, code);
        }
    }
    assert_eq!(list(&app, &admin).await, Vec::<Value>::new());
    assert_eq!(entries(&app, &admin, "invitation_create").await, Vec::<Value>::new());
}

#[tokio::test]
async fn every_field_of_an_invitation_keeps_its_rule() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let long = format!("{}@partner.example", "k".repeat(250));
    for (email, code) in [
        ("", "required"),
        ("   ", "blank"),
        (&long, "too_long"),
        ("kim", "invalid_email"),
        ("kim@example.com\u{200b}", "invalid_email"),
        ("김@example.com", "invalid_email"),
    ] {
        let problem = invite(&app, &admin, email, "member").await.expect_error(400, "validation_failed");
        assert_eq!((problem.error_fields(), &problem["errors"][0]["code"]), (vec!["email"], &json!(code)), "{email:?}");
    }
    let problem = app.post(&admin, "/auth/invitations", json!({})).await.expect_error(400, "validation_failed");
    assert_eq!(problem.error_fields(), ["email", "member_type"]);
    for body in [
        json!({"email": 7, "member_type": "member"}),
        json!({"email": EMAIL, "member_type": "owner"}),
        json!({"email": EMAIL, "member_type": null}),
        json!({"email": null, "member_type": "member"}),
        json!([EMAIL, "member"]),
    ] {
        app.post(&admin, "/auth/invitations", body).await.expect_error(400, "invalid_request");
    }
    assert_eq!(count(app.db(), "SELECT count(*) FROM invitations").await, 0);
}

#[tokio::test]
async fn nothing_but_an_open_token_of_the_invited_email_is_accepted() {
    let app = TestApp::start().await;
    let (admin, app) = (app.admin().await, closed(&app).await);
    let good = invited(&app, &admin, EMAIL).await;
    let of_other = invited(&app, &admin, "lee@partner.example").await;
    let of_expired = invited(&app, &admin, "choi@partner.example").await;
    execute(&app, "UPDATE invitations SET expires_at = now() WHERE email LIKE 'choi%'").await;
    let invitation = |email: &'static str| {
        let db = app.db().clone();
        async move {
            let sql = "SELECT id FROM invitations WHERE email = $1";
            sqlx::query_scalar::<_, i64>(sql).bind(email).fetch_one(&db).await.expect("an id")
        }
    };
    let (id, soon) = (invitation(EMAIL).await, Utc::now() + TimeDelta::hours(1));
    let expired_token = links::create(app.db(), Purpose::Invitation(id), Utc::now()).await.expect("a token");
    let reset = links::create(app.db(), Purpose::PasswordReset(admin.id), soon).await.expect("a token");
    let swapped: String = good
        .chars()
        .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    let hostile = [
        ("garbage", "nonsense".to_owned()),
        ("an access token", admin.access.clone()),
        ("a refresh token", admin.refresh.clone()),
        ("for a new password", reset),
        ("another's", of_other.clone()),
        ("expired", expired_token),
        ("truncated", good[..good.len() - 1].to_owned()),
        ("prefixed", format!("Bearer {good}")),
        ("padded", format!("{good}=")),
        ("with space", format!(" {good}")),
        ("with a line break", format!("{good}\n")),
        ("with a NUL", format!("{good}\u{0}")),
        ("in another case", swapped),
        ("a whole link", app.state.auth.links.invitation(&good)),
        ("its id", id.to_string()),
        ("long", good.repeat(1000)),
        ("a blank", " ".to_owned()),
        ("SQL", "' OR true --".to_owned()),
    ];
    for (what, hostile) in &hostile {
        let response = accept(&app, hostile, EMAIL).await;
        assert_eq!(response.body["code"], "invalid_invitation", "{what}");
        response.expect_error(400, "invalid_invitation");
    }
    accept(&app, &of_expired, "choi@partner.example").await.expect_error(400, "invalid_invitation");
    // The invitation of an email is for no other, however much it looks like it.
    for email in ["lee@partner.example", "kim@partner.example.evil.example", "kim+1@partner.example", &admin.email] {
        accept(&app, &good, email).await.expect_error(400, "invalid_invitation");
    }
    // An open sign-up accepts no invalid invitation either.
    let open = TestApp::serve(Config {
        sign_up: SignUpMode::Open,
        sign_up_email_domains: Vec::new(),
        ..app.state.config.as_ref().clone()
    })
    .await;
    accept(&open, "nonsense", EMAIL).await.expect_error(400, "invalid_invitation");
    accept(&open, &of_other, EMAIL).await.expect_error(400, "invalid_invitation");
    // No other endpoint accepts it.
    app.send(app.request(Method::GET, "/auth/users/profile").bearer_auth(&good))
        .await
        .expect_error(401, "invalid_token");
    let body = json!({"token": good, "new_password": "korea-snack-10"});
    app.post_open("/auth/password/reset", body).await.expect_error(400, "invalid_reset_token");
    assert_eq!(count(app.db(), "SELECT count(*) FROM users").await, 1);

    accept(&app, &good, EMAIL).await.expect(201);
    accept(&app, &of_other, "lee@partner.example").await.expect(201);
}

#[tokio::test]
async fn an_invitation_that_is_refused_says_so_in_both_languages() {
    let app = TestApp::start().await;
    for (language, expected) in [
        ("ko", "초대 링크가 만료되었거나 이미 사용되었습니다. 관리자에게 다시 요청해 주세요."),
        ("en", "The invitation has expired or was used already. Ask an admin for a new one."),
    ] {
        let body = json!({"email": EMAIL, "password": PASSWORD, "name": "김간식", "invitation": "nonsense"});
        let request = app.request(Method::POST, "/auth/sign-up").header(ACCEPT_LANGUAGE, language).json(&body);
        assert_eq!(app.send(request).await.expect_error(400, "invalid_invitation")["detail"], expected);
    }
}

#[tokio::test]
async fn a_refused_sign_up_does_not_use_the_invitation_up() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let token = invited(&app, &admin, EMAIL).await;
    for token in [token.as_str(), "nonsense"] {
        // The rules of the fields come before the token.
        let body = json!({"email": "kim", "password": "short", "name": " ", "invitation": token});
        let problem = app.post_open("/auth/sign-up", body).await.expect_error(400, "validation_failed");
        assert_eq!(problem.error_fields(), ["email", "name", "password"]);
    }
    let body = json!({"email": EMAIL, "password": EMAIL, "name": "김간식", "invitation": token});
    let problem = app.post_open("/auth/sign-up", body).await.expect_error(400, "validation_failed");
    assert_eq!(problem["errors"][0]["code"], "too_personal");
    accept(&app, &token, "lee@partner.example").await.expect_error(400, "invalid_invitation");
    // An account that came about in another way, and left again.
    database::allow_deletion(app.db()).await;
    let sql = "INSERT INTO users (email, email_key, name, name_key, is_deleted) VALUES ($1, $1, 'x', 'x', $2)";
    for (is_deleted, code) in [(false, "email_taken"), (true, "email_resigned")] {
        sqlx::query(sql).bind(EMAIL).bind(is_deleted).execute(app.db()).await.expect("a user");
        accept(&app, &token, EMAIL).await.expect_error(409, code);
        execute(&app, "DELETE FROM users WHERE name = 'x'").await;
    }
    accept(&app, &token, EMAIL).await.expect(201);
}

#[tokio::test]
async fn a_sign_up_without_the_link_removes_the_invitation_and_gets_no_role() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let token = token(&invite(&app, &admin, EMAIL, "admin").await.expect(201));
    let body = json!({"email": EMAIL.to_uppercase(), "password": PASSWORD, "name": "김간식", "member_type": "admin"});
    let user = app.post_open("/auth/sign-up", body).await.expect(201);
    assert_eq!(user["member_type"], "member");
    assert_eq!(list(&app, &admin).await, Vec::<Value>::new());
    accept(&app, &token, EMAIL).await.expect_error(400, "invalid_invitation");
}

#[tokio::test]
async fn an_invitation_is_mailed_in_the_language_of_the_request() {
    let mut smtp = SmtpServer::start(&[]).await;
    let app = mailing(smtp.url()).await;
    let (admin, app) = (app.admin().await, closed(&app).await);
    for (number, language, subject) in [(1, "en-US,en;q=0.9", "invites you"), (2, "ko", "초대했습니다")] {
        let email = format!("kim{number}@partner.example");
        let request = app.request(Method::POST, "/auth/invitations").bearer_auth(&admin.access);
        let body = json!({"email": email, "member_type": "member"});
        let created = app.send(request.header(ACCEPT_LANGUAGE, language).json(&body)).await.expect(201);
        let mail = smtp.mail().await;
        assert!(mail["headers"]["subject"].as_str().is_some_and(|text| text.contains(subject)), "{mail}");
        let (mailed, told) = (link_token(&mail, PATH), token(&created));
        assert_ne!(mailed, told);
        // Both are tokens of one invitation.
        let (used, other) = if number == 1 { (&mailed, &told) } else { (&told, &mailed) };
        accept(&app, used, &email).await.expect(201);
        accept(&app, other, &email).await.expect_error(400, "invalid_invitation");
        let address = "SELECT count(*) FROM account_mails WHERE address <> '127.0.0.1'";
        assert_eq!(count(app.db(), address).await, 0);
    }
}

#[tokio::test]
async fn without_mail_no_mail_is_written() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    invite(&app, &admin, EMAIL, "member").await.expect(201);
    assert_eq!(count(app.db(), "SELECT count(*) FROM account_mails").await, 0);
    assert_eq!(count(app.db(), "SELECT count(*) FROM deliveries").await, 0);
}

/// Number of 201s. All others are refused for their invitation.
fn successes(responses: Vec<Response>) -> usize {
    let (done, refused): (Vec<_>, Vec<_>) = responses.into_iter().partition(|response| response.status == 201);
    for response in refused {
        response.expect_error(400, "invalid_invitation");
    }
    done.len()
}

#[tokio::test]
async fn of_several_sign_ups_with_one_invitation_at_once_one_wins() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (app, replica) = (closed(&app).await, app.replica().await);
    for round in 0..5 {
        let email = format!("kim{round}@partner.example");
        let known = invited(&app, &admin, &email).await;
        let tries = (0..8).map(|number| accept(if number % 2 == 0 { &app } else { &replica }, &known, &email));
        assert_eq!(successes(join_all(tries).await), 1);

        // Two tokens of one invitation.
        let email = format!("lee{round}@partner.example");
        let created = invite(&app, &admin, &email, "admin").await.expect(201);
        let purpose = Purpose::Invitation(created["id"].as_i64().expect("an id"));
        let mailed = links::create(app.db(), purpose, Utc::now() + TimeDelta::hours(1)).await.expect("a token");
        let told = token(&created);
        let (one, two) = join(accept(&app, &mailed, &email), accept(&replica, &told, &email)).await;
        assert_eq!(successes(vec![one, two]), 1);
        sign_in(&app, &email, PASSWORD).await.expect(200);
    }
    assert_eq!(count(app.db(), "SELECT count(*) FROM users").await, 11);
    assert_eq!(count(app.db(), "SELECT count(*) FROM invitations").await, 0);
    assert_eq!(entries(&app, &admin, "sign_up").await.len(), 11);
}

#[tokio::test]
async fn of_several_invitations_at_once_one_stays() {
    let app = TestApp::start().await;
    let (admin, replica) = (app.admin().await, app.replica().await);
    for round in 0..5 {
        let email = format!("kim{round}@partner.example");
        let tries =
            (0..8).map(|number| invite(if number % 2 == 0 { &app } else { &replica }, &admin, &email, "member"));
        let created = join_all(tries).await.into_iter().map(|response| response.expect(201));
        let tokens: Vec<String> = created.map(|invitation| token(&invitation)).collect();
        assert_eq!(count(app.db(), "SELECT count(*) FROM invitations").await, 1);
        assert_eq!(count(app.db(), "SELECT count(*) FROM link_tokens").await, 1);
        let mut responses = Vec::new();
        for token in &tokens {
            responses.push(accept(&app, token, &email).await);
        }
        assert_eq!(successes(responses), 1);
    }
}

#[tokio::test]
async fn an_invitation_that_is_being_accepted_is_neither_withdrawn_nor_replaced() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for is_accepted in [true, false] {
        for name in ["withdrawn", "replaced"] {
            let email = format!("{name}-{is_accepted}@partner.example");
            let created = invite(&app, &admin, &email, "member").await.expect(201);
            let path = format!("/auth/invitations/{}", created["id"]);
            // A sign-up between its two statements.
            let mut tx = app.db().begin().await.expect("a transaction");
            let known = token(&created);
            invitations::of_token(&mut *tx, &known, &email).await.expect("an invitation");
            let change = async {
                match name {
                    "withdrawn" => app.delete(&admin, &path).await,
                    _ => invite(&app, &admin, &email, "member").await,
                }
            };
            let sign_up = async {
                wait_for_blocked(&app, 1).await;
                if is_accepted {
                    let user =
                        NewUser { email: &email, name: "x", password_hash: None, member_type: MemberType::Member };
                    sign_up::create(&mut tx, &Actor::local(), &user).await.expect("a user");
                    tx.commit().await.expect("a commit");
                } else {
                    tx.rollback().await.expect("a rollback");
                }
            };
            let (response, ()) = join(change, sign_up).await;
            match (name, is_accepted) {
                ("withdrawn", true) => drop(response.expect_error(404, "not_found")),
                ("withdrawn", false) => drop(response.expect(204)),
                (_, true) => drop(response.expect_error(409, "email_taken")),
                (_, false) => drop(response.expect(201)),
            }
            accept(&app, &known, &email).await.expect_error(400, "invalid_invitation");
        }
    }
    assert_eq!(count(app.db(), "SELECT count(*) FROM invitations").await, 1);
}

#[tokio::test]
async fn an_invitation_that_is_withdrawn_or_replaced_is_not_accepted() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for is_replaced in [false, true] {
        let known = invited(&app, &admin, EMAIL).await;
        let mut tx = app.db().begin().await.expect("a transaction");
        invitations::remove_of_email(&mut tx, EMAIL).await.expect("a removal");
        if is_replaced {
            let sql = "INSERT INTO invitations (email, email_key, member_type, expires_at) VALUES ($1, $1, 'admin', now() + interval '7 days')";
            sqlx::query(sql).bind(EMAIL).execute(&mut *tx).await.expect("an invitation");
        }
        let commit = async {
            wait_for_blocked(&app, 1).await;
            tx.commit().await.expect("a commit");
        };
        let (response, ()) = join(accept(&app, &known, EMAIL), commit).await;
        response.expect_error(400, "invalid_invitation");
    }
    assert_eq!(count(app.db(), "SELECT count(*) FROM users").await, 1);
}

#[tokio::test]
async fn an_invitation_ends_with_the_rights_of_the_admin_who_created_it() {
    let app = TestApp::start().await;
    let (admin, demoted, removed, restored) =
        (app.admin().await, app.admin().await, app.admin().await, app.admin().await);
    let of_demoted = invited(&app, &demoted, "a@partner.example").await;
    let of_removed = invited(&app, &removed, "b@partner.example").await;
    let of_restored = invited(&app, &restored, "c@partner.example").await;
    app.patch(&admin, &format!("/auth/users/{}", demoted.id), json!({"member_type": "member"})).await.expect(200);
    app.delete(&admin, &format!("/auth/users/{}", removed.id)).await.expect(204);
    app.delete(&admin, &format!("/auth/users/{}", restored.id)).await.expect(204);
    app.post(&admin, &format!("/auth/users/{}/restore", restored.id), json!({})).await.expect(200);
    assert_eq!(list(&app, &admin).await, Vec::<Value>::new());
    for (token, email) in
        [(of_demoted, "a@partner.example"), (of_removed, "b@partner.example"), (of_restored, "c@partner.example")]
    {
        accept(&app, &token, email).await.expect_error(400, "invalid_invitation");
    }
    // Those of other admins stay.
    let token = invited(&app, &admin, "a@partner.example").await;
    accept(&app, &token, "a@partner.example").await.expect(201);
}

#[tokio::test]
async fn expired_invitations_are_removed() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let open = invited(&app, &admin, EMAIL).await;
    invited(&app, &admin, "lee@partner.example").await;
    execute(&app, "UPDATE invitations SET expires_at = now() - interval '1 second' WHERE email LIKE 'lee%'").await;
    assert!(cleanup::remove_expired(app.db()).await.expect("a cleaning"));
    let emails: Vec<String> =
        sqlx::query_scalar("SELECT email FROM invitations").fetch_all(app.db()).await.expect("the invitations");
    assert_eq!(emails, [EMAIL]);
    assert_eq!(count(app.db(), "SELECT count(*) FROM link_tokens").await, 1);
    accept(&app, &open, EMAIL).await.expect(201);
}
