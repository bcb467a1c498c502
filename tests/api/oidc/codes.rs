//! Codes that are exchanged for tokens.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use snack_server::operations::cleanup;
use sqlx::Connection;

use super::{audit, with_forging_provider};
use crate::support::{
    database,
    forging_provider::{ACCESS_TOKEN, EMAIL, ForgingProvider, callback},
    oidc::{Browser, CLIENT_ID, CLIENT_SECRET, PUBLIC_URL, client, code, exchange, parameter},
    process::Run,
    test_app::TestApp,
    tokens::read,
};

async fn new_code(app: &TestApp, provider: &ForgingProvider) -> String {
    let mut browser = Browser::default();
    let callback = provider.prepare(app, &mut browser, |_| {}).await;
    code(&browser.follow(app, &callback).await)
}

async fn codes(app: &TestApp) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM sign_in_codes").fetch_one(app.db()).await.expect("a count")
}

#[tokio::test]
async fn a_code_is_good_once() {
    let (app, provider) = with_forging_provider(|_| {}).await;
    let code = new_code(&app, &provider).await;
    assert!(code.len() >= 43, "256 bits: {code}");
    exchange(&app, &code[1..]).await.expect_error(401, "invalid_token");
    exchange(&app, &code).await.expect(200);
    exchange(&app, &code).await.expect_error(401, "invalid_token");

    let code = new_code(&app, &provider).await;
    let (won, lost): (Vec<_>, Vec<_>) =
        join_all((0..8).map(|_| exchange(&app, &code))).await.into_iter().partition(|response| response.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 7));
    for response in lost {
        response.expect_error(401, "invalid_token");
    }
    let sessions: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(app.db()).await.expect("a count");
    assert_eq!((sessions, codes(&app).await), (2, 0));
}

#[tokio::test]
async fn a_code_is_good_for_a_minute() {
    let (app, provider) = with_forging_provider(|_| {}).await;
    let code = new_code(&app, &provider).await;
    let left: f64 = sqlx::query_scalar("SELECT extract(epoch FROM expires_at - now())::float8 FROM sign_in_codes")
        .fetch_one(app.db())
        .await
        .expect("a time");
    assert!(left > 0.0 && left <= 60.0, "{left}");
    sqlx::query("UPDATE sign_in_codes SET expires_at = now() - interval '1 ms'")
        .execute(app.db())
        .await
        .expect("an earlier time");
    exchange(&app, &code).await.expect_error(401, "invalid_token");
    new_code(&app, &provider).await;
    assert_eq!(codes(&app).await, 2);
    // The server cleans up when it starts.
    while !cleanup::remove_expired(app.db()).await.expect("a cleanup") {}
    assert_eq!(codes(&app).await, 1);
}

#[tokio::test]
async fn a_code_of_somebody_who_has_left_is_good_for_nothing() {
    let (app, provider) = with_forging_provider(|_| {}).await;
    // The only admin could not leave.
    app.admin().await;
    let code = new_code(&app, &provider).await;
    sqlx::query("UPDATE users SET is_deleted = true WHERE email = $1")
        .bind(EMAIL)
        .execute(app.db())
        .await
        .expect("a member who has left");
    exchange(&app, &code).await.expect_error(401, "invalid_token");
    assert_eq!(audit(&app, "oidc_sign_in").await, [(EMAIL.to_owned(), "email_resigned".to_owned())]);
    assert_eq!(codes(&app).await, 0);
}

#[tokio::test]
async fn a_code_is_text() {
    let (app, _provider) = with_forging_provider(|_| {}).await;
    for body in [json!({}), json!({"code": ""})] {
        app.post_open("/auth/oidc/token", body).await.expect_error(400, "validation_failed");
    }
    app.post_open("/auth/oidc/token", json!({"code": 7})).await.expect_error(400, "invalid_request");
    app.send(app.request(Method::GET, "/auth/oidc/token")).await.expect_error(405, "method_not_allowed");
}

/// Everything in the tables, as text.
async fn rows(connection: &mut sqlx::PgConnection) -> String {
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
            .fetch_all(&mut *connection)
            .await
            .expect("the tables");
    let mut text = String::new();
    for table in tables {
        let sql = format!("SELECT coalesce(string_agg(t::text, E'\n'), '') FROM {table} AS t");
        let rows: String =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut *connection).await.expect("the rows");
        text += &rows;
    }
    text
}

#[tokio::test]
async fn no_secret_is_in_a_log_line_or_a_row() {
    let provider = ForgingProvider::start().await;
    let database = database::create().await;
    let run = Run::on(&database, &["serve"]).set("RUST_LOG", "trace").set("PUBLIC_URL", PUBLIC_URL);
    let run = run.set("OIDC_ISSUER", &provider.issuer).set("OIDC_CLIENT_ID", CLIENT_ID);
    let server = run.set("OIDC_CLIENT_SECRET", CLIENT_SECRET).set("OIDC_NAME", "회사 계정").serve().await;
    let http = client();
    let get = async |path: &str, cookie: &str| {
        let request = http.get(format!("http://{}{path}", server.address)).header("cookie", cookie);
        let response = request.send().await.expect("a response");
        let header = |name: &str| response.headers()[name].to_str().expect("text").to_owned();
        (header("location").parse::<reqwest::Url>().expect("a URL"), header("set-cookie"))
    };
    let (url, cookie) = get("/auth/oidc/login", "").await;
    let id_token = provider.key.sign(&provider.claims(&url));
    provider.set_id_token(id_token.clone());
    let callback = callback(&url);
    let path = callback.as_str().strip_prefix(PUBLIC_URL).expect("a path").to_owned();
    let (page, _) = get(&path, &cookie).await;
    let code = code(&page);
    let request = http.post(format!("http://{}/auth/oidc/token", server.address)).json(&json!({"code": code}));
    let response = request.send().await.expect("a response");
    let tokens: Value = response.json().await.expect("tokens");
    // A sign-in that fails is logged with its cause.
    let (_, second_cookie) = get("/auth/oidc/login", "").await;
    get(&path, &second_cookie).await;
    provider.set_id_token("nonsense-of-the-provider".to_owned());
    get(&path, &cookie).await;

    let mut secrets = vec![code.clone(), CLIENT_SECRET.to_owned(), ACCESS_TOKEN.to_owned()];
    secrets.extend(["a-code-of-the-provider", "nonsense-of-the-provider"].map(str::to_owned));
    secrets.extend(["state", "nonce"].map(|name| parameter(&url, name).expect("a parameter")));
    let flow = cookie.split(['=', ';']).nth(1).expect("a cookie");
    let verifier = read(flow).1["content"]["pkce_verifier"].as_str().expect("a verifier").to_owned();
    secrets.push(verifier);
    for token in
        [&id_token, flow, tokens["access"].as_str().expect("tokens"), tokens["refresh"].as_str().expect("tokens")]
    {
        secrets.extend(token.split('.').skip(1).map(str::to_owned));
    }
    let mut connection = sqlx::PgConnection::connect_with(&database).await.expect("Postgres");
    let rows = rows(&mut connection).await;
    assert!(rows.contains(EMAIL) && rows.contains("oidc_failed"), "{rows}");
    server.signal("-TERM");
    let (status, lines, _) = server.wait().await;
    assert_eq!(status, Some(0));
    assert!(lines.iter().any(|line| line.contains("sign-in not finished")), "{lines:?}");
    for secret in &secrets {
        assert!(!rows.contains(secret), "{secret} is in a row");
        let line = lines.iter().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}
