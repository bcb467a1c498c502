//! Metrics: what there is, and an address of their own.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::{net::TcpStream, time::timeout};

use crate::support::{
    database::{self, environment, through_proxy},
    process::{Run, Server},
    process_client::{HalfRequest, ProcessClient, send},
    proxy::{Mode, Proxy},
};

const TIMEOUT: Duration = Duration::from_secs(30);

async fn scrape(address: &str) -> String {
    let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().expect("a client");
    let response = http.get(format!("http://{address}/metrics")).send().await.expect("a response");
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().expect("text").starts_with("text/plain; version=0.0.4"));
    response.text().await.expect("a text")
}

/// Value of a metric without labels.
fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().expect("a number")
}

/// Scrapes until `is_expected` holds.
async fn wait_for(address: &str, is_expected: impl Fn(&str) -> bool) -> String {
    let last = std::sync::Mutex::new(String::new());
    let waiting = async {
        loop {
            let metrics = scrape(address).await;
            if is_expected(&metrics) {
                return metrics;
            }
            *last.lock().expect("the last") = metrics;
        }
    };
    let waited = timeout(TIMEOUT, waiting).await;
    waited.unwrap_or_else(|_| panic!("not as expected: {}", last.lock().expect("the last")))
}

/// Names of the families in the text format.
fn families(metrics: &str) -> BTreeSet<&str> {
    metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
}

/// Names in the first column of the table of docs/OPERATIONS.md.
fn documented() -> BTreeSet<&'static str> {
    let (_, section) = include_str!("../../../docs/OPERATIONS.md").split_once("\n## Metrics\n").expect("a section");
    let section = section.split("\n## ").next().expect("a section");
    section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

#[tokio::test]
async fn the_documentation_has_every_metric_and_no_other() {
    let database = database::create().await;
    let run = Run::on(&database, &["serve"]).set("REACTION_FLUSH_INTERVAL", "50ms");
    let server = run.serve().await;
    let client = ProcessClient::new(&server);
    // Most exist from the start, so that an alert sees the first increase.
    let at_start = scrape(&server.address).await;
    for name in ["deliveries_total{outcome=\"failed\"}", "reaction_repairs_total", "postgres_pool_timeouts_total"] {
        assert_eq!(value(&at_start, name).to_string(), "0");
    }
    let (access, _) = client.member("kim@snack.example").await;
    let (_, snack) = client.post(&access, "/snacks", json!({"name": "새우깡", "price": "1500"})).await;
    let path = format!("/snacks/{}/reaction", snack["uid"].as_str().expect("a uid"));
    assert_eq!(client.post(&access, &path, json!({"type": "like"})).await.0, 200);
    let metrics = wait_for(&server.address, |metrics| families(metrics) == documented()).await;
    for line in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().expect("a name");
        assert!(metrics.contains(&format!("# HELP {name} ")), "{name} has no text");
    }
    for name in ["postgres_up", "redis_up", "user_cache_connected"] {
        assert_eq!(value(&metrics, name).to_string(), "1", "{name}");
    }
    let memory = value(&metrics, "process_resident_memory_bytes") / 1024.0 / 1024.0;
    let resident = f64::from(u32::try_from(server.resident()).expect("MiB"));
    assert!((memory - resident).abs() < 32.0, "{memory} MiB and {resident} MiB");
    assert!(value(&metrics, "process_open_fds") > 10.0 && value(&metrics, "http_connections") >= 1.0, "{metrics}");
    assert!(metrics.contains("background_task_failures_total{task=\"reaction flush\"} 0"), "{metrics}");
}

#[tokio::test]
async fn metrics_tell_of_stores_that_are_out_of_reach() {
    let database = database::create().await;
    let (postgres, proxied) = through_proxy(&database).await;
    let mut redis_url: url::Url = environment("REDIS_URL").parse().expect("REDIS_URL");
    let upstream = format!("{}:{}", redis_url.host_str().expect("a host"), redis_url.port().unwrap_or(6379));
    let redis = Proxy::start(0, upstream).await;
    redis_url.set_host(Some("127.0.0.1")).expect("a host");
    redis_url.set_port(Some(redis.port)).expect("a port");
    let run = Run::on(&database, &["serve"]).set("DATABASE_URL", proxied.to_url_lossy().as_str());
    let server = run.set("REDIS_URL", redis_url.as_str()).serve().await;
    let is = |metrics: &str, name: &str, expected: f64| (value(metrics, name) - expected).abs() < 0.5;
    wait_for(&server.address, |it| is(it, "postgres_up", 1.0) && is(it, "redis_up", 1.0)).await;
    for mode in [Mode::Refuse, Mode::HoldResponses] {
        postgres.set_mode(mode);
        redis.set_mode(mode);
        let since = Instant::now();
        wait_for(&server.address, |it| is(it, "postgres_up", 0.0) && is(it, "redis_up", 0.0)).await;
        let since = since.elapsed();
        assert!(since < Duration::from_secs(5), "{mode:?}: {since:?}");
        postgres.set_mode(Mode::Pass);
        redis.set_mode(Mode::Pass);
        wait_for(&server.address, |it| is(it, "postgres_up", 1.0) && is(it, "redis_up", 1.0)).await;
    }
    let mut connection = PgConnection::connect_with(&database).await.expect("Postgres");
    let name = database.get_database().expect("a name");
    let sql = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.expect("a setting");
    sqlx::raw_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        .execute(&mut connection)
        .await
        .expect("the end of all connections");
    wait_for(&server.address, |it| is(it, "postgres_up", 0.0) && is(it, "redis_up", 1.0)).await;
}

