//! Malformed and hostile requests: each gets an error of its own, and none a 500.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::{
    channel::insert_channel,
    endpoints::{Endpoint, endpoints, valid_body},
    fixtures::fill_lists,
    response::Response,
    test_app::{TestApp, TestUser},
};

fn is_filtered(endpoint: &Endpoint) -> bool {
    // Those of the identity provider are redirects and have tests of their own.
    endpoint.method == Method::GET && !endpoint.query().is_empty() && !endpoint.path.starts_with("/auth/oidc/")
}

#[tokio::test]
async fn an_empty_query_value_counts_as_absent() {
    let app = TestApp::start().await;
    let admin = fill_lists(&app).await;
    let channel = insert_channel(&app).await;
    for endpoint in endpoints(&app).await.iter().filter(|endpoint| is_filtered(endpoint)) {
        let path = endpoint.existing_path("", "", channel);
        let plain = app.get(&admin, &path).await.expect(200);
        let without_value: Vec<_> = endpoint.query().iter().map(|name| format!("{name}=")).collect();
        let without_query = endpoint.query().join("&");
        for query in [without_value.join("&"), without_query, "&&".to_owned()] {
            let response = app.get(&admin, &format!("{path}?{query}")).await;
            assert_eq!(response.expect(200), plain, "{} {query}", endpoint.name());
        }
    }
}

#[tokio::test]
async fn an_absurd_query_is_read_or_refused() {
    let app = TestApp::start().await;
    let admin = fill_lists(&app).await;
    let channel = insert_channel(&app).await;
    let long = "9".repeat(3_000);
    let values = [
        "0",
        "-1",
        "1.5",
        "NaN",
        "null",
        "true",
        "99999999999999999999",
        "-9223372036854775809",
        "4294967297",
        "%00",
        "%FF",
        "%ED%A0%80",
        "%",
        "%2",
        "%E3%85%8B",
        "%27%20OR%201%3D1",
        "+",
        "%25%5F%5C",
        "2024-02-30",
        "0000-01-01",
        "10000-01-01",
        "-0001-01-01",
        "2024-1-1",
        &long,
    ];
    for endpoint in endpoints(&app).await.iter().filter(|endpoint| is_filtered(endpoint)) {
        let path = endpoint.existing_path("", "", channel);
        for name in endpoint.query() {
            for value in values {
                for query in [format!("{name}={value}"), format!("year=2024&month=1&{name}={value}")] {
                    let response = app.get(&admin, &format!("{path}?{query}")).await;
                    response.assert_status_in(&[200, 400], &format!("{} {query}", endpoint.name()));
                }
            }
        }
    }
}

#[tokio::test]
async fn a_path_that_names_nothing_is_not_found() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let snack = app.snack(&admin, "새우깡").await;
    let long = "9".repeat(3_000);
    let names = [
        "nonsense",
        "%FF",
        "%00",
        "%ED%A0%80",
        "%2e%2e%2f%2e%2e",
        "0",
        "-1",
        "99999999999999999999",
        "1e3",
        "%20",
        &long,
        "%27",
    ];
    for endpoint in endpoints(&app).await.iter().filter(|endpoint| endpoint.path.contains('{')) {
        for name in names {
            let request = app.request(endpoint.method.clone(), &endpoint.with(name)).bearer_auth(&admin.access);
            let request =
                if endpoint.takes_body() { request.json(&valid_body(&endpoint.name(), &snack)) } else { request };
            let response = app.send(request).await;
            assert_eq!(response.status, 404, "{} {name}", endpoint.name());
            response.expect_error(404, "not_found");
        }
    }
}

