//! An OpenID Connect provider that responds as a test tells it, with its own keys.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    oidc::{Browser, CLIENT_ID, PUBLIC_URL, parameter},
    receiver::Answer,
    test_app::TestApp,
};

pub const ACCESS_TOKEN: &str = "an-access-token-of-the-provider";
/// Email of the claims.
pub const EMAIL: &str = "kim@snack.example";

/// Signing key with its id.
pub struct Key {
    pub id: &'static str,
    pair: EcdsaKeyPair,
    signing: EncodingKey,
}

impl Key {
    pub fn new(id: &'static str) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).expect("a key");
        Self { id, pair, signing: EncodingKey::from_ec_der(document.as_ref()) }
    }

    /// Public key in the form of SEC 1.
    pub fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.public()[1..].split_at(32);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id, "x": x, "y": y})
    }

    pub fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.to_owned()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &self.signing).expect("a token")
    }
}

#[derive(Default)]
struct Shared {
    /// Set as soon as the port is known.
    issuer: Mutex<String>,
    keys: Mutex<Vec<Value>>,
    id_token: Mutex<String>,
    user_info: Mutex<Value>,
    /// Response to everything, in place of those of a provider.
    answer: Mutex<Option<Answer>>,
    discoveries: AtomicUsize,
    exchanges: AtomicUsize,
}

pub struct ForgingProvider {
    pub issuer: String,
    pub key: Key,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl ForgingProvider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("an address"));
        let key = Key::new("first");
        let shared = Arc::new(Shared::default());
        shared.issuer.lock().expect("the issuer").clone_from(&issuer);
        shared.keys.lock().expect("the keys").push(key.jwk());
        let router = Router::new().fallback(respond).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("a provider") });
        Self { issuer, key, shared, server }
    }

    /// Responds to everything with this, or as a provider again.
    pub fn answer(&self, answer: Option<Answer>) {
        *self.shared.answer.lock().expect("the answer") = answer;
    }

    /// Publishes only these keys from now on.
    pub fn publish(&self, keys: &[&Key]) {
        *self.shared.keys.lock().expect("the keys") = keys.iter().map(|key| key.jwk()).collect();
    }

    /// Sets the ID token of the next exchanges.
    pub fn set_id_token(&self, token: String) {
        *self.shared.id_token.lock().expect("the token") = token;
    }

    /// Sets the response of the userinfo endpoint.
    pub fn set_user_info(&self, claims: Value) {
        *self.shared.user_info.lock().expect("the claims") = claims;
    }

    /// Number of times that the metadata was read.
    pub fn discoveries(&self) -> usize {
        self.shared.discoveries.load(Ordering::Relaxed)
    }

    /// Number of exchanges of codes.
    pub fn exchanges(&self) -> usize {
        self.shared.exchanges.load(Ordering::Relaxed)
    }

    /// Valid claims for a sign-in that was sent to `url`.
    pub fn claims(&self, url: &Url) -> Value {
        let now = Utc::now().timestamp();
        json!({
            "iss": self.issuer, "aud": CLIENT_ID, "sub": "7", "iat": now, "exp": now + 60,
            "nonce": parameter(url, "nonce").expect("a nonce"),
            "email": EMAIL, "email_verified": true, "name": "김간식",
        })
    }

    /// Starts a sign-in whose ID token has the claims that `change` makes of valid ones. Returns the URL of its callback.
    pub async fn prepare(&self, app: &TestApp, browser: &mut Browser, change: impl FnOnce(&mut Value)) -> Url {
        let url = browser.start(app, "").await;
        let mut claims = self.claims(&url);
        change(&mut claims);
        self.set_id_token(self.key.sign(&claims));
        callback(&url)
    }
}

impl Drop for ForgingProvider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Callback of a sign-in that was sent to `url`.
pub fn callback(url: &Url) -> Url {
    let state = parameter(url, "state").expect("a state");
    let page = format!("{PUBLIC_URL}/auth/oidc/callback");
    Url::parse_with_params(&page, [("code", "a-code-of-the-provider"), ("state", state.as_str())]).expect("a URL")
}

async fn respond(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/.well-known/openid-configuration" => shared.discoveries.fetch_add(1, Ordering::Relaxed),
        "/token" => shared.exchanges.fetch_add(1, Ordering::Relaxed),
        _ => 0,
    };
    let answer = shared.answer.lock().expect("the answer").clone();
    if let Some(answer) = answer {
        return answer.response().await;
    }
    let issuer = shared.issuer.lock().expect("the issuer").clone();
    let body = match path.as_str() {
        "/.well-known/openid-configuration" => json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/auth"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/me"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
        }),
        "/jwks" => json!({"keys": *shared.keys.lock().expect("the keys")}),
        "/token" => json!({
            "access_token": ACCESS_TOKEN,
            "token_type": "Bearer",
            "id_token": *shared.id_token.lock().expect("the token"),
        }),
        "/me" => shared.user_info.lock().expect("the claims").clone(),
        other => panic!("nobody asks for {other}"),
    };
    axum::Json(body).into_response()
}