#[tokio::test]
async fn the_backlog_of_deliveries_leaves_mails_with_links_out() {
    let database = database::create().await;
    let mut connection = PgConnection::connect_with(&database).await.expect("Postgres");
    // Without mail set up, no server takes them.
    for sql in [
        "INSERT INTO users (email, email_key, name, name_key, password_hash) VALUES ('a@b.example', 'a@b.example', 'a', 'a', '')",
        "INSERT INTO notifications (user_id, kind, details) SELECT id, 'member_type_changed', '{}' FROM users",
        "INSERT INTO deliveries (notification_id, event, next_attempt_at)
         SELECT id, 'x', now() + make_interval(hours => hour) FROM notifications, generate_series(-2, 1) AS hour",
        "INSERT INTO account_mails (email, language, address) VALUES ('a@b.example', 'ko', '192.0.2.1')",
        "INSERT INTO deliveries (account_mail_id, event, next_attempt_at) SELECT id, 'x', now() - interval '1 day' FROM account_mails",
    ] {
        sqlx::raw_sql(sql).execute(&mut connection).await.expect(sql);
    }
    let server = Run::on(&database, &["serve"]).serve().await;
    let metrics = scrape(&server.address).await;
    assert_eq!(value(&metrics, "deliveries_pending").to_string(), "4");
    let overdue = value(&metrics, "deliveries_overdue_seconds");
    assert!((7200.0..7800.0).contains(&overdue), "{overdue}");
    sqlx::raw_sql("DELETE FROM deliveries WHERE next_attempt_at < now() + interval '30 minutes'")
        .execute(&mut connection)
        .await
        .expect("fewer deliveries");
    let metrics = wait_for(&server.address, |metrics| metrics.contains("deliveries_pending 1\n")).await;
    assert_eq!(value(&metrics, "deliveries_overdue_seconds").to_string(), "0", "none is due");
}

/// Starts a server with metrics at an address of their own, and returns it.
async fn serve_apart() -> (Server, String) {
    let database = database::create().await;
    // A port that was free a moment ago: the server logs it, but the harness only knows its first address.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    (Run::on(&database, &["serve"]).set("METRICS_ADDR", &address).serve().await, address)
}

#[tokio::test]
async fn metrics_have_an_address_of_their_own_and_nothing_else_is_there() {
    let (server, address) = serve_apart().await;
    let client = ProcessClient::new(&server);
    let (status, problem) = client.get("", "/metrics").await;
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
    assert_eq!(client.get("", "/health/live").await.0, 200);
    assert!(scrape(&address).await.contains("http_requests_total{method=\"GET\",route=\"unknown\",status=\"404\"} 1"));
    let there = |method: reqwest::Method, path: &str| client.http.request(method, format!("http://{address}{path}"));
    for path in ["/", "/health/live", "/health/ready", "/openapi.json", "/snacks", "/app/", "/auth/token"] {
        let (status, problem) = send(there(reqwest::Method::GET, path)).await;
        assert_eq!((status, &problem["code"]), (404, &json!("not_found")), "{path}");
    }
    let (status, problem) = send(there(reqwest::Method::POST, "/metrics").json(&json!({}))).await;
    assert_eq!((status, &problem["code"]), (405, &json!("method_not_allowed")));
    // The document does not depend on the settings.
    let (_, document) = client.get("", "/openapi.json").await;
    assert!(document["paths"]["/metrics"].is_object());
    server.signal("-TERM");
    assert_eq!(server.wait().await.0, Some(0));
}

#[tokio::test]
async fn metrics_can_be_read_until_the_last_request_has_its_response() {
    let (server, metrics_address) = serve_apart().await;
    let half = HalfRequest::send(&server).await;
    server.has_read_all().await;
    server.signal("-TERM");
    server.wait_for_log("server stopping").await;
    let refused = async { while TcpStream::connect(&server.address).await.is_ok() {} };
    timeout(TIMEOUT, refused).await.expect("a server that takes no new connections");
    assert!(scrape(&metrics_address).await.contains("postgres_up 1"));
    half.complete().await;
    let since = Instant::now();
    let (code, lines, _) = server.wait().await;
    assert_eq!(code, Some(0), "{lines:?}");
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    TcpStream::connect(&metrics_address).await.expect_err("a server that has stopped");
    let last: Value = serde_json::from_str(lines.last().expect("a line")).expect("JSON");
    assert_eq!(last["message"], "server stopped");
}
