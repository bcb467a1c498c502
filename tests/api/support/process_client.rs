//! HTTP client of a server process.

use std::time::Duration;

use serde_json::{Value, json};

use super::{process::Server, test_app::PASSWORD};

/// Request id of every request.
pub const REQUEST_ID: &str = "follow-me-7";

pub struct ProcessClient {
    pub http: reqwest::Client,
    address: String,
}

impl ProcessClient {
    pub fn new(server: &Server) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(2)).build().expect("a client");
        Self { http, address: server.address.clone() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn get(&self, token: &str, path: &str) -> (u16, Value) {
        send(self.http.get(self.url(path)).bearer_auth(token)).await
    }

    pub async fn post(&self, token: &str, path: &str, body: Value) -> (u16, Value) {
        send(self.http.post(self.url(path)).bearer_auth(token).json(&body)).await
    }

    /// Signs up a user and signs them in. Returns their access and refresh tokens.
    pub async fn member(&self, email: &str) -> (String, String) {
        let body = json!({"email": email, "password": PASSWORD, "name": "김간식"});
        assert_eq!(self.post("", "/auth/sign-up", body).await.0, 201);
        let body = json!({"username": email, "password": PASSWORD});
        let (status, tokens) = self.post("", "/auth/token", body).await;
        assert_eq!(status, 200);
        let token = |name: &str| tokens[name].as_str().expect("a token").to_owned();
        (token("access"), token("refresh"))
    }
}

pub async fn send(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.header("X-Request-Id", REQUEST_ID).send().await.expect("a response");
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}
