//! Servers behind a proxy that serves them below a path and strips it from requests.

use reqwest::Method;
use serde_json::json;

use super::static_files::build;
use crate::support::{
    fixtures::order_body,
    process::folder,
    response::Response,
    test_app::{TestApp, TestUser},
};

const PAGE: &str = "<html data-timezone=\"Asia/Seoul\" data-prefix=\"\"><link href=\"./icon.svg\"><script src=\"./assets/a.js\">\
    </script><a href=\"https://a.example/./\">";

async fn at(public_url: &str) -> TestApp {
    TestApp::with(|config| config.public_url = public_url.parse().expect("a URL")).await
}

async fn get(app: &TestApp, path: &str) -> Response {
    app.send(app.request(Method::GET, path)).await
}

fn uid(response: &Response) -> &str {
    response.body["uid"].as_str().expect("a uid")
}

async fn order_with_key(app: &TestApp, member: &TestUser, snack: &str) -> Response {
    let request = app.request(Method::POST, "/orders").bearer_auth(&member.access).header("idempotency-key", "key");
    app.send(request.json(&order_body(&[(snack, 1)]))).await
}

#[tokio::test]
async fn locations_have_the_path() {
    for (public_url, prefix) in [
        ("https://office.example", ""),
        ("https://office.example/snack", "/snack"),
        ("https://office.example/a/%EA%B0%84%EC%8B%9D/", "/a/%EA%B0%84%EC%8B%9D"),
    ] {
        let app = at(public_url).await;
        let member = app.member().await;
        let registered = app.post(&member, "/snacks", json!({"name": "새우깡", "price": 1500})).await;
        let snack = uid(&registered);
        assert_eq!(registered.header("location"), format!("{prefix}/snacks/{snack}"));
        // The second response is a stored one.
        for _ in 0..2 {
            let ordered = order_with_key(&app, &member, snack).await;
            assert_eq!(ordered.status, 201);
            assert_eq!(ordered.header("location"), format!("{prefix}/orders/{}", uid(&ordered)));
        }
        assert_eq!(get(&app, "/").await.header("location"), format!("{prefix}/app/"));
    }
}

#[tokio::test]
async fn the_page_of_the_app_names_its_files_and_the_path() {
    for (public_url, prefix) in [
        ("https://office.example/", ""),
        ("https://office.example/snack/", "/snack"),
        ("https://office.example/a&lt/b\"c", "/a&amp;lt/b%22c"),
    ] {
        let folder = folder().join("dist");
        build(&folder);
        std::fs::write(folder.join("index.html"), PAGE).expect("a file");
        let app = TestApp::with(|config| {
            config.web = Some(folder);
            config.public_url = public_url.parse().expect("a URL");
        })
        .await;
        let expected = format!(
            "<html data-timezone=\"Asia/Seoul\" data-prefix=\"{prefix}\"><link href=\"{prefix}/app/icon.svg\">\
             <script src=\"{prefix}/app/assets/a.js\"></script><a href=\"https://a.example/./\">"
        );
        for path in ["/app", "/app/", "/app/orders/7"] {
            assert_eq!(get(&app, path).await.text, expected, "{public_url} {path}");
        }
    }
}

#[tokio::test]
async fn the_page_without_an_app_and_swagger_ui_link_below_the_path() {
    for (public_url, prefix) in [("https://office.example/", ""), ("https://office.example/snack/", "/snack")] {
        let app = at(public_url).await;
        let page = get(&app, "/app/").await.text;
        for path in ["/docs", "/openapi.json", "/health/ready"] {
            assert!(page.contains(&format!("href=\"{prefix}{path}\"")), "{public_url}: {page}");
        }
        for path in ["/docs", "/docs/", "/docs/index.html"] {
            let page = get(&app, path).await;
            assert!(page.text.contains(&format!("<base href=\"{prefix}/docs/\">")), "{public_url}: {}", page.text);
            // Links are relative to the base.
            assert!(!page.text.contains("src=\"/") && page.text.contains("src=\"./swagger-ui-bundle.js\""));
            assert!(page.header("content-security-policy").contains("style-src 'self' 'unsafe-inline'"), "{path}");
        }
        let script = get(&app, "/docs/swagger-initializer.js").await.text;
        assert!(script.contains("\"openapi.json\""), "{script}");
    }
}
