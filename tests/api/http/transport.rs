//! Common to all endpoints: problem documents, languages, request ids, slashes and bodies.

use futures_util::future::join_all;
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::{
    channel::insert_channel,
    endpoints::{Endpoint, endpoints, send_bytes, valid_body},
    response::Response,
    test_app::{PASSWORD, TestApp},
};

/// Limit of a JSON body, in bytes.
const LIMIT: usize = 64 * 1024;

pub async fn get_open(app: &TestApp, path: &str) -> Response {
    app.send(app.request(Method::GET, path)).await
}

#[tokio::test]
async fn every_error_is_a_problem_with_its_code() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (get, post) = (Method::GET, Method::POST);
    let table = [
        (&get, "/nothing", 404, "Not Found", "not_found"),
        (&post, "/nothing/at/all/", 404, "Not Found", "not_found"),
        (&get, "/media/nothing.jpg", 404, "Not Found", "not_found"),
        (&get, "/media/", 404, "Not Found", "not_found"),
        (&get, "/docs/nothing.js", 404, "Not Found", "not_found"),
        (&get, "/auth/token", 405, "Method Not Allowed", "method_not_allowed"),
        (&post, "/openapi.json", 405, "Method Not Allowed", "method_not_allowed"),
        (&post, "/app/orders", 405, "Method Not Allowed", "method_not_allowed"),
        (&get, "/orders?limit=0", 400, "Bad Request", "invalid_request"),
        (&post, "/auth/token", 415, "Unsupported Media Type", "unsupported_media_type"),
    ];
    for (method, path, status, title, code) in table {
        let response = app.send(app.request(method.clone(), path).bearer_auth(&admin.access)).await;
        let problem = response.expect_error(status, code);
        let expected = json!({"type": "about:blank", "title": title, "status": status, "code": code,
            "detail": problem["detail"], "errors": []});
        assert_eq!(problem.0, expected, "{path}");
    }
}

#[tokio::test]
async fn an_invalid_field_is_reported_with_name_code_and_message() {
    let app = TestApp::start().await;
    let body = json!({"email": "nobody", "password": PASSWORD, "name": "김간식"});
    let problem = app.post_open("/auth/sign-up", body).await.expect_error(400, "validation_failed");
    let expected = json!([{"field": "email", "code": "invalid_email", "message": "올바른 이메일이 아닙니다."}]);
    assert_eq!(problem["errors"], expected);
}

#[tokio::test]
async fn messages_are_korean_unless_english_is_preferred() {
    let app = TestApp::start().await;
    let get_in = async |language: Option<&str>| {
        let request = app.request(Method::POST, "/auth/sign-up").json(&json!({}));
        let request = match language {
            Some(language) => request.header(header::ACCEPT_LANGUAGE, language),
            None => request,
        };
        app.send(request).await.expect_error(400, "validation_failed")
    };
    let korean = get_in(None).await;
    assert_eq!(korean["detail"], "입력한 값을 확인해 주세요.");
    assert_eq!(korean["errors"][0]["message"], "필수 항목입니다.");
    for language in [
        "ko",
        "ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7",
        "fr, de;q=0.5",
        "*",
        "en;q=0.3, ko;q=0.4",
        "ko, en",
        "nonsense;;q=",
        "한국어",
    ] {
        assert_eq!(get_in(Some(language)).await, korean, "{language}");
    }
    let english = get_in(Some("en")).await;
    assert!(english.0.to_string().is_ascii(), "{english:?}");
    assert_eq!(english["code"], korean["code"]);
    for language in ["en-US,en;q=0.9,ko;q=0.8", "EN-gb", "fr, en;q=0.5", "ko;q=0.1, en;q=0.2"] {
        assert_eq!(get_in(Some(language)).await, english, "{language}");
    }
    // Errors of the framework are translated as well.
    let unknown = app.request(Method::GET, "/nothing").header(header::ACCEPT_LANGUAGE, "en");
    assert!(app.send(unknown).await.expect_error(404, "not_found")["detail"].as_str().expect("a text").is_ascii());
}

