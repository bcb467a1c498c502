//! Headers of requests and responses: security, caching, Host and CORS.

use reqwest::{Method, header};
use serde_json::json;

use super::transport::get_open;
use crate::support::{
    channel::insert_channel,
    endpoints::{NO_UID, endpoints, send_bytes},
    response::Response,
    test_app::{PASSWORD, TestApp},
};

#[tokio::test]
async fn every_response_carries_the_headers_that_protect_browsers_and_a_request_id() {
    let app = TestApp::with(|config| {
        config.cors_allowed_origins = vec![header::HeaderValue::from_static("https://app.example")];
    })
    .await;
    let member = app.member().await;
    let table = [
        (Method::GET, "/health/live", 200),
        (Method::GET, "/docs", 200),
        (Method::GET, "/app/", 200),
        (Method::GET, "/", 303),
        (Method::GET, "/orders?limit=0", 400),
        (Method::GET, "/checks/is_admin", 403),
        (Method::GET, "/nothing", 404),
        (Method::GET, "/media/nothing.jpg", 404),
        (Method::POST, "/docs", 405),
        (Method::POST, "/orders", 415),
        (Method::DELETE, "/auth/users/resign", 204),
        (Method::GET, "/orders", 401),
        (Method::OPTIONS, "/orders", 200),
    ];
    for (method, path, status) in table {
        let mut request = app.request(method.clone(), path).bearer_auth(&member.access);
        if method == Method::OPTIONS {
            request = request
                .header(header::ORIGIN, "https://app.example")
                .header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET");
        }
        let response = app.send(request).await;
        assert_eq!(response.status, status, "{method} {path}");
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{method} {path}");
        assert_eq!(response.header("x-frame-options"), "DENY", "{method} {path}");
        assert_eq!(response.header("referrer-policy"), "no-referrer", "{method} {path}");
        assert!(!response.header("x-request-id").is_empty(), "{method} {path}");
    }
}

#[tokio::test]
async fn a_request_that_does_not_name_its_host_exactly_once_is_refused() {
    let app = TestApp::start().await;
    let table: [(&str, &str, bool); 23] = [
        ("GET /health/live HTTP/1.1", "Host: snack.example\r\n", true),
        ("GET /health/live HTTP/1.1", "host: snack.example:8000\r\n", true),
        ("GET /health/live HTTP/1.1", "Host: snack_server:\r\n", true),
        ("GET /health/live HTTP/1.1", "Host: 127.0.0.1:8000\r\n", true),
        ("GET /health/live HTTP/1.1", "Host: [::1]:8000\r\n", true),
        ("GET /health/live HTTP/1.0", "Host: snack.example\r\n", true),
        ("GET http://other.example/health/live HTTP/1.1", "Host: snack.example\r\n", true),
        ("GET /health/live HTTP/1.1", "", false),
        ("GET /health/live HTTP/1.0", "", false),
        ("GET http://snack.example/health/live HTTP/1.1", "", false),
        ("GET http://snack.example/health/live HTTP/1.0", "", false),
        ("GET /health/live HTTP/1.1", "Host:\r\n", false),
        ("GET /health/live HTTP/1.1", "Host:  \r\n", false),
        ("GET /health/live HTTP/1.1", "Host: :8000\r\n", false),
        ("GET /health/live HTTP/1.1", "Host: snack.example\r\nHost: snack.example\r\n", false),
        ("GET /health/live HTTP/1.1", "Host: snack.example\r\nHost: other.example\r\n", false),
        ("GET /health/live HTTP/1.1", "Host: snack.example, other.example\r\n", false),
        ("GET /health/live HTTP/1.1", "Host: kim@snack.example\r\n", false),
        ("GET /health/live HTTP/1.1", "Host: snack.example:port\r\n", false),
        ("GET /health/live HTTP/1.1", "Host: snack.example/orders\r\n", false),
        ("GET /health/live HTTP/1.1", "Host: \u{d55c}\u{ad6d}.kr\r\n", false),
        ("GET /nothing HTTP/1.1", "", false),
        ("BREW /orders HTTP/1.1", "", false),
    ];
    for (line, hosts, is_taken) in table {
        let request = format!("{line}\r\n{hosts}Connection: close\r\n\r\n");
        let response = send_bytes(&app, request.into_bytes()).await;
        let status = response.split(' ').nth(1).unwrap_or_default();
        assert_eq!(status, if is_taken { "200" } else { "400" }, "{line} {hosts:?}: {response}");
        if !is_taken {
            assert!(response.contains("application/problem+json"), "{line} {hosts:?}: {response}");
            assert!(response.contains("\"code\":\"invalid_request\""), "{line} {hosts:?}: {response}");
        }
    }
    // A change that is requested without a Host is not made.
    let body = json!({"email": "no-host@snack.example", "password": PASSWORD, "name": "김간식"}).to_string();
    let head = "POST /auth/sign-up HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let response = send_bytes(&app, request.into_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
    let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(app.db()).await.expect("a count");
    assert_eq!(users, 0);
}