/// The path of a text in a body.
fn texts(body: &Value) -> Vec<String> {
    let under = |key: String, value: &Value| match value {
        Value::String(_) => vec![format!("/{key}")],
        other => texts(other).iter().map(|rest| format!("/{key}{rest}")).collect(),
    };
    match body {
        Value::Object(fields) => fields.iter().flat_map(|(key, value)| under(key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().flat_map(|(at, value)| under(at.to_string(), value)).collect(),
        _ => Vec::new(),
    }
}

async fn send_text(app: &TestApp, admin: &TestUser, endpoint: &Endpoint, body: String) -> Response {
    let request = app
        .request(endpoint.method.clone(), &endpoint.missing_path())
        .bearer_auth(&admin.access)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body);
    app.send(request).await
}

#[tokio::test]
async fn a_nul_or_half_a_character_in_a_text_is_refused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let snack = app.snack(&admin, "새우깡").await;
    let mut fields = 0;
    for endpoint in endpoints(&app).await.iter().filter(|endpoint| endpoint.takes_json()) {
        let valid = valid_body(&endpoint.name(), &snack);
        for field in texts(&valid) {
            fields += 1;
            let with = |text: &str| {
                let mut body = valid.clone();
                *body.pointer_mut(&field).expect("the field") = json!("TEXT");
                body.to_string().replace("TEXT", text)
            };
            let what = format!("{} {field}", endpoint.name());
            for lone in ["\\ud800", "\\udc00x", "a\\ud83d", "\\ud800\\ud800"] {
                let response = send_text(&app, &admin, endpoint, with(lone)).await;
                assert_eq!(response.status, 400, "{what}");
                response.expect_error(400, "invalid_request");
            }
            // A password may hold any character, a token with a NUL is unknown, and any forgotten email is taken.
            let response = send_text(&app, &admin, endpoint, with("12345678\\u0000@snack.example")).await;
            match (endpoint.name().as_str(), field.as_str()) {
                ("POST /auth/sign-up", "/password") => response.assert_status_in(&[201], &what),
                ("POST /auth/token", "/password") | ("POST /auth/token/refresh" | "POST /auth/oidc/token", _) => {
                    response.assert_status_in(&[401], &what);
                }
                ("POST /auth/logout" | "POST /auth/password/forgot", _)
                | ("PUT /auth/users/password", "/new_password") => {
                    response.assert_status_in(&[204], &what);
                }
                ("POST /auth/token", _) => response.assert_status_in(&[400, 401], &what),
                _ => response.assert_status_in(&[400], &what),
            }
        }
    }
    assert!(fields > 25, "{fields}");
}

#[tokio::test]
async fn absurd_numbers_in_a_body_are_refused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let snack = app.snack(&admin, "새우깡").await;
    let order = |quantity: &str| format!("{{\"snacks\": [{{\"uid\": \"{snack}\", \"quantity\": {quantity}}}]}}");
    let price = |price: &str| format!("{{\"name\": \"초코파이\", \"price\": {price}}}");
    let numbers = [
        "-1",
        "1.5",
        "1e400",
        "-1e400",
        "99999999999999999999999999999",
        "9223372036854775808",
        "-9223372036854775809",
        "1e18",
        "\"NaN\"",
        "\"Infinity\"",
        "\"1e5000\"",
        "\"-0.1\"",
    ];
    for number in numbers {
        for (path, body) in [("/orders", order(number)), ("/snacks", price(number))] {
            let request = app
                .request(Method::POST, path)
                .bearer_auth(&admin.access)
                .header(header::CONTENT_TYPE, "application/json")
                .body(body);
            app.send(request).await.assert_status_in(&[400], &format!("{path} {number}"));
        }
    }
}

#[tokio::test]
async fn a_body_nested_without_end_harms_nobody() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let snack = app.snack(&admin, "새우깡").await;
    let deep = format!("{}{}", "[".repeat(25_000), "]".repeat(25_000));
    for endpoint in endpoints(&app).await.iter().filter(|endpoint| endpoint.takes_json()) {
        let mut body = valid_body(&endpoint.name(), &snack);
        for field in texts(&body) {
            *body.pointer_mut(&field).expect("the field") = json!("");
        }
        let unknown = body.to_string().replacen('{', &format!("{{\"deep\": {deep}, "), 1);
        let response = send_text(&app, &admin, endpoint, unknown).await;
        response.assert_status_in(&[204, 400, 404], &endpoint.name());
        // A body without texts has another value that is replaced.
        let known = body.to_string().replacen("\"\"", &deep, 1).replace("true", &deep);
        let response = send_text(&app, &admin, endpoint, known).await;
        assert_eq!(response.status, 400, "{}", endpoint.name());
    }
    app.get(&admin, "/auth/users/profile").await.expect(200);
}

#[tokio::test]
async fn absurd_headers_are_read_or_refused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let snack = app.snack(&admin, "새우깡").await;
    let order = app.order(&admin, &[&snack]).await;
    let path = format!("/orders/{order}/status");
    let long = "x".repeat(10_000);
    let values: &[&[u8]] =
        &[b"", b"\"", b"W/", b"\xff\xfe", b"*/*;q=NaN", b";;,,;q=", "한글".as_bytes(), long.as_bytes()];
    for name in [header::IF_MATCH, header::ACCEPT, header::ACCEPT_LANGUAGE, header::ORIGIN, header::COOKIE] {
        for value in values {
            let value = header::HeaderValue::from_bytes(value).expect("a header value");
            let request = app
                .request(Method::PUT, &path)
                .bearer_auth(&admin.access)
                .header(&name, value.clone())
                .json(&json!({"status": "completed"}));
            // No `created` order can be completed.
            app.send(request).await.assert_status_in(&[400, 409, 412], &format!("{name} {value:?}"));
        }
    }
}
