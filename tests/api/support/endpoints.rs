//! Every endpoint of the OpenAPI document, for tests that check one rule on all of them, and raw requests that client
//! libraries cannot send.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::test_app::TestApp;

/// A uid and an id that do not exist.
pub const NO_UID: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const NO_ID: &str = "987654321";

/// One endpoint of the OpenAPI document.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub method: Method,
    /// With parameters in braces.
    pub path: String,
    pub operation: Value,
}

/// Users that an endpoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// With or without a token.
    Public,
    /// Everybody who has signed in. The endpoint changes nothing that belongs to other users.
    SignedIn,
    /// Everybody who has signed in, for what is their own. The request cannot name anything else.
    OwnAccount,
    /// The owner of the resource, and admins.
    OwnersAndAdmins,
    Admins,
}

/// Every endpoint of the OpenAPI document.
pub async fn endpoints(app: &TestApp) -> Vec<Endpoint> {
    let document = app.send(app.request(Method::GET, "/openapi.json")).await.expect(200);
    let mut endpoints = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            endpoints.push(Endpoint {
                method: method.to_uppercase().parse().expect("a method"),
                path: path.clone(),
                operation: operation.clone(),
            });
        }
    }
    assert!(endpoints.len() > 30, "{}", endpoints.len());
    endpoints
}

impl Endpoint {
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub fn needs_token(&self) -> bool {
        self.operation["security"] != json!([])
    }

    /// The users that the API contract has it for. An endpoint that is missing here fails the tests that check all of
    /// them.
    pub fn access(&self) -> Access {
        match self.name().as_str() {
            "GET /auth/oidc/callback"
            | "GET /auth/oidc/login"
            | "GET /health/live"
            | "GET /health/ready"
            | "GET /media/{path}"
            | "GET /metrics"
            | "GET /auth/sign-up"
            | "POST /auth/logout"
            | "POST /auth/oidc/token"
            | "POST /auth/password/forgot"
            | "POST /auth/password/reset"
            | "POST /auth/sign-up"
            | "POST /auth/token"
            | "POST /auth/token/refresh" => Access::Public,
            "DELETE /orders/{uid}/follow"
            | "GET /budgets"
            | "GET /checks/is_authenticated"
            | "GET /events"
            | "GET /order/{uid}"
            | "GET /orders"
            | "GET /orders/{uid}"
            | "GET /orders/{uid}/history"
            | "GET /orders/{uid}/snacks"
            | "GET /snacks"
            | "GET /snacks/{uid}"
            | "GET /statistics/orders"
            | "GET /statistics/snacks"
            | "GET /statistics/summary"
            | "POST /order"
            | "POST /orders"
            | "POST /snacks"
            | "PUT /orders/{uid}/follow" => Access::SignedIn,
            "DELETE /auth/users/resign"
            | "DELETE /snacks/{uid}/reaction"
            | "DELETE /auth/sessions/{id}"
            | "GET /auth/sessions"
            | "GET /auth/users/profile"
            | "GET /notifications"
            | "GET /notifications/preferences"
            | "GET /notifications/unread-count"
            | "PATCH /auth/users/profile"
            | "POST /snacks/{uid}/reaction"
            | "PUT /auth/users/password"
            | "PUT /notifications/preferences"
            | "PUT /notifications/read" => Access::OwnAccount,
            "PATCH /snacks/{uid}" | "PUT /orders/{uid}" => Access::OwnersAndAdmins,
            "GET /audit"
            | "GET /auth/invitations"
            | "GET /auth/users"
            | "DELETE /auth/invitations/{id}"
            | "DELETE /auth/users/{id}"
            | "DELETE /channels/{id}"
            | "GET /channels"
            | "GET /channels/{id}/deliveries"
            | "GET /checks/is_admin"
            | "GET /orders/buying-list"
            | "PATCH /auth/users/{id}"
            | "PATCH /channels/{id}"
            | "POST /auth/invitations"
            | "POST /auth/users/{id}/password-reset"
            | "POST /auth/users/{id}/restore"
            | "POST /channels"
            | "POST /channels/{id}/deliveries/{delivery}/retry"
            | "POST /channels/{id}/test"
            | "PATCH /orders/{uid}/status"
            | "PUT /auth/users/{id}"
            | "PUT /budgets/{month}"
            | "PUT /order/{uid}"
            | "PUT /orders/{uid}/arrival"
            | "PUT /orders/{uid}/status"
            | "POST /snacks/import"
            | "PUT /snacks/{uid}/status" => Access::Admins,
            other => panic!("the users of {other} are not known"),
        }
    }

    pub fn takes_body(&self) -> bool {
        !self.operation["requestBody"].is_null()
    }

