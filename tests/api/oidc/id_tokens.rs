//! ID tokens and userinfo that a genuine provider would not send.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{audit, users, with_forging_provider};
use crate::support::{
    forging_provider::{ACCESS_TOKEN, EMAIL, Key, callback},
    oidc::{Browser, CLIENT_SECRET, PUBLIC_URL, code, expect_denied},
};

/// `at_hash` of an access token.
fn access_token_hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(token)[..16])
}

#[tokio::test]
async fn an_id_token_with_one_defect_signs_nobody_in() {
    let (app, provider) = with_forging_provider(|_| {}).await;
    let (now, issuer) = (Utc::now().timestamp(), provider.issuer.clone());
    let table = [
        ("aud", json!("another client")),
        ("aud", json!([])),
        ("aud", json!(["snack", "another client"])),
        ("azp", json!("another client")),
        ("iss", json!("https://evil.example")),
        ("iss", json!(format!("{issuer}/"))),
        ("nonce", json!("another nonce")),
        ("nonce", Value::Null),
        ("exp", json!(now - 1)),
        ("exp", Value::Null),
        ("sub", Value::Null),
        ("at_hash", json!(access_token_hash("another token"))),
    ];
    for (claim, value) in &table {
        let mut browser = Browser::default();
        let callback = provider
            .prepare(&app, &mut browser, |claims| {
                claims[*claim] = value.clone();
                if value.is_null() {
                    claims.as_object_mut().expect("claims").remove(*claim);
                }
            })
            .await;
        let page = browser.follow(&app, &callback).await;
        assert_eq!(page.as_str(), format!("{PUBLIC_URL}/app/sign-in?error=oidc_failed"), "{claim} {value}");
    }
    assert_eq!((provider.exchanges(), users(&app).await), (table.len(), 0));
    assert_eq!(audit(&app, "oidc_sign_in").await.len(), table.len());

    // Valid values of the optional ones.
    let mut browser = Browser::default();
    let callback = provider
        .prepare(&app, &mut browser, |claims| {
            claims["azp"] = json!("snack");
            claims["aud"] = json!(["snack"]);
            claims["at_hash"] = json!(access_token_hash(ACCESS_TOKEN));
        })
        .await;
    code(&browser.follow(&app, &callback).await);
}

#[tokio::test]
async fn an_id_token_has_a_signature_of_the_provider() {
    let (app, provider) = with_forging_provider(|_| {}).await;
    let (unknown, same_id) = (Key::new("unknown"), Key::new("first"));
    let mut browser = Browser::default();
    let url = browser.start(&app, "").await;
    let cookie = browser.flow_cookie().expect("a cookie").to_owned();
    let (callback, claims) = (callback(&url), provider.claims(&url));
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = |algorithm: &str| format!("{}.{}.", part(&json!({"alg": algorithm})), part(&claims));
    let hmac = |secret: &[u8]| {
        let header = Header { kid: Some("first".to_owned()), ..Header::new(Algorithm::HS256) };
        encode(&header, &claims, &EncodingKey::from_secret(secret)).expect("a token")
    };
    let good = provider.key.sign(&claims);
    let (start, signature) = good.rsplit_once('.').expect("a signature");
    let mut other_claims = claims.clone();
    other_claims["email"] = json!("boss@snack.example");
    let (header, _) = good.split_once('.').expect("a header");
    let table = [
        ("alg none", unsigned("none")),
        ("alg None", unsigned("None")),
        ("no signature", format!("{start}.")),
        ("other claims", format!("{header}.{}.{signature}", part(&other_claims))),
        ("an unknown key", unknown.sign(&claims)),
        ("another key of the same id", same_id.sign(&claims)),
        ("HS256 with the public key", hmac(provider.key.public())),
        ("HS256 with the client's secret", hmac(CLIENT_SECRET.as_bytes())),
        ("no token", "nonsense".to_owned()),
        ("an empty text", String::new()),
    ];
    for (case, token) in table {
        provider.set_id_token(token);
        browser.set_flow_cookie(&cookie);
        let page = browser.follow(&app, &callback).await;
        assert_eq!(page.as_str(), format!("{PUBLIC_URL}/app/sign-in?error=oidc_failed"), "{case}");
    }
    assert_eq!(users(&app).await, 0);
    provider.set_id_token(good.clone());
    browser.set_flow_cookie(&cookie);
    code(&browser.follow(&app, &callback).await);
}

