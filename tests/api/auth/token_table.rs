//! Every endpoint of the OpenAPI document with every kind of token: a valid token works for its holder, an invalid one
//! opens no protected endpoint and does not affect a public one.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use jsonwebtoken::{Algorithm, EncodingKey};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{
    auth::tokens::{read, sign},
    support::endpoints::{Access, Endpoint, endpoints},
    support::response::Response,
    support::test_app::{TestApp, TestUser},
};

/// Number of endpoints that need a token.
const GUARDED: usize = 31;
/// Number of invalid tokens. A protected endpoint has that many cases, one without a token and one with the token of a
/// former admin.
const BAD: usize = 12;
const CELLS: usize = BAD + 2;

/// Tokens that must be rejected, each with one defect.
async fn bad_tokens(app: &TestApp) -> [(&'static str, String); BAD] {
    let member = app.member().await;
    let secret = app.state.config.jwt_secret.expose_secret().to_owned();
    let claims = read(&member.access).1;
    let mut expired = claims.clone();
    expired["exp"] = json!(Utc::now().timestamp() - 1);
    let mut nobodys = claims.clone();
    nobodys["user_id"] = json!(i64::MAX);

    let body = member.access.split('.').nth(1).expect("claims").to_owned();
    // Correctly signed, but the header claims otherwise.
    let headed = |header: Value, key: &EncodingKey| {
        let signed = format!("{}.{body}", URL_SAFE_NO_PAD.encode(header.to_string()));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), key, Algorithm::HS256).expect("a signature");
        format!("{signed}.{signature}")
    };
    let ours = EncodingKey::from_secret(secret.as_bytes());
    let none = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": "JWT"}).to_string());

    let resigned = app.member().await;
    app.get(&resigned, "/checks/is_authenticated").await.expect(200);
    app.delete(&resigned, "/auth/users/resign").await.expect(204);
    [
        ("garbage", "nonsense".to_owned()),
        ("expired", sign(&expired, Algorithm::HS256, &secret)),
        ("a refresh token", member.refresh.clone()),
        ("alg none", format!("{none}.{body}.")),
        ("alg none, signed all the same", headed(json!({"alg": "none", "typ": "JWT"}), &ours)),
        ("another key", sign(&claims, Algorithm::HS256, "another secret, also of 32 bytes or more")),
        ("HS384", sign(&claims, Algorithm::HS384, &secret)),
        ("HS512", sign(&claims, Algorithm::HS512, &secret)),
        ("says RS256", headed(json!({"alg": "RS256", "typ": "JWT"}), &ours)),
        ("no algorithm", headed(json!({"typ": "JWT"}), &ours)),
        ("nobody's", sign(&nobodys, Algorithm::HS256, &secret)),
        ("of somebody who resigned", resigned.access),
    ]
}

/// One former admin for each endpoint, because resigning uses one up. Their tokens date from before the demotion.
async fn demoted_admins(app: &TestApp, count: usize) -> Vec<TestUser> {
    let boss = app.admin().await;
    let users = app.users(i32::try_from(count).expect("a small crowd")).await;
    for person in &users {
        let path = format!("/auth/users/{}", person.id);
        app.put(&boss, &path, json!({"member_type": "admin"})).await.expect(200);
        app.get(person, "/checks/is_admin").await.expect(200);
        app.put(&boss, &path, json!({"member_type": "member"})).await.expect(200);
    }
    users
}

/// The request, with every other defect as well: nothing exists, no body, no content type, an absurd query.
async fn ask(app: &TestApp, endpoint: &Endpoint, token: Option<&str>) -> Response {
    let path = format!("{}?limit=0&ordering=x&year=x", endpoint.with("%FF"));
    let request = app.request(endpoint.method.clone(), &path);
    app.send(match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    })
    .await
}

/// Status, code and challenge in one line.
fn told(response: &Response) -> String {
    let code = response.body["code"].as_str().unwrap_or_default();
    format!("{} {code} {}", response.status.as_u16(), response.header("www-authenticate")).trim_end().to_owned()
}

#[tokio::test]
async fn no_call_that_needs_a_token_is_opened_by_a_bad_one_and_no_admins_call_by_a_former_admins() {
    let app = TestApp::start().await;
    let mut guarded: Vec<Endpoint> =
        endpoints(&app).await.into_iter().filter(|endpoint| endpoint.access() != Access::Anybody).collect();
    // If an invalid token were accepted here, its holder's account would be gone for the other cases.
    guarded.sort_by_key(|endpoint| endpoint.path.ends_with("/resign"));
    let bad = bad_tokens(&app).await;
    let demoted = demoted_admins(&app, guarded.len()).await;
    let (mut cells, mut wrong) = (0, Vec::new());
    let mut judge = |endpoint: &Endpoint, case: &str, response: &Response, as_it_should: &dyn Fn(&str) -> bool| {
        cells += 1;
        let told = told(response);
        if !as_it_should(&told) {
            wrong.push(format!("{} | {case} | {told}", endpoint.name()));
        }
    };
    for (endpoint, person) in guarded.iter().zip(&demoted) {
        assert!(endpoint.needs_token(), "the document asks for no token: {}", endpoint.name());
        let response = ask(&app, endpoint, None).await;
        judge(endpoint, "none", &response, &|told| told == "401 not_authenticated Bearer");
        for (case, token) in &bad {
            let response = ask(&app, endpoint, Some(token)).await;
            judge(endpoint, case, &response, &|told| told == "401 invalid_token Bearer");
        }
        let response = ask(&app, endpoint, Some(&person.access)).await;
        judge(endpoint, "no admin any more", &response, &|told| match endpoint.access() {
            Access::Admins => told == "403 permission_denied",
            _ => !told.starts_with("401") && !told.starts_with("403"),
        });
    }
    assert!(wrong.is_empty(), "{} of {cells} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!((guarded.len(), cells), (GUARDED, GUARDED * CELLS));
}

#[tokio::test]
async fn no_call_that_needs_no_token_is_spoiled_by_a_bad_one() {
    let app = TestApp::start().await;
    let bad = bad_tokens(&app).await;
    let open: Vec<Endpoint> =
        endpoints(&app).await.into_iter().filter(|endpoint| endpoint.access() == Access::Anybody).collect();
    for endpoint in &open {
        assert!(!endpoint.needs_token(), "the document asks for a token: {}", endpoint.name());
        let plain = told(&ask(&app, endpoint, None).await);
        assert!(!plain.starts_with("401"), "{} without a token: {plain}", endpoint.name());
        for (case, token) in &bad {
            assert_eq!(told(&ask(&app, endpoint, Some(token)).await), plain, "{} {case}", endpoint.name());
        }
    }
    // Paths outside the OpenAPI document behave like public endpoints.
    for path in ["/", "/app/", "/docs", "/openapi.json", "/nowhere"] {
        let plain = told(&app.send(app.request(Method::GET, path)).await);
        for (case, token) in &bad {
            let response = app.send(app.request(Method::GET, path).bearer_auth(token)).await;
            assert_eq!(told(&response), plain, "{path} {case}");
        }
    }
    assert_eq!(open.len(), 8);
}