    /// False for a form with a file.
    pub fn takes_json(&self) -> bool {
        self.operation["requestBody"]["content"]["application/json"].is_object()
    }

    /// The path with `value` in place of each parameter.
    pub fn with(&self, value: &str) -> String {
        let part = |part: &str| if part.starts_with('{') { value.to_owned() } else { part.to_owned() };
        self.path.split('/').map(part).collect::<Vec<_>>().join("/")
    }

    /// The path of one of these resources, or of a user that does not exist.
    pub fn existing_path(&self, snack: &str, order: &str, channel: i64) -> String {
        match self.path.split('/').nth(1) {
            Some("snacks") => self.with(snack),
            Some("order" | "orders") => self.with(order),
            Some("channels") => self.with(&channel.to_string()),
            _ => self.missing_path(),
        }
    }

    /// The path of a resource that does not exist.
    pub fn missing_path(&self) -> String {
        self.with(if self.path.contains("{id}") { NO_ID } else { NO_UID })
    }

    /// Names of the query parameters.
    pub fn query(&self) -> Vec<&str> {
        let parameters = self.operation["parameters"].as_array().into_iter().flatten();
        parameters
            .filter(|parameter| parameter["in"] == "query")
            .filter_map(|parameter| parameter["name"].as_str())
            .collect()
    }
}

/// A valid body for the endpoint, with `snack` where it orders one.
pub fn valid_body(name: &str, snack: &str) -> Value {
    match name {
        "POST /auth/sign-up" => json!({"email": "new@snack.example", "password": "korea-snack-9", "name": "김간식"}),
        "POST /auth/token" => json!({"username": "sound@snack.example", "password": "korea-snack-9"}),
        "POST /auth/token/refresh" | "POST /auth/logout" => json!({"refresh": "a token"}),
        "POST /auth/oidc/token" => json!({"code": "a code"}),
        "POST /auth/password/forgot" => json!({"email": "sound@snack.example"}),
        "POST /auth/password/reset" => json!({"token": "a token", "new_password": "korea-snack-10"}),
        "POST /auth/invitations" => json!({"email": "invited@snack.example", "member_type": "member"}),
        "PATCH /auth/users/profile" => json!({"name": "이과자"}),
        "PUT /auth/users/password" => json!({"current_password": "korea-snack-9", "new_password": "korea-snack-10"}),
        "PUT /auth/users/{id}" | "PATCH /auth/users/{id}" => json!({"member_type": "member"}),
        "POST /snacks" => {
            json!({"name": "초코파이", "url": "https://orion.example", "desc": "정", "currency": "KRW", "price": "500"})
        }
        "PATCH /snacks/{uid}" => {
            json!({"name": "몽쉘", "url": "https://lotte.example", "desc": "크림", "currency": "KRW", "price": "600"})
        }
        "PUT /snacks/{uid}/status" => json!({"status": "unavailable"}),
        "POST /snacks/{uid}/reaction" => json!({"type": "like"}),
        "POST /orders" | "POST /order" | "PUT /orders/{uid}" => json!({"snacks": [{"uid": snack, "quantity": 1}]}),
        "PUT /orders/{uid}/status" | "PATCH /orders/{uid}/status" | "PUT /order/{uid}" => {
            json!({"status": "approved", "estimated_arrival_time": "2030-01-09T03:00:00Z"})
        }
        "PUT /orders/{uid}/arrival" => json!({"estimated_arrival_time": "2030-01-09T03:00:00Z"}),
        "PUT /budgets/{month}" => json!({"currency": "KRW", "amount": "500000"}),
        "PUT /notifications/preferences" => json!({"email": "all"}),
        "PUT /notifications/read" => json!({"all": true}),
        "POST /channels" => {
            json!({"kind": "webhook", "name": "회계", "url": "https://office.example/hook", "events": ["order.created"], "enabled": false})
        }
        "PATCH /channels/{id}" => json!({"name": "#간식"}),
        other => panic!("no valid body is known for {other}"),
    }
}

/// Sends `request` as it is and returns the response as text. The server may respond before it has read everything.
pub async fn send_bytes(app: &TestApp, request: Vec<u8>) -> String {
    let address = app.url.strip_prefix("http://").expect("an address");
    let (mut reader, mut writer) = TcpStream::connect(address).await.expect("a connection").into_split();
    let writing = tokio::spawn(async move {
        let _ = writer.write_all(&request).await;
        writer
    });
    let mut response = Vec::new();
    // What arrived before a reset of the connection is the response.
    let _ = reader.read_to_end(&mut response).await;
    writing.abort();
    String::from_utf8_lossy(&response).into_owned()
}