#[tokio::test]
async fn a_request_id_is_kept_when_it_is_sane_and_made_when_it_is_not() {
    let app = TestApp::start().await;
    let get_in = async |path: &str, id: &[u8]| {
        let id = header::HeaderValue::from_bytes(id).expect("a header value");
        let response = app.send(app.request(Method::GET, path).header("X-Request-Id", id)).await;
        response.header("x-request-id").to_owned()
    };
    let longest = "x".repeat(128);
    for path in ["/health/live", "/nothing", "/orders", "/media/nothing.jpg"] {
        for id in ["7", "a-b_c.d/e~!", &longest] {
            assert_eq!(get_in(path, id.as_bytes()).await, id, "{path}");
        }
        let too_long = "x".repeat(129);
        for id in ["", "two words", "tab\there", "한글", &too_long] {
            let made = get_in(path, id.as_bytes()).await;
            assert!(made != id && made.parse::<uuid::Uuid>().is_ok(), "{path} {id:?}: {made:?}");
        }
    }
    assert_ne!(get_in("/health/live", b"").await, get_in("/health/live", b"").await);
}

#[tokio::test]
async fn every_path_works_with_and_without_a_slash_at_its_end() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let snack = app.snack(&admin, "새우깡").await;
    let order = app.order(&admin, &[&snack]).await;
    let channel = insert_channel(&app).await;
    for endpoint in endpoints(&app).await {
        if endpoint.path.starts_with("/media/") {
            continue;
        }
        let reads = endpoint.method == Method::GET;
        let path = endpoint.existing_path(&snack, &order, channel);
        // Changes are requested without a token or a body: the error shows that the endpoint was found.
        let get_in = async |path: String| {
            let request = app.request(endpoint.method.clone(), &path);
            let request = if reads { request.bearer_auth(&admin.access) } else { request };
            app.send(request).await
        };
        let (plain, slashed) = (get_in(path.clone()).await, get_in(format!("{path}/")).await);
        assert_eq!(plain.status, slashed.status, "{}", endpoint.name());
        if reads {
            // There is no identity provider.
            let expected = if endpoint.path.starts_with("/auth/oidc/") { 404 } else { 200 };
            assert_eq!(plain.status, expected, "{}", endpoint.name());
        } else {
            assert!([401, 415].contains(&plain.status.as_u16()), "{}", endpoint.name());
        }
        if endpoint.path != "/metrics" {
            assert_eq!(plain.body, slashed.body, "{}", endpoint.name());
        }
    }
    for path in ["/docs", "/openapi.json", "/app", "/app/orders"] {
        let (plain, slashed) = (get_open(&app, path).await, get_open(&app, &format!("{path}/")).await);
        assert_eq!((plain.status.as_u16(), plain.text), (200, slashed.text), "{path}");
    }
    // The query is kept.
    let found = app.get(&admin, "/snacks/?search=nothing").await.expect(200);
    assert!(found.rows().is_empty());
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_refused_with_those_it_has() {
    let app = TestApp::start().await;
    let endpoints = endpoints(&app).await;
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"];
    for endpoint in &endpoints {
        let mut has: Vec<_> = endpoints
            .iter()
            .filter(|other| other.path == endpoint.path)
            .map(|other| other.method.to_string())
            .collect();
        if has.contains(&"GET".to_owned()) {
            has.push("HEAD".to_owned());
        }
        has.sort();
        for method in methods.into_iter().filter(|method| !has.contains(&(*method).to_owned())) {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let response = app.send(app.request(method.clone(), &endpoint.missing_path())).await;
            let mut allowed: Vec<_> = response.header("allow").split(',').map(|name| name.trim().to_owned()).collect();
            allowed.sort();
            assert_eq!(allowed, has, "{method} {}", endpoint.path);
            response.expect_error(405, "method_not_allowed");
        }
    }
}

#[tokio::test]
async fn head_responds_like_get_without_the_body() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for (path, status) in
        [("/health/live", 200), ("/snacks", 200), ("/openapi.json", 200), ("/nothing", 404), ("/checks/is_admin", 403)]
    {
        let response = app.send(app.request(Method::HEAD, path).bearer_auth(&member.access)).await;
        assert_eq!((response.status.as_u16(), response.text.as_str()), (status, ""), "{path}");
        assert!(!response.header("x-request-id").is_empty());
    }
}

