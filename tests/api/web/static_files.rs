//! The web app as the server serves it, with a small build in place of the real one.

use std::path::Path;

use reqwest::{Method, header};

use crate::support::{
    database,
    process::{Run, folder},
    response::Response,
    test_app::TestApp,
};

const PAGE: &str = "<!doctype html><html data-timezone=\"Asia/Seoul\"><title>the page</title>";
const SCRIPT: &str = "console.log('the script, as it is written')";
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
    font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Writes a build into `folder` as Vite and scripts/compress.mjs do.
pub fn build(folder: &Path) {
    std::fs::create_dir_all(folder.join("assets")).expect("a folder");
    for (name, text) in [
        ("index.html", PAGE),
        ("favicon.svg", "<svg/>"),
        ("assets/index-1a2b.js", SCRIPT),
        ("assets/index-1a2b.js.br", "brotli"),
        ("assets/index-1a2b.js.gz", "gzip"),
        ("../secret.txt", "secret"),
    ] {
        std::fs::write(folder.join(name), text).expect("a file");
    }
}

async fn built() -> TestApp {
    let folder = folder().join("dist");
    build(&folder);
    TestApp::with(|config| config.web = Some(folder)).await
}

async fn get(app: &TestApp, path: &str) -> Response {
    app.send(app.request(Method::GET, path)).await
}

#[tokio::test]
async fn the_root_leads_to_the_app() {
    for app in [TestApp::start().await, built().await] {
        let root = get(&app, "/").await;
        assert_eq!((root.status.as_u16(), root.header("location")), (303, "/app/"));
        get(&app, "/application").await.expect_error(404, "not_found");
    }
}

#[tokio::test]
async fn every_address_below_the_app_is_its_page() {
    let app = built().await;
    let (long, longer) = (format!("/app/{}", "a".repeat(256)), format!("/app/{}", "a/".repeat(5000)));
    for path in [
        "/app",
        "/app/",
        "/app/index.html",
        "/app/orders",
        "/app/orders/",
        "/app/orders/7/deep?status=created",
        "/app/assets",
        "/app/snacks/a.b",
        "/app/%EA%B0%84%EC%8B%9D",
        "/app/%FF",
        "/app/%00",
        "/app/..%2Fsecret.txt",
        &long,
        &longer,
    ] {
        let page = get(&app, path).await;
        assert_eq!((page.status.as_u16(), page.text.as_str()), (200, PAGE), "{path}");
        assert_eq!(page.header("content-type"), "text/html", "{path}");
        assert_eq!(page.header("cache-control"), "no-cache", "{path}");
    }
    app.send(app.request(Method::POST, "/app/orders")).await.expect_error(405, "method_not_allowed");
}

#[tokio::test]
async fn the_page_names_the_time_zone_of_the_server() {
    let folder = folder().join("dist");
    build(&folder);
    let seoul = TestApp::with(|config| config.web = Some(folder.clone())).await;
    let new_york = TestApp::with(|config| {
        config.web = Some(folder);
        config.timezone = chrono_tz::Tz::America__New_York;
    })
    .await;
    let page = PAGE.replace("Asia/Seoul", "America/New_York");
    let tag = get(&seoul, "/app/").await.header("etag").to_owned();
    for path in ["/app", "/app/index.html", "/app/orders"] {
        let request = new_york.request(Method::GET, path).header(header::IF_NONE_MATCH, &tag);
        let answer = new_york.send(request).await;
        assert_eq!((answer.status.as_u16(), &answer.text), (200, &page), "{path}");
        let head = new_york.send(new_york.request(Method::HEAD, path)).await;
        assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""), "{path}");
        assert_eq!(head.header("content-length"), page.len().to_string(), "{path}");
        assert_eq!(head.header("etag"), answer.header("etag"), "{path}");
    }
}

#[tokio::test]
async fn a_page_that_has_not_changed_is_not_sent_again() {
    let app = built().await;
    let tag = get(&app, "/app/").await.header("etag").to_owned();
    let again = app.send(app.request(Method::GET, "/app/orders").header(header::IF_NONE_MATCH, tag)).await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    assert_eq!(again.header("cache-control"), "no-cache");
}

