//! The OpenAPI document and Swagger UI.

use std::{collections::HashSet, net::SocketAddr, sync::Arc};

use axum::body::{Body, to_bytes};
use reqwest::{Method, header};
use serde_json::{Value, json};
use snack_server::app;

use crate::support::test_app::TestApp;

fn document() -> Value {
    serde_json::to_value(app::router::document()).expect("a document")
}

/// Method, path and operation of every endpoint.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().expect("an item").iter().map(move |(method, operation)| (method, path, operation))
        })
        .map(|(method, path, operation)| (method.to_uppercase(), path.clone(), operation))
        .collect()
}

#[test]
fn the_document_equals_its_snapshot() {
    let now = app::router::document().to_pretty_json().expect("a document") + "\n";
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/openapi.json");
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
        std::fs::write(file, &now).expect("written");
    }
    let agreed = std::fs::read_to_string(file).expect("tests/api/openapi.json");
    let differs = now.lines().zip(agreed.lines()).position(|(now, agreed)| now != agreed);
    assert!(
        now == agreed,
        "the document has changed, first in line {:?}; if on purpose: UPDATE_SNAPSHOT=1 make test ARGS=\"--test api documents\"",
        differs.map(|line| line + 1)
    );
}

#[test]
fn the_document_has_every_endpoint_of_the_contract() {
    let expected = "
        GET /auth/sign-up
        POST /auth/sign-up
        GET /auth/invitations
        POST /auth/invitations
        DELETE /auth/invitations/{id}
        POST /auth/token
        POST /auth/token/refresh
        POST /auth/logout
        GET /auth/oidc/login
        GET /auth/oidc/callback
        POST /auth/oidc/token
        GET /auth/users/profile
        PATCH /auth/users/profile
        POST /auth/password/forgot
        POST /auth/password/reset
        POST /auth/users/{id}/password-reset
        PUT /auth/users/password
        GET /auth/users
        PUT /auth/users/{id}
        PATCH /auth/users/{id}
        DELETE /auth/users/resign
        GET /checks/is_authenticated
        GET /checks/is_admin
        DELETE /auth/users/{id}
        GET /auth/sessions
        DELETE /auth/sessions/{id}
        POST /auth/users/{id}/restore
        GET /events
        GET /snacks
        POST /snacks
        POST /snacks/import
        GET /snacks/{uid}
        PATCH /snacks/{uid}
        PUT /snacks/{uid}/status
        GET /media/{path}
        POST /snacks/{uid}/reaction
        DELETE /snacks/{uid}/reaction
        GET /orders
        POST /orders
        GET /orders/{uid}
        PUT /orders/{uid}
        GET /orders/{uid}/snacks
        GET /orders/{uid}/history
        PUT /orders/{uid}/status
        PATCH /orders/{uid}/status
        POST /order
        GET /order/{uid}
        PUT /order/{uid}
        GET /statistics/orders
        GET /statistics/snacks
        GET /statistics/summary
        GET /health/live
        GET /health/ready
        GET /metrics
        GET /audit
        GET /budgets
        GET /events
        PUT /budgets/{month}
        GET /notifications
        GET /notifications/unread-count
        PUT /notifications/read
        GET /notifications/preferences
        PUT /notifications/preferences
        GET /channels
        POST /channels
        PATCH /channels/{id}
        DELETE /channels/{id}
        POST /channels/{id}/test
        GET /channels/{id}/deliveries
        POST /channels/{id}/deliveries/{delivery}/retry
        GET /orders/buying-list
        PUT /orders/{uid}/arrival
        PUT /orders/{uid}/follow
        DELETE /orders/{uid}/follow
        POST /snacks/import";
    let expected: HashSet<String> =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect();
    let document = document();
    let documented: HashSet<String> =
        operations(&document).iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    assert_eq!(expected.symmetric_difference(&documented).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn every_operation_is_whole() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    let mut names = HashSet::new();
    for (method, path, operation) in operations(&document) {
        let endpoint = format!("{method} {path}");
        assert!(
            names.insert(operation["operationId"].as_str().expect("an id").to_owned()),
            "{endpoint} has another's id"
        );
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{endpoint} has no summary");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{endpoint}");
        assert_eq!(operation["deprecated"] == true, path.starts_with("/order/") || path == "/order", "{endpoint}");
        for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
            let named = |parameter: &Value| parameter["name"] == name && parameter["in"] == "path";
            assert!(
                operation["parameters"].as_array().is_some_and(|all| all.iter().any(named)),
                "{endpoint} lacks {name}"
            );
        }
        let responses = operation["responses"].as_object().expect("responses");
        assert!(responses.keys().any(|status| status.starts_with(['2', '3'])), "{endpoint} has no success");
        assert!(
            responses.values().all(|response| response["description"].as_str().is_some_and(|text| !text.is_empty())),
            "{endpoint}"
        );
        for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
            let content = &response["content"]["application/problem+json"];
            assert_eq!(content["schema"]["$ref"], "#/components/schemas/Problem", "{endpoint} {status}");
            assert!(
                content["examples"].as_object().is_some_and(|examples| !examples.is_empty()),
                "{endpoint} {status}"
            );
        }
        let needs_token = responses.contains_key("401") && responses["401"].to_string().contains("not_authenticated");
        assert_eq!(operation["security"], if needs_token { json!([{"bearer": []}]) } else { json!([]) }, "{endpoint}");
        // A request without a Host is rejected on every path.
        assert!(responses["400"].to_string().contains("#/components/examples/invalid_request"), "{endpoint}");
        assert!(operation["requestBody"].is_null() || operation["requestBody"]["required"] == true, "{endpoint}");
    }
}