/// Every endpoint that takes JSON, with the path of a missing resource: the body is checked first.
async fn endpoints_with_a_body(app: &TestApp) -> Vec<Endpoint> {
    let endpoints: Vec<_> = endpoints(app).await.into_iter().filter(Endpoint::takes_json).collect();
    assert!(endpoints.len() >= 15, "{}", endpoints.len());
    endpoints
}

#[tokio::test]
async fn a_body_that_is_no_json_object_cannot_be_read() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let bodies: &[&[u8]] = &[
        b"",
        b"{",
        b"{} {}",
        b"null",
        b"[]",
        b"7",
        b"\"text\"",
        b"[\"kim@snack.example\", \"korea-snack-9\", \"x\"]",
        b"{\"name\": \"\xff\xfe\"}",
        b"\xef\xbb\xbf{}",
        b"{'name': 'x'}",
    ];
    for endpoint in endpoints_with_a_body(&app).await {
        for body in bodies {
            let request = app
                .request(endpoint.method.clone(), &endpoint.missing_path())
                .bearer_auth(&admin.access)
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_vec());
            app.send(request).await.expect_error(400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn a_body_of_another_type_is_refused_and_parameters_of_the_type_do_not_matter() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for endpoint in endpoints_with_a_body(&app).await {
        let request =
            || app.request(endpoint.method.clone(), &endpoint.missing_path()).bearer_auth(&admin.access).body("{");
        app.send(request()).await.expect_error(415, "unsupported_media_type");
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "text/json", "json", ""] {
            app.send(request().header(header::CONTENT_TYPE, kind)).await.expect_error(415, "unsupported_media_type");
        }
        for kind in ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"] {
            app.send(request().header(header::CONTENT_TYPE, kind)).await.expect_error(400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn a_json_body_over_64_kibibytes_is_too_large_whether_its_length_is_declared_or_not() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let too_much = vec![b' '; LIMIT + 1];
    for endpoint in endpoints_with_a_body(&app).await {
        let head = format!(
            "{} {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n",
            endpoint.method,
            endpoint.missing_path(),
            admin.access
        );
        let declared = [format!("{head}Content-Length: {}\r\n\r\n", too_much.len()).as_bytes(), &too_much].concat();
        let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
        for chunk in too_much.chunks(8 * 1024) {
            chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            chunked.extend_from_slice(chunk);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        for request in [declared, chunked] {
            let response = send_bytes(&app, request).await;
            assert!(response.starts_with("HTTP/1.1 413"), "{}: {response}", endpoint.name());
            assert!(response.contains("\"payload_too_large\""), "{}: {response}", endpoint.name());
        }
    }
}

#[tokio::test]
async fn a_json_body_of_exactly_64_kibibytes_is_taken() {
    let app = TestApp::start().await;
    let mut body = valid_body("POST /auth/sign-up", "").to_string();
    body.push_str(&" ".repeat(LIMIT - body.len()));
    let request =
        app.request(Method::POST, "/auth/sign-up").header(header::CONTENT_TYPE, "application/json").body(body);
    app.send(request).await.expect(201);
}

#[tokio::test]
async fn requests_of_many_clients_at_once_keep_their_own_ids_and_languages() {
    let app = TestApp::start().await;
    let requests = (0..60).map(|number| {
        let language = if number % 2 == 0 { "ko" } else { "en" };
        let request = app
            .request(Method::GET, "/orders")
            .header("X-Request-Id", number.to_string())
            .header(header::ACCEPT_LANGUAGE, language);
        async { app.send(request).await }
    });
    for (number, response) in join_all(requests).await.into_iter().enumerate() {
        assert_eq!(response.header("x-request-id"), number.to_string());
        let detail = response.expect_error(401, "not_authenticated")["detail"].clone();
        assert_eq!(detail, Value::from(if number % 2 == 0 { "로그인이 필요합니다." } else { "Sign in first." }));
    }
}
