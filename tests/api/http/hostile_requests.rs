//! Malformed and hostile requests: each gets an error of its own, and none a 500.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::{
    endpoints::{Endpoint, endpoints, valid_body},
    response::Response,
    test_app::{TestApp, TestUser},
};

/// The lists and their orderings.
const LISTS: &[(&str, &[&str])] = &[
    ("/auth/users", &["date_joined", "name", "email"]),
    ("/snacks", &["like_ratio", "like_reaction_count", "hate_reaction_count", "name", "price", "created_at"]),
    ("/orders", &["created_at", "status", "estimated_arrival_time"]),
    ("/statistics/orders", &["created_at", "status", "estimated_arrival_time"]),
    ("/statistics/snacks", &["quantity", "order_count", "name"]),
];

/// Every ordering of every list, and its reverse.
fn orderings() -> impl Iterator<Item = (&'static str, String)> {
    LISTS.iter().flat_map(|(list, names)| {
        let both = names.iter().flat_map(|name| [(*name).to_owned(), format!("-{name}")]);
        both.map(|ordering| (*list, ordering))
    })
}

/// Enough rows for a second page of every list. Returns the admin, who sees them all.
async fn fill(app: &TestApp) -> TestUser {
    let admin = app.admin().await;
    app.member().await;
    for name in ["새우깡", "초코파이", "양파링"] {
        let snack = app.snack(&admin, name).await;
        let order = app.order(&admin, &[&snack]).await;
        app.set_status(&admin, &order, "approved").await.expect(200);
        if name != "양파링" {
            app.set_status(&admin, &order, "ordered").await.expect(200);
        }
    }
    admin
}

async fn cursor_of(app: &TestApp, admin: &TestUser, list: &str, ordering: &str) -> String {
    let page = app.get(admin, &format!("{list}?limit=1&ordering={ordering}")).await.expect(200);
    page["next_cursor"].as_str().expect("a second page").to_owned()
}

/// The response, whose status is one of `statuses` and no 5xx.
#[track_caller]
fn assert_status(statuses: &[u16], response: &Response, what: &str) {
    assert!(statuses.contains(&response.status.as_u16()), "{what}: {} {}", response.status, response.text);
}

#[tokio::test]
async fn a_limit_is_a_number_from_1_to_100() {
    let app = TestApp::start().await;
    let admin = fill(&app).await;
    for (list, _) in LISTS {
        for limit in ["0", "101", "x", "-1", "1.5", "65537", "99999999999999999999", "%00", "%FF", "1&limit=2"] {
            app.get(&admin, &format!("{list}?limit={limit}")).await.expect_error(400, "invalid_request");
        }
        for (limit, rows) in [("1", 1), ("2", 2), ("100", 3), ("", 3)] {
            let page = app.get(&admin, &format!("{list}?limit={limit}")).await.expect(200);
            assert!(page.rows().len() == rows || (rows == 3 && *list == "/auth/users"), "{list} {limit}");
        }
    }
}

#[tokio::test]
async fn twenty_rows_come_when_no_limit_is_given() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for number in 0..21 {
        app.snack(&member, &format!("snack {number}")).await;
    }
    let page = app.get(&member, "/snacks").await.expect(200);
    assert_eq!(page.rows().len(), 20);
    let cursor = page["next_cursor"].as_str().expect("a second page");
    let rest = app.get(&member, &format!("/snacks?cursor={cursor}")).await.expect(200);
    assert_eq!((rest.rows().len(), &rest["next_cursor"]), (1, &Value::Null));
}