#[tokio::test]
async fn files_with_a_hash_in_their_names_are_kept_for_a_year_and_others_are_asked_about() {
    let app = built().await;
    let script = get(&app, "/app/assets/index-1a2b.js").await;
    assert_eq!((script.status.as_u16(), script.text.as_str()), (200, SCRIPT));
    assert_eq!(script.header("content-type"), "text/javascript");
    assert_eq!(script.header("cache-control"), "public, max-age=31536000, immutable");
    let icon = get(&app, "/app/favicon.svg").await;
    assert_eq!((icon.text.as_str(), icon.header("content-type")), ("<svg/>", "image/svg+xml"));
    assert_eq!(icon.header("cache-control"), "no-cache");
}

#[tokio::test]
async fn a_file_of_an_earlier_build_is_missing_and_not_kept() {
    let app = built().await;
    let long = format!("/app/assets/{}.js", "a".repeat(256));
    for path in ["/app/assets/index-0000.js", "/app/assets/..%2Findex.html", "/app/assets/..%2F..%2Fsecret.txt", &long]
    {
        let missing = get(&app, path).await;
        assert_eq!(missing.header("cache-control"), "no-store", "{path}");
        missing.expect_error(404, "not_found");
    }
}

#[tokio::test]
async fn files_are_sent_as_small_as_the_client_can_read_them() {
    let app = built().await;
    for (accepted, encoding, text) in [
        ("gzip, deflate, br, zstd", "br", "brotli"),
        ("gzip", "gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip", "gzip"),
        ("identity", "", SCRIPT),
    ] {
        let request = app.request(Method::GET, "/app/assets/index-1a2b.js").header(header::ACCEPT_ENCODING, accepted);
        let response = app.send(request).await;
        assert_eq!((response.header("content-encoding"), response.text.as_str()), (encoding, text), "{accepted}");
        assert_eq!(response.header("content-type"), "text/javascript", "{accepted}");
        assert!(response.header("vary").to_ascii_lowercase().contains("accept-encoding"), "{accepted}");
    }
}

#[tokio::test]
async fn the_page_may_load_and_ask_nothing_but_this_server() {
    let app = built().await;
    for path in ["/app/", "/app/orders", "/app/assets/index-1a2b.js"] {
        let response = get(&app, path).await;
        let policies: Vec<_> = response.headers.get_all("content-security-policy").iter().collect();
        assert_eq!(policies, [POLICY], "{path}");
    }
}

#[tokio::test]
async fn without_a_build_every_address_of_the_app_says_where_the_documents_are() {
    let app = TestApp::start().await;
    let page = get(&app, "/app/").await;
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text.contains("make run") && page.text.contains("href=\"/docs\""), "{}", page.text);
    for path in ["/app", "/app/orders", "/app/orders/7/deep"] {
        let other = get(&app, path).await;
        assert_eq!((other.status.as_u16(), other.text), (200, page.text.clone()), "{path}");
    }
}

/// Number of warnings at the start that there is no app, and the response of `/app/`.
async fn started(run: &Run) -> (usize, String) {
    let server = run.serve().await;
    let page = reqwest::get(format!("http://{}/app/", server.address)).await.expect("a response");
    let page = page.text().await.expect("a page");
    server.signal("-TERM");
    let (_, lines, _) = server.wait().await;
    (lines.iter().filter(|line| line.contains("web app not built")).count(), page)
}

#[tokio::test]
async fn the_build_is_found_in_the_working_folder_or_beside_the_binary_and_missed_in_one_line() {
    let [bare, whole] = [folder(), folder()];
    std::fs::create_dir(&bare).expect("a folder");
    build(&whole.join("web/dist"));
    let run = Run::on(&database::create().await, &["serve"]);

    let (warnings, page) = started(&run.clone().in_folder(bare.clone())).await;
    assert_eq!(warnings, 1);
    assert!(page.contains("/docs"), "{page}");
    assert_eq!(started(&run.clone().in_folder(whole.clone())).await, (0, PAGE.to_owned()));
    assert_eq!(started(&run.in_folder(bare).with_program(whole.join("snack-server"))).await, (0, PAGE.to_owned()));
    std::fs::remove_file(whole.join("snack-server")).expect("the link");
}
