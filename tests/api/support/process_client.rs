//! HTTP client of a server process.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

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

/// A sign-up whose body was sent in half.
pub struct HalfRequest {
    stream: TcpStream,
    rest: String,
}

impl HalfRequest {
    pub async fn send(server: &Server) -> Self {
        let body = json!({"email": "slow@snack.example", "password": PASSWORD, "name": "김간식"}).to_string();
        let (first, rest) = body.split_at(10);
        let head = format!(
            "POST /auth/sign-up HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(&server.address).await.expect("a connection");
        stream.write_all(head.as_bytes()).await.expect("a head");
        stream.write_all(first.as_bytes()).await.expect("half a body");
        Self { stream, rest: rest.to_owned() }
    }

    /// Sends the rest and checks the response.
    pub async fn complete(mut self) {
        self.stream.write_all(self.rest.as_bytes()).await.expect("the other half");
        let mut response = String::new();
        self.stream.read_to_string(&mut response).await.expect("a response");
        assert!(response.starts_with("HTTP/1.1 201"), "{response}");
    }
}