#[test]
fn a_public_endpoint_says_that_it_needs_no_token() {
    let document = document();
    let mut open: Vec<_> = operations(&document)
        .into_iter()
        .filter(|(_, _, operation)| operation["security"] == json!([]))
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    open.sort();
    let expected = [
        "GET /auth/oidc/callback",
        "GET /auth/oidc/login",
        "GET /auth/sign-up",
        "GET /health/live",
        "GET /health/ready",
        "GET /media/{path}",
        "GET /metrics",
        "POST /auth/logout",
        "POST /auth/oidc/token",
        "POST /auth/password/forgot",
        "POST /auth/password/reset",
        "POST /auth/sign-up",
        "POST /auth/token",
        "POST /auth/token/refresh",
    ];
    assert_eq!(open, expected);
}

#[test]
fn what_is_neither_json_nor_text_is_bytes_and_never_numbers() {
    let document = document();
    let mut files = Vec::new();
    for (method, path, operation) in operations(&document) {
        let responses = operation["responses"].as_object().expect("responses").values();
        let contents = responses.filter_map(|response| response["content"].as_object()).flatten();
        for (media_type, content) in contents {
            let schema = &content["schema"];
            if media_type == "text/event-stream" {
                assert_eq!(*schema, json!({"$ref": "#/components/schemas/LiveEvent"}), "the schema of one event");
            } else if media_type.starts_with("text/") {
                assert_eq!(*schema, json!({"type": "string"}), "{method} {path} {media_type}");
            } else if !media_type.ends_with("json") {
                let binary = json!({"type": "string", "format": "binary", "contentMediaType": media_type});
                assert_eq!(*schema, binary, "{method} {path}");
                files.push(format!("{method} {path} {media_type}"));
            }
        }
        let form = &operation["requestBody"]["content"]["multipart/form-data"]["schema"]["$ref"];
        if let Some(form) = form.as_str() {
            let fields = &document.pointer(form.trim_start_matches('#')).expect("the form")["properties"];
            let is_file = |field: &&str| fields[field]["format"] == "binary" && fields[field]["type"] == "string";
            let file = ["image", "file"].into_iter().find(is_file).expect("a file");
            files.push(format!("{method} {path} {file}"));
        }
    }
    let expected = [
        "GET /media/{path} image/jpeg",
        "GET /media/{path} image/png",
        "PATCH /snacks/{uid} image",
        "POST /snacks image",
        "POST /snacks/import file",
    ];
    files.sort();
    assert_eq!(files, expected);
}

#[test]
fn a_price_that_is_a_number_has_two_digits_at_the_most() {
    let schema = &document()["components"]["schemas"]["PriceInput"]["oneOf"];
    let number = schema.as_array().expect("kinds").iter().find(|kind| kind["type"] == "number").expect("a number");
    let expected =
        json!({"type": "number", "multipleOf": 0.01, "minimum": 0, "exclusiveMaximum": 1_000_000_000_000_u64});
    assert_eq!(*number, expected);
}

#[test]
fn a_row_of_a_list_is_the_component_that_it_is_elsewhere() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let lists: Vec<_> =
        schemas.keys().filter(|name| name.starts_with("Page_") || name.starts_with("Results_")).collect();
    assert!(lists.len() >= 7, "{lists:?}");
    for list in lists {
        let (_, row) = list.split_once('_').expect("a row");
        let items = &schemas[list]["properties"]["results"]["items"];
        assert_eq!(*items, json!({"$ref": format!("#/components/schemas/{row}")}), "{list}");
        assert!(schemas.contains_key(row), "{list}");
    }
}

#[test]
fn every_endpoint_accepts_a_language() {
    let document = document();
    let parameter = &document["components"]["parameters"]["AcceptLanguage"];
    assert_eq!((&parameter["name"], &parameter["required"]), (&json!("Accept-Language"), &json!(false)));
    let reference = json!({"$ref": "#/components/parameters/AcceptLanguage"});
    for (method, path, operation) in operations(&document) {
        assert!(operation["parameters"].as_array().is_some_and(|all| all.contains(&reference)), "{method} {path}");
    }
}

