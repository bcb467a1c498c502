//! Tokens that must be rejected as bearer and as refresh tokens.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use jsonwebtoken::Algorithm;
use reqwest::{Method, header};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

use super::tokens::{bearer, exchange, refresh, sign_out};
use crate::support::{
    test_app::{TestApp, TestUser},
    tokens::{read, sign},
};

/// Tokens made from the claims of a valid one, each with one defect.
fn hostile(app: &TestApp, good: &str, other_kind: &str) -> Vec<(String, String)> {
    let secret = app.state.config.jwt_secret.expose_secret().to_owned();
    let claims = read(good).1;
    let now = Utc::now().timestamp();
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        sign(&claims, Algorithm::HS256, &secret)
    };
    let (signed, signature) = good.rsplit_once('.').expect("a signature");
    let (header, body) = signed.split_once('.').expect("a body");
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut raised = claims.clone();
    raised["user_id"] = json!(claims["user_id"].as_i64().expect("an id") + 1);
    let none = encoded(&json!({"alg": "none", "typ": "JWT"}));
    let mut table = vec![
        ("garbage".to_owned(), "nonsense".to_owned()),
        ("three empty parts".to_owned(), "..".to_owned()),
        ("no signature".to_owned(), format!("{signed}.")),
        ("half a signature".to_owned(), format!("{signed}.{}", &signature[..20])),
        ("another body".to_owned(), format!("{header}.{}.{signature}", encoded(&raised))),
        ("alg none".to_owned(), format!("{none}.{body}.")),
        ("alg none with a signature".to_owned(), format!("{none}.{body}.{signature}")),
        ("another key".to_owned(), sign(&claims, Algorithm::HS256, "another secret, also of 32 bytes or more")),
        ("an empty key".to_owned(), sign(&claims, Algorithm::HS256, "")),
        ("HS512".to_owned(), sign(&claims, Algorithm::HS512, &secret)),
        ("HS384".to_owned(), sign(&claims, Algorithm::HS384, &secret)),
        ("expired long ago".to_owned(), with("exp", json!(now - 3600))),
        ("expired this second".to_owned(), with("exp", json!(now))),
        ("the other kind".to_owned(), other_kind.to_owned()),
        ("a kind of its own".to_owned(), with("token_type", json!("admin"))),
        ("a user in words".to_owned(), with("user_id", json!("7"))),
        ("a name that is none".to_owned(), with("jti", json!("7"))),
    ];
    for name in ["token_type", "user_id", "jti", "iat", "exp"] {
        let mut lacking = claims.clone();
        lacking.as_object_mut().expect("claims").remove(name);
        table.push((format!("without {name}"), sign(&lacking, Algorithm::HS256, &secret)));
        table.push((format!("{name} is null"), with(name, Value::Null)));
    }
    table
}

#[tokio::test]
async fn a_hostile_bearer_token_is_refused() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let mut table = hostile(&app, &member.access, &member.refresh);
    let mut unknown_user = read(&member.access).1;
    unknown_user["user_id"] = json!(i64::MAX);
    let secret = app.state.config.jwt_secret.expose_secret();
    table.push(("nobody's".to_owned(), sign(&unknown_user, Algorithm::HS256, secret)));
    for (what, token) in table {
        let response = bearer(&app, &token).await;
        assert_eq!(response.status, 401, "{what}");
        response.expect_error(401, "invalid_token");
    }
    // The same claims are accepted when they are signed correctly, so the others failed because of their defect.
    let valid = sign(&read(&member.access).1, Algorithm::HS256, secret);
    bearer(&app, &valid).await.expect(200);
}

#[tokio::test]
async fn a_hostile_refresh_token_is_refused_and_ends_nothing() {
    let app = TestApp::with(|config| config.refresh_token_grace = Duration::ZERO).await;
    let member = app.member().await;
    let mut table = hostile(&app, &member.refresh, &member.access);
    let mut unknown = read(&member.refresh).1;
    unknown["jti"] = json!(Uuid::new_v4());
    let secret = app.state.config.jwt_secret.expose_secret();
    table.push(("a jti that nobody has".to_owned(), sign(&unknown, Algorithm::HS256, secret)));
    for (what, token) in table {
        let response = refresh(&app, &token).await;
        assert_eq!(response.status, 401, "{what}");
        response.expect_error(401, "invalid_token");
        sign_out(&app, &token).await;
    }
    exchange(&app, &sign(&read(&member.refresh).1, Algorithm::HS256, secret)).await;
}

#[tokio::test]
async fn an_authorization_header_that_holds_no_bearer_token_is_a_401() {
    let app = TestApp::start().await;
    let TestUser { access, .. } = app.member().await;
    let send_as = async |value: &[u8]| {
        let value = header::HeaderValue::from_bytes(value).expect("a header value");
        app.send(app.request(Method::GET, "/checks/is_authenticated").header(header::AUTHORIZATION, value)).await
    };
    for value in ["", "Bearer", "Bearer ", "Basic a2ltOnNuYWNr", &access, "Bearer\u{a0}x", "Token x"] {
        let response = send_as(value.as_bytes()).await;
        let code = response.body["code"].as_str().expect("a code").to_owned();
        assert!(["not_authenticated", "invalid_token"].contains(&code.as_str()), "{value}: {code}");
        response.expect_error(401, &code);
    }
    send_as(b"Bearer \xff\xfe").await.expect_error(401, "invalid_token");
    // The scheme is case-insensitive.
    send_as(format!("bearer {access}").as_bytes()).await.expect(200);
}
