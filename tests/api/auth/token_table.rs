//! Every endpoint of the OpenAPI document with every kind of token: a valid token works for its holder, an invalid one
//! opens no protected endpoint and does not affect a public one.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use jsonwebtoken::{Algorithm, EncodingKey};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use snack_server::auth::token::TokenType;

use crate::support::{
    endpoints::{Access, Endpoint, endpoints},
    response::Response,
    test_app::{TestApp, TestUser},
    tokens::{read, sign},
};

/// Number of endpoints that need a token.
const PROTECTED: usize = 59;
/// Number of invalid tokens. A protected endpoint has that many cases, one without a token and one with the token of a
/// former admin.
const INVALID_TOKENS: usize = 13;
const CASES: usize = INVALID_TOKENS + 2;

/// Tokens that must be rejected, each with one defect.
async fn invalid_tokens(app: &TestApp) -> [(&'static str, String); INVALID_TOKENS] {
    let member = app.member().await;
    let secret = app.state.config.jwt_secret.expose_secret().to_owned();
    let claims = read(&member.access).1;
    let mut expired = claims.clone();
    expired["exp"] = json!(Utc::now().timestamp() - 1);
    let mut unknown_user = claims.clone();
    unknown_user["user_id"] = json!(i64::MAX);

    let body = member.access.split('.').nth(1).expect("claims").to_owned();
    // Correctly signed, but the header claims otherwise.
    let with_header = |header: Value, key: &EncodingKey| {
        let signed = format!("{}.{body}", URL_SAFE_NO_PAD.encode(header.to_string()));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), key, Algorithm::HS256).expect("a signature");
        format!("{signed}.{signature}")
    };
    let own_key = EncodingKey::from_secret(secret.as_bytes());
    let none = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": "JWT"}).to_string());

    let content = json!({"user_id": member.id, "jti": claims["jti"]});
    let oidc_cookie = app.state.auth.keys.seal(TokenType::OidcSignIn, content, Duration::from_mins(1));

    let resigned = app.member().await;
    app.get(&resigned, "/checks/is_authenticated").await.expect(200);
    app.delete(&resigned, "/auth/users/resign").await.expect(204);
    [
        ("garbage", "nonsense".to_owned()),
        ("expired", sign(&expired, Algorithm::HS256, &secret)),
        ("a refresh token", member.refresh.clone()),
        ("the cookie of a sign-in through the provider", oidc_cookie.expect("a token")),
        ("alg none", format!("{none}.{body}.")),
        ("alg none, signed all the same", with_header(json!({"alg": "none", "typ": "JWT"}), &own_key)),
        ("another key", sign(&claims, Algorithm::HS256, "another secret, also of 32 bytes or more")),
        ("HS384", sign(&claims, Algorithm::HS384, &secret)),
        ("HS512", sign(&claims, Algorithm::HS512, &secret)),
        ("says RS256", with_header(json!({"alg": "RS256", "typ": "JWT"}), &own_key)),
        ("no algorithm", with_header(json!({"typ": "JWT"}), &own_key)),
        ("nobody's", sign(&unknown_user, Algorithm::HS256, &secret)),
        ("of somebody who resigned", resigned.access),
    ]
}

/// One former admin for each endpoint, because resigning uses one up. Their tokens date from before the demotion.
async fn demoted_admins(app: &TestApp, count: usize) -> Vec<TestUser> {
    let promoter = app.admin().await;
    let users = app.users(i32::try_from(count).expect("a small number")).await;
    for holder in &users {
        let path = format!("/auth/users/{}", holder.id);
        app.put(&promoter, &path, json!({"member_type": "admin"})).await.expect(200);
        app.get(holder, "/checks/is_admin").await.expect(200);
        app.put(&promoter, &path, json!({"member_type": "member"})).await.expect(200);
    }
    users
}

/// The request, with every other defect as well: nothing exists, no body, no content type, an absurd query.
async fn send_empty(app: &TestApp, endpoint: &Endpoint, token: Option<&str>) -> Response {
    let path = format!("{}?limit=0&ordering=x&year=x", endpoint.with("%FF"));
    let request = app.request(endpoint.method.clone(), &path);
    app.send(match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    })
    .await
}

/// Status, code and challenge in one line.
fn summary(response: &Response) -> String {
    let code = response.body["code"].as_str().unwrap_or_default();
    format!("{} {code} {}", response.status.as_u16(), response.header("www-authenticate")).trim_end().to_owned()
}

#[tokio::test]
async fn no_protected_endpoint_accepts_an_invalid_token_and_no_admin_endpoint_a_former_admins() {
    let app = TestApp::start().await;
    let mut protected: Vec<Endpoint> =
        endpoints(&app).await.into_iter().filter(|endpoint| endpoint.access() != Access::Public).collect();
    // If an invalid token were accepted here, its holder's account would be gone for the other cases.
    protected.sort_by_key(|endpoint| endpoint.path.ends_with("/resign"));
    let invalid = invalid_tokens(&app).await;
    let demoted = demoted_admins(&app, protected.len()).await;
    let (mut cases, mut wrong) = (0, Vec::new());
    let mut check = |endpoint: &Endpoint, case: &str, response: &Response, is_expected: &dyn Fn(&str) -> bool| {
        cases += 1;
        let summary = summary(response);
        if !is_expected(&summary) {
            wrong.push(format!("{} | {case} | {summary}", endpoint.name()));
        }
    };
    for (endpoint, holder) in protected.iter().zip(&demoted) {
        assert!(endpoint.needs_token(), "the document asks for no token: {}", endpoint.name());
        let response = send_empty(&app, endpoint, None).await;
        check(endpoint, "none", &response, &|summary| summary == "401 not_authenticated Bearer");
        for (case, token) in &invalid {
            let response = send_empty(&app, endpoint, Some(token)).await;
            check(endpoint, case, &response, &|summary| summary == "401 invalid_token Bearer");
        }
        let response = send_empty(&app, endpoint, Some(&holder.access)).await;
        check(endpoint, "no admin any more", &response, &|summary| match endpoint.access() {
            Access::Admins => summary == "403 permission_denied",
            _ => !summary.starts_with("401") && !summary.starts_with("403"),
        });
    }
    assert!(wrong.is_empty(), "{} of {cases} cases fail:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!((protected.len(), cases), (PROTECTED, PROTECTED * CASES));
}

#[tokio::test]
async fn no_public_endpoint_is_affected_by_an_invalid_token() {
    let app = TestApp::start().await;
    let invalid = invalid_tokens(&app).await;
    let open: Vec<Endpoint> =
        endpoints(&app).await.into_iter().filter(|endpoint| endpoint.access() == Access::Public).collect();
    for endpoint in &open {
        assert!(!endpoint.needs_token(), "the document asks for a token: {}", endpoint.name());
        let plain = summary(&send_empty(&app, endpoint, None).await);
        assert!(!plain.starts_with("401"), "{} without a token: {plain}", endpoint.name());
        for (case, token) in &invalid {
            assert_eq!(summary(&send_empty(&app, endpoint, Some(token)).await), plain, "{} {case}", endpoint.name());
        }
    }
    // Paths outside the OpenAPI document behave like public endpoints.
    for path in ["/", "/app/", "/docs", "/openapi.json", "/nowhere"] {
        let plain = summary(&app.send(app.request(Method::GET, path)).await);
        for (case, token) in &invalid {
            let response = app.send(app.request(Method::GET, path).bearer_auth(token)).await;
            assert_eq!(summary(&response), plain, "{path} {case}");
        }
    }
    assert_eq!(open.len(), 13);
}