#[tokio::test]
async fn a_cursor_that_was_never_handed_out_is_refused() {
    let app = TestApp::start().await;
    let admin = fill(&app).await;
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for (list, _) in LISTS {
        for cursor in [
            "x".to_owned(),
            "%FF".to_owned(),
            "%00".to_owned(),
            "e30".to_owned(),
            "====".to_owned(),
            "a".repeat(5_000),
            encode(json!([])),
            encode(json!(null)),
            encode(json!({"o": "", "k": []})),
            encode(json!({"o": "created_at", "k": "x"})),
        ] {
            app.get(&admin, &format!("{list}?cursor={cursor}")).await.expect_error(400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn a_cursor_goes_on_under_its_own_list_and_ordering_only() {
    let app = TestApp::start().await;
    let admin = fill(&app).await;
    for (made_for, made_under) in orderings() {
        let cursor = cursor_of(&app, &admin, made_for, &made_under).await;
        for (list, ordering) in orderings() {
            let path = format!("{list}?ordering={ordering}&cursor={cursor}");
            let response = app.get(&admin, &path).await;
            // Statistics show the same list of orders.
            let same = made_for == list || (made_for.ends_with("/orders") && list.ends_with("/orders"));
            if same && made_under == ordering {
                response.expect(200);
            } else {
                assert_eq!(response.status, 400, "{made_for} {made_under} -> {list} {ordering}");
                response.expect_error(400, "invalid_request");
            }
        }
    }
}

#[tokio::test]
async fn a_cursor_with_forged_keys_is_read_or_refused() {
    let app = TestApp::start().await;
    let admin = fill(&app).await;
    let values = [
        "",
        "x",
        "\0",
        "'",
        "-1",
        "1e400",
        "NaN",
        "infinity",
        "-infinity",
        "now",
        "99999999999999999999999999",
        "0x10",
        "null",
        "2024-01-01 00:00:00 Mars/Olympus",
        "2024-01-01 00:00:00+99",
        "294277-01-01",
        "4714-01-01 BC",
        "2024-13-45",
        "{}",
    ];
    for (list, ordering) in orderings() {
        let cursor = cursor_of(&app, &admin, list, &ordering).await;
        let genuine: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).expect("base64url")).expect("JSON");
        let keys = genuine["k"].as_array().expect("keys").len();
        let get_as = async |forged: &Value| {
            let cursor = URL_SAFE_NO_PAD.encode(forged.to_string());
            let response = app.get(&admin, &format!("{list}?ordering={ordering}&cursor={cursor}")).await;
            assert_status(&[200, 400], &response, &format!("{list} {ordering} {forged}"));
            response
        };
        for at in 0..keys {
            for value in values {
                let mut forged = genuine.clone();
                forged["k"][at] = json!(value);
                get_as(&forged).await;
            }
        }
        for horizon in [json!(-1), json!(i64::MAX), json!(null)] {
            let mut forged = genuine.clone();
            forged["n"] = horizon;
            get_as(&forged).await;
        }
        for count in [0, keys - 1, keys + 1] {
            let mut forged = genuine.clone();
            forged["k"] = (0..count).map(|_| "1").collect();
            get_as(&forged).await.expect_error(400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn an_empty_query_value_counts_as_absent() {
    let app = TestApp::start().await;
    let admin = fill(&app).await;
    for endpoint in endpoints(&app).await.iter().filter(|endpoint| !endpoint.query().is_empty()) {
        let plain = app.get(&admin, &endpoint.path).await.expect(200);
        let without_value: Vec<_> = endpoint.query().iter().map(|name| format!("{name}=")).collect();
        let without_query = endpoint.query().join("&");
        for query in [without_value.join("&"), without_query, "&&".to_owned()] {
            let response = app.get(&admin, &format!("{}?{query}", endpoint.path)).await;
            assert_eq!(response.expect(200), plain, "{} {query}", endpoint.name());
        }
    }
}

#[tokio::test]
async fn an_absurd_query_is_read_or_refused() {
    let app = TestApp::start().await;
    let admin = fill(&app).await;
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
    for endpoint in endpoints(&app).await.iter().filter(|endpoint| !endpoint.query().is_empty()) {
        for name in endpoint.query() {
            for value in values {
                for query in [format!("{name}={value}"), format!("year=2024&month=1&{name}={value}")] {
                    let response = app.get(&admin, &format!("{}?{query}", endpoint.path)).await;
                    assert_status(&[200, 400], &response, &format!("{} {query}", endpoint.name()));
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
    for endpoint in endpoints(&app).await.iter().filter(|endpoint| endpoint.takes_body()) {
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
            // A password may hold any character, and a token with a NUL is unknown.
            let response = send_text(&app, &admin, endpoint, with("12345678\\u0000@snack.example")).await;
            match (endpoint.name().as_str(), field.as_str()) {
                ("POST /auth/sign-up", "/password") => assert_status(&[201], &response, &what),
                ("POST /auth/token", "/password") | ("POST /auth/token/refresh", _) => {
                    assert_status(&[401], &response, &what);
                }
                ("POST /auth/logout", _) | ("PUT /auth/users/password", "/new_password") => {
                    assert_status(&[204], &response, &what);
                }
                ("POST /auth/token", _) => assert_status(&[400, 401], &response, &what),
                _ => assert_status(&[400], &response, &what),
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
            assert_status(&[400], &app.send(request).await, &format!("{path} {number}"));
        }
    }
}

#[tokio::test]
async fn a_body_nested_without_end_harms_nobody() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let snack = app.snack(&admin, "새우깡").await;
    let deep = format!("{}{}", "[".repeat(25_000), "]".repeat(25_000));
    for endpoint in endpoints(&app).await.iter().filter(|endpoint| endpoint.takes_body()) {
        let mut body = valid_body(&endpoint.name(), &snack);
        for field in texts(&body) {
            *body.pointer_mut(&field).expect("the field") = json!("");
        }
        let unknown = body.to_string().replacen('{', &format!("{{\"deep\": {deep}, "), 1);
        let response = send_text(&app, &admin, endpoint, unknown).await;
        assert_status(&[400, 404], &response, &endpoint.name());
        let known = body.to_string().replacen("\"\"", &deep, 1);
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
            assert_status(&[400, 409, 412], &app.send(request).await, &format!("{name} {value:?}"));
        }
    }
}