#[test]
fn parameters_say_what_they_take() {
    let document = document();
    for (method, path, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten().filter(|p| p["in"] == "query") {
            let name = format!("{method} {path} {}", parameter["name"]);
            assert_eq!(parameter["allowEmptyValue"], true, "{name}: an empty value counts as absent");
            if parameter["name"] == "ordering" {
                let schema = &parameter["schema"];
                assert!(schema["enum"].as_array().expect("the orderings").contains(&schema["default"]), "{name}");
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                into.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, into));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, into)),
            _ => {}
        }
    }
    let document = document();
    let mut all = Vec::new();
    references(&document, &mut all);
    assert!(!all.is_empty());
    for reference in all {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_documents_are_served_by_the_binary_alone() {
    let app = TestApp::start().await;
    let served = app.send(app.request(Method::GET, "/openapi.json")).await;
    assert_eq!(served.header("content-type"), "application/json");
    assert_eq!(served.expect(200).0, document());

    for path in ["/docs", "/docs/"] {
        let page = app.send(app.request(Method::GET, path)).await;
        assert!(page.header("content-type").starts_with("text/html"));
        assert!(
            !page.text.contains("http://") && !page.text.contains("https://"),
            "an asset from elsewhere: {}",
            page.text
        );
        page.expect(200);
    }
    for asset in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js", "index.css"] {
        app.send(app.request(Method::GET, &format!("/docs/{asset}"))).await.expect(200);
    }
    app.send(app.request(Method::GET, "/docs/nothing.js")).await.expect_error(404, "not_found");
}

#[tokio::test]
async fn the_document_names_the_server_that_clients_reach_and_swagger_ui_its_own() {
    let table = [
        ("http://localhost:8000", "/", "/"),
        ("http://localhost:8000/snack/", "/snack", "/snack"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "/"),
        ("https://office.example", "https://office.example", "/"),
        ("https://office.example/snack", "https://office.example/snack", "/snack"),
    ];
    for (public_url, named, own) in table {
        let app = TestApp::with(|config| config.public_url = public_url.parse().expect("a URL")).await;
        for (path, server) in [("/openapi.json", named), ("/docs/openapi.json", own)] {
            let mut served = app.send(app.request(Method::GET, path)).await.expect(200).0;
            assert_eq!(served["servers"], json!([{"url": server}]), "{public_url} {path}");
            served["servers"] = document()["servers"].clone();
            assert_eq!(served, document(), "{public_url} {path}");
        }
    }
}

const DOCUMENTS: [&str; 4] = ["/openapi.json", "/docs", "/docs/openapi.json", "/docs/swagger-ui-bundle.js"];

#[tokio::test]
async fn a_document_is_sent_again_only_to_those_who_do_not_have_it() {
    // Another public URL than the default, with which both documents are equal.
    let app = TestApp::with(|config| config.public_url = "https://office.example".parse().expect("a URL")).await;
    let mut tags = HashSet::new();
    for path in DOCUMENTS {
        let first = app.send(app.request(Method::GET, path)).await;
        assert_eq!((first.status.as_u16(), first.header("cache-control")), (200, "no-cache"), "{path}");
        let tag = first.header("etag").to_owned();
        assert!(tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"'), "{path}: {tag}");
        let get_open = async |tag: &str| {
            let request = app.request(Method::GET, path).header(header::IF_NONE_MATCH, tag);
            app.send(request).await
        };
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let response = get_open(&known).await;
            assert_eq!((response.status.as_u16(), response.text.as_str()), (304, ""), "{path} {known}");
            for name in ["etag", "cache-control", "content-security-policy"] {
                assert_eq!(response.header(name), first.header(name), "{path} {known} {name}");
            }
        }
        let response = get_open("\"other\"").await;
        assert_eq!((response.status.as_u16(), response.text), (200, first.text), "{path}");
        assert!(tags.insert(tag), "{path} has the tag of another document");
    }
}

#[tokio::test]
async fn all_readers_of_a_document_share_its_bytes() {
    let app = TestApp::start().await;
    let service = Arc::new(app::router::service(&app.state));
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    for path in DOCUMENTS {
        let read = async || {
            let request = axum::http::Request::get(path).header("Host", "x").body(Body::empty()).expect("a request");
            let response = Arc::clone(&service).respond(peer, request).await;
            assert_eq!(response.status(), 200, "{path}");
            to_bytes(response.into_body(), usize::MAX).await.expect("a body")
        };
        let (first, second) = (read().await, read().await);
        assert!(first.len() > 500);
        // The response shares the memory, not only the text.
        assert_eq!(first.as_ptr(), second.as_ptr(), "{path}");
    }
}
