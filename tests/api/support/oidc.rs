//! A real OpenID Connect provider (oidc-provider), as a process of its own, and a browser that goes there and back.

use std::process::Stdio;

use reqwest::{Client, Method, Url, header, redirect::Policy};
use secrecy::SecretString;
use serde_json::{Value, json};
use snack_server::config::{Config, OidcConfig};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::{Duration, timeout},
};

use super::{response::Response, test_app::TestApp};

const TIMEOUT: Duration = Duration::from_mins(1);
/// Public URL of the servers: behind a proxy, below a path.
pub const PUBLIC_URL: &str = "https://office.example/snack";
pub const CLIENT_ID: &str = "snack";
pub const CLIENT_SECRET: &str = "a client secret of the tests";

/// Sets the settings of a provider.
pub fn use_provider(config: &mut Config, issuer: &str) {
    config.public_url = PUBLIC_URL.parse().expect("a URL");
    config.oidc = Some(OidcConfig {
        issuer: issuer.to_owned(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: SecretString::from(CLIENT_SECRET),
        name: "회사 계정".to_owned(),
    });
}

/// HTTP client that follows no redirects.
pub fn client() -> Client {
    Client::builder().no_proxy().redirect(Policy::none()).timeout(TIMEOUT).build().expect("a client")
}

pub struct OidcProvider {
    pub issuer: String,
    process: Child,
}

impl OidcProvider {
    /// Starts tests/support/oidc/server.mjs with `options`.
    pub async fn start(options: &[&str]) -> Self {
        let mut process = Command::new("node")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/oidc/server.mjs"))
            .arg(format!("{PUBLIC_URL}/auth/oidc/callback"))
            .args(options)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Node with the packages of tests/support/oidc, which scripts/test installs");
        let mut lines = BufReader::new(process.stdout.take().expect("an output")).lines();
        let port = timeout(TIMEOUT, lines.next_line()).await.expect("a line in time").expect("an output");
        Self { issuer: format!("http://127.0.0.1:{}", port.expect("a port")), process }
    }

    /// Sets the claims of the account `id`.
    pub async fn set_account(&self, id: &str, claims: Value) {
        self.control(Method::PUT, &format!("accounts/{id}"), claims).await;
    }

    /// Sets an account with a verified email. Its id is the email.
    pub async fn add_account(&self, email: &str, name: &str) {
        self.set_account(email, json!({"email": email, "email_verified": true, "name": name})).await;
    }

    /// Replaces the signing keys.
    pub async fn rotate_keys(&self) {
        self.control(Method::POST, "rotate", Value::Null).await;
    }

    async fn control(&self, method: Method, path: &str, body: Value) {
        let request = client().request(method, format!("{}/control/{path}", self.issuer)).json(&body);
        request.send().await.expect("a response").error_for_status().expect("a success");
    }

    /// Stops the process. Nothing listens on its port then.
    pub async fn stop(&mut self) {
        self.process.kill().await.expect("the end of the process");
    }
}

struct Cookie {
    origin: String,
    path: String,
    name: String,
    value: String,
}

/// A browser with cookies. It reaches [`PUBLIC_URL`] through a proxy that removes the path.
#[derive(Default)]
pub struct Browser {
    cookies: Vec<Cookie>,
}

impl Browser {
    /// Value of the cookie of the sign-in under way.
    pub fn flow_cookie(&self) -> Option<&str> {
        self.cookies.iter().find(|cookie| cookie.name == "oidc_sign_in").map(|cookie| cookie.value.as_str())
    }

    /// Replaces the cookie of the sign-in under way.
    pub fn set_flow_cookie(&mut self, value: &str) {
        let url = Url::parse(PUBLIC_URL).expect("a URL");
        self.keep(&url, &format!("oidc_sign_in={value}; Path=/snack/auth/oidc"));
    }

    pub fn clear_cookies(&mut self) {
        self.cookies.clear();
    }

    fn keep(&mut self, url: &Url, set_cookie: &str) {
        let mut parts = set_cookie.split(';').map(str::trim);
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie");
        let attribute = |wanted: &str| {
            let mut attributes = parts.clone().filter_map(|attribute| attribute.split_once('='));
            attributes.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.to_owned())
        };
        let origin = url.origin().ascii_serialization();
        let path = attribute("path").expect("a path");
        self.cookies.retain(|cookie| (&cookie.origin, cookie.name.as_str()) != (&origin, name));
        let is_expired = attribute("max-age").is_some_and(|age| age == "0")
            || attribute("expires").is_some_and(|time| time.contains(" 1970 "));
        if !is_expired {
            self.cookies.push(Cookie { origin, path, name: name.to_owned(), value: value.to_owned() });
        }
    }

    fn cookie_header(&self, url: &Url) -> String {
        let origin = url.origin().ascii_serialization();
        let is_sent = |cookie: &&Cookie| cookie.origin == origin && url.path().starts_with(&cookie.path);
        let pairs = self.cookies.iter().filter(is_sent).map(|cookie| format!("{}={}", cookie.name, cookie.value));
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// Opens a page of the server.
    pub async fn open(&mut self, app: &TestApp, url: &Url) -> Response {
        let path = url.as_str().strip_prefix(PUBLIC_URL).expect("a page of the server");
        let request = app.request(Method::GET, path).header(header::COOKIE, self.cookie_header(url));
        let response = app.send(request.header(header::USER_AGENT, "a browser of the tests")).await;
        for cookie in response.headers.get_all(header::SET_COOKIE) {
            self.keep(url, cookie.to_str().expect("a cookie"));
        }
        response
    }

    /// Opens a page of the server that redirects.
    pub async fn follow(&mut self, app: &TestApp, url: &Url) -> Url {
        let response = self.open(app, url).await;
        assert_eq!(response.status, 303, "{}", response.text);
        response.header("location").parse().expect("a URL")
    }

    /// Starts a sign-in and returns the URL of the provider.
    pub async fn start(&mut self, app: &TestApp, query: &str) -> Url {
        self.follow(app, &format!("{PUBLIC_URL}/auth/oidc/login{query}").parse().expect("a URL")).await
    }

    /// Signs in to the provider as `account` and returns the URL of the callback.
    pub async fn authorize(&mut self, mut url: Url, account: &str) -> Url {
        url.query_pairs_mut().append_pair("login_hint", account);
        while !url.as_str().starts_with(PUBLIC_URL) {
            let request = client().get(url.clone()).header(header::COOKIE, self.cookie_header(&url));
            let response = request.send().await.expect("a response");
            for cookie in response.headers().get_all(header::SET_COOKIE) {
                self.keep(&url, cookie.to_str().expect("a cookie"));
            }
            let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
            let location = location.map(str::to_owned);
            let Some(location) = location else { panic!("{url}: {}", response.text().await.expect("a body")) };
            url = url.join(&location).expect("a URL");
        }
        url
    }

    /// Signs in through the provider and returns the page of the web app that it led to.
    pub async fn sign_in(&mut self, app: &TestApp, account: &str) -> Url {
        let url = self.start(app, "").await;
        let callback = self.authorize(url, account).await;
        self.follow(app, &callback).await
    }
}

/// Parameter of a URL.
pub fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(other, _)| other == name).map(|(_, value)| value.into_owned())
}

/// Code of a finished sign-in.
#[track_caller]
pub fn code(url: &Url) -> String {
    assert!(url.as_str().starts_with(&format!("{PUBLIC_URL}/app/?")), "{url}");
    parameter(url, "code").unwrap_or_else(|| panic!("no code: {url}"))
}

/// Expects the sign-in page with `error`.
#[track_caller]
pub fn expect_denied(url: &Url, error: &str) {
    assert_eq!(url.as_str(), format!("{PUBLIC_URL}/app/sign-in?error={error}"));
}

/// Exchanges a code for tokens.
pub async fn exchange(app: &TestApp, code: &str) -> Response {
    app.post_open("/auth/oidc/token", json!({"code": code})).await
}