#[tokio::test]
async fn a_new_key_is_fetched_once_and_unknown_ones_do_not_flood_the_provider() {
    let (app, provider) = with_forging_provider(|_| {}).await;
    let next = Key::new("next");
    let mut browser = Browser::default();
    let url = browser.start(&app, "").await;
    assert_eq!(provider.discoveries(), 1);
    provider.publish(&[&provider.key, &next]);
    provider.set_id_token(next.sign(&provider.claims(&url)));
    code(&browser.follow(&app, &callback(&url)).await);
    assert_eq!(provider.discoveries(), 2);

    let unknown = Key::new("unknown");
    for _ in 0..10 {
        let mut browser = Browser::default();
        let url = browser.start(&app, "").await;
        provider.set_id_token(unknown.sign(&provider.claims(&url)));
        expect_denied(&browser.follow(&app, &callback(&url)).await, "oidc_failed");
    }
    assert_eq!(provider.discoveries(), 6);
    // A key that is gone is not accepted any more.
    provider.publish(&[&next]);
    let mut browser = Browser::default();
    let url = browser.start(&app, "").await;
    provider.set_id_token(next.sign(&provider.claims(&url)));
    code(&browser.follow(&app, &callback(&url)).await);
}

#[tokio::test]
async fn userinfo_counts_only_for_the_user_of_the_id_token() {
    let (app, provider) = with_forging_provider(|_| {}).await;
    let table = [
        (json!({"sub": "8", "email": EMAIL, "email_verified": true}), "oidc_failed"),
        (json!({"email": EMAIL, "email_verified": true}), "oidc_failed"),
        (json!("nonsense"), "oidc_failed"),
        (json!({"sub": "7"}), "email_not_verified"),
        (json!({"sub": "7", "email": EMAIL}), "email_not_verified"),
        (json!({"sub": "7", "email": EMAIL, "email_verified": false}), "email_not_verified"),
    ];
    for (user_info, error) in table {
        let mut browser = Browser::default();
        let callback = provider
            .prepare(&app, &mut browser, |claims| {
                let claims = claims.as_object_mut().expect("claims");
                claims.remove("email");
                claims.remove("email_verified");
            })
            .await;
        provider.set_user_info(user_info);
        expect_denied(&browser.follow(&app, &callback).await, error);
    }
    assert_eq!(users(&app).await, 0);
}

#[tokio::test]
async fn an_email_is_verified_by_the_source_that_names_it() {
    let (app, provider) = with_forging_provider(|_| {}).await;
    provider.set_user_info(json!({"sub": "7", "email": "other@snack.example", "email_verified": true}));
    let mut browser = Browser::default();
    let callback = provider.prepare(&app, &mut browser, |claims| claims["email_verified"] = json!(false)).await;
    expect_denied(&browser.follow(&app, &callback).await, "email_not_verified");
    assert_eq!(audit(&app, "oidc_sign_in").await, [(EMAIL.to_owned(), "email_not_verified".to_owned())]);
    provider.set_user_info(json!({"sub": "7"}));
    // Entra has another claim.
    for (owned, is_verified) in [
        (json!(true), true),
        (json!("1"), true),
        (json!(1), true),
        (json!(false), false),
        (json!("0"), false),
        (json!({}), false),
    ] {
        let mut browser = Browser::default();
        let callback = provider
            .prepare(&app, &mut browser, |claims| {
                claims.as_object_mut().expect("claims").remove("email_verified");
                claims["xms_edov"] = owned.clone();
            })
            .await;
        let page = browser.follow(&app, &callback).await;
        assert_eq!(page.as_str().contains("code="), is_verified, "{owned}: {page}");
    }
    let mut browser = Browser::default();
    let both = |claims: &mut Value| {
        claims["email_verified"] = json!(false);
        claims["xms_edov"] = json!(true);
    };
    let callback = provider.prepare(&app, &mut browser, both).await;
    expect_denied(&browser.follow(&app, &callback).await, "email_not_verified");
    // Some providers write the claim as text.
    for (verified, is_verified) in [("true", true), ("false", false)] {
        let mut browser = Browser::default();
        let callback = provider.prepare(&app, &mut browser, |claims| claims["email_verified"] = json!(verified)).await;
        let page = browser.follow(&app, &callback).await;
        if is_verified {
            code(&page);
        } else {
            expect_denied(&page, "email_not_verified");
        }
    }
}