#[tokio::test]
async fn no_response_is_cached_but_public_files() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let is_private = |response: &Response| assert_eq!(response.header("cache-control"), "no-store", "{response:?}");
    // Successful responses with tokens or personal data.
    let credentials = json!({"username": admin.email, "password": PASSWORD});
    let sign_in = app.post_open("/auth/token", credentials.clone()).await;
    is_private(&sign_in);
    let refresh = sign_in.expect(200)["refresh"].clone();
    let refreshed = app.post_open("/auth/token/refresh", json!({"refresh": refresh})).await;
    is_private(&refreshed);
    refreshed.expect(200);
    let new = json!({"email": "new@snack.example", "password": PASSWORD, "name": "김간식"});
    let signed_up = app.post_open("/auth/sign-up", new).await;
    is_private(&signed_up);
    signed_up.expect(201);
    let snack = app.snack(&admin, "새우깡").await;
    let order = app.order(&admin, &[&snack]).await;
    let channel = insert_channel(&app).await;
    for endpoint in
        endpoints(&app).await.iter().filter(|endpoint| endpoint.method == Method::GET && endpoint.needs_token())
    {
        let path = endpoint.existing_path(&snack, &order, channel);
        let response = app.get(&admin, &path).await;
        is_private(&response);
        response.expect(200);
    }
    let csv = app.request(Method::GET, "/statistics/orders").bearer_auth(&admin.access).header("Accept", "text/csv");
    is_private(&app.send(csv).await);
    // The error response of every endpoint.
    for endpoint in endpoints(&app).await {
        is_private(&app.send(app.request(endpoint.method.clone(), &endpoint.missing_path()).body("{")).await);
    }
    is_private(&get_open(&app, "/nothing").await);
    // Public files set their own cache policy.
    for path in ["/docs", "/docs/swagger-ui.css", "/openapi.json"] {
        assert_eq!(get_open(&app, path).await.header("cache-control"), "no-cache", "{path}");
    }
}

#[tokio::test]
async fn a_server_that_is_reached_by_https_says_so_in_every_response() {
    let paths = ["/health/live", "/docs", "/openapi.json", "/app/", "/", "/orders", "/nothing", "/media/nothing.jpg"];
    let table = [
        ("https://office.example/snack", "max-age=31536000"),
        ("http://office.example", ""),
        ("http://localhost:8000", ""),
    ];
    for (public_url, expected) in table {
        let app = TestApp::with(|config| config.public_url = public_url.parse().expect("a URL")).await;
        for path in paths {
            let response = get_open(&app, path).await;
            assert_eq!(response.header("strict-transport-security"), expected, "{public_url} {path}");
        }
        let response = send_bytes(&app, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec()).await;
        assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
        assert_eq!(
            response.contains("strict-transport-security: max-age=31536000\r\n"),
            !expected.is_empty(),
            "{response}"
        );
    }
}

/// The response to a preflight of `PUT` with a token.
async fn preflight(app: &TestApp, origin: &str) -> Response {
    let request = app
        .request(Method::OPTIONS, &format!("/orders/{NO_UID}/status"))
        .header(header::ORIGIN, origin)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "PUT")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization, content-type, if-match");
    app.send(request).await
}

#[tokio::test]
async fn only_origins_of_the_list_may_read_responses() {
    let allowed = ["https://app.example", "http://localhost:5173"];
    let app = TestApp::with(|config| {
        config.cors_allowed_origins = allowed.map(header::HeaderValue::from_static).to_vec();
    })
    .await;
    for origin in allowed {
        let response = preflight(&app, origin).await;
        assert_eq!(response.header("access-control-allow-origin"), origin);
        assert!(response.header("access-control-allow-methods").contains("PUT"));
        for name in ["authorization", "content-type", "if-match", "idempotency-key"] {
            assert!(response.header("access-control-allow-headers").contains(name), "{name}");
        }
        // Errors too, because a browser that may not read them reports a network error only.
        for path in ["/health/live", "/orders", "/nothing"] {
            let response = app.send(app.request(Method::GET, path).header(header::ORIGIN, origin)).await;
            assert_eq!(response.header("access-control-allow-origin"), origin, "{path}");
            for name in ["etag", "location", "x-request-id", "retry-after"] {
                assert!(response.header("access-control-expose-headers").contains(name), "{name}");
            }
        }
    }
    for origin in ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null"] {
        let response = preflight(&app, origin).await;
        assert_eq!(response.header("access-control-allow-origin"), "", "{origin}");
        let request = app.request(Method::GET, "/health/live").header(header::ORIGIN, origin);
        let response = app.send(request).await;
        assert_eq!(response.header("access-control-allow-origin"), "", "{origin}");
    }
}

#[tokio::test]
async fn without_a_list_no_other_origin_may_read_anything() {
    let app = TestApp::start().await;
    let response = preflight(&app, "https://app.example").await;
    assert_eq!(response.header("access-control-allow-origin"), "");
    response.expect_error(405, "method_not_allowed");
}
