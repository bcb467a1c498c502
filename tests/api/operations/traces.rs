//! Traces by OTLP, sent to a collector that records them.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::timeout};

use crate::support::{
    collector::{Collector, attribute, attribute_names, hex, is_error},
    database,
    process::{Run, SECRET, Server},
    process_client::{ProcessClient, REQUEST_ID, send},
    receiver::{Answer, Receiver},
    test_app::PASSWORD,
};

/// Ids of a trace and of a span in it that a client sends.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn traceparent(trace: &str, flags: &str) -> String {
    format!("00-{trace}-{PARENT}-{flags}")
}

/// A trace id of its own for each number.
fn trace(number: usize) -> String {
    format!("{:032x}", number + 1)
}

async fn get(client: &ProcessClient, token: &str, path: &str, traceparent: &str) -> u16 {
    let request = client.http.get(client.url(path)).bearer_auth(token).header("traceparent", traceparent);
    send(request).await.0
}

async fn stop(server: Server) -> Vec<String> {
    server.signal("-TERM");
    let (code, lines, _) = server.wait().await;
    assert_eq!(code, Some(0), "{lines:?}");
    lines
}

fn of_trace<'a>(spans: &[&'a Span], trace_id: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| hex(&span.trace_id) == trace_id).copied().collect()
}

fn is_child(span: &Span, parent: &Span) -> bool {
    span.parent_span_id == parent.span_id && span.trace_id == parent.trace_id
}

fn is_statement(span: &Span) -> bool {
    attribute(&span.attributes, "db.system.name").as_deref() == Some("postgresql")
}

#[tokio::test]
async fn a_request_continues_the_trace_of_its_client_and_its_log_lines_name_it() {
    let mut collector = Collector::start(Answer::Status(200)).await;
    let database = database::create().await;
    let run = Run::on(&database, &["serve"]).set("OTEL_EXPORTER_OTLP_HEADERS", "x-key=of the collector");
    let server = collector.set(run).serve().await;
    let client = ProcessClient::new(&server);
    let (access, _) = client.member("kim@snack.example").await;
    let (_, snack) = client.post(&access, "/snacks", json!({"name": "새우깡", "price": "1500"})).await;
    let path = format!("/snacks/{}", snack["uid"].as_str().expect("a uid"));
    assert_eq!(get(&client, &access, &format!("{path}?token=typed"), &traceparent(TRACE, "01")).await, 200);
    let span = collector.request(TRACE).await;
    assert_eq!((span.name.as_str(), hex(&span.parent_span_id)), ("GET /snacks/{uid}", PARENT.to_owned()));
    let names = ["http.request.method", "http.response.status_code", "http.route", "request.id", "url.path"];
    assert_eq!(attribute_names(&span), names);
    let values = names.map(|name| attribute(&span.attributes, name).expect("a value"));
    assert_eq!(values.each_ref().map(String::as_str), ["GET", "200", "/snacks/{uid}", REQUEST_ID, &path]);
    assert!(!is_error(&span), "{span:?}");
    // A statement is a span below that of its request, and lies within it.
    let statement = collector.wait_for("statement", |spans| {
        let of_trace = of_trace(spans, TRACE);
        let text = |span: &Span| attribute(&span.attributes, "db.query.text").unwrap_or_default();
        of_trace.into_iter().find(|span| is_statement(span) && text(span).contains("FROM snacks")).cloned()
    });
    let statement = statement.await;
    assert_eq!((statement.kind(), statement.name.split(' ').next()), (SpanKind::Client, Some("SELECT")));
    let names = ["db.query.summary", "db.query.text", "db.response.returned_rows", "db.system.name"];
    assert_eq!(attribute_names(&statement), names);
    let text = attribute(&statement.attributes, "db.query.text").expect("a text");
    assert!(text.contains("$1"), "{text}");
    assert!(span.start_time_unix_nano <= statement.start_time_unix_nano, "{span:?} {statement:?}");
    assert!(statement.end_time_unix_nano <= span.end_time_unix_nano, "{span:?} {statement:?}");
    assert!(statement.start_time_unix_nano < statement.end_time_unix_nano, "{statement:?}");

    // A request that changes something goes on in a task of its own.
    let other = trace(7);
    let body = json!({"username": "kim@snack.example", "password": "a wrong secret"});
    let request = client.http.post(client.url("/auth/token")).json(&body);
    assert_eq!(send(request.header("traceparent", traceparent(&other, "01"))).await.0, 401);
    let request = collector.request(&other).await;
    let find = |spans: &[&Span]| spans.iter().any(|span| is_statement(span) && is_child(span, &request)).then_some(());
    collector.wait_for("statement of the task", find).await;
    // A request without a trace begins one.
    let find = |spans: &[&Span]| spans.iter().find(|span| span.name == "POST /auth/sign-up").map(|&span| span.clone());
    assert!(collector.wait_for("request", find).await.parent_span_id.is_empty());

    let [export, ..] = &collector.seen[..] else { panic!("an export") };
    assert_eq!(
        (export.path.as_str(), &export.headers["x-key"]),
        ("/v1/traces", &"of the collector".parse().expect(""))
    );
    let resource = |key| attribute(&export.resource.attributes, key);
    assert_eq!(resource("service.name").as_deref(), Some("snack-server"));
    assert_eq!(resource("service.version").as_deref(), Some(env!("CARGO_PKG_VERSION")));

    let lines: Vec<Value> = stop(server).await.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let traced = |trace: &str| lines.iter().filter(move |line| line["trace_id"] == trace).collect::<Vec<_>>();
    assert!(matches!(traced(TRACE)[..], [line] if line["message"] == "request completed"), "{lines:?}");
    // Lines within a request have the fields of its span.
    let refused = lines.iter().find(|line| line["target"] == "audit" && line["span"]["trace_id"] == other.as_str());
    let refused = refused.unwrap_or_else(|| panic!("an audit line: {lines:?}"));
    assert_eq!((&refused["span"]["id"], &refused["span"]["name"]), (&json!(REQUEST_ID), &json!("request")));
    // Traces make the log no longer.
    let is_foreign = |line: &&Value| line["target"] == "sqlx::query" || line["target"] == "snack_server::trace";
    assert_eq!(lines.iter().find(is_foreign), None);
}

#[tokio::test]
async fn a_server_error_marks_the_span_of_its_request() {
    let mut collector = Collector::start(Answer::Status(200)).await;
    let database = database::create().await;
    let run =
        Run::on(&database, &["serve"]).set("OTEL_SERVICE_NAME", "간식").set("OTEL_RESOURCE_ATTRIBUTES", "team=tea");
    let server = collector.set(run).serve().await;
    let client = ProcessClient::new(&server);
    let (access, _) = client.member("kim@snack.example").await;
    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect_with(&database).await.expect("Postgres");
    sqlx::query("ALTER TABLE orders RENAME TO renamed").execute(&mut connection).await.expect("a new name");
    assert_eq!(get(&client, &access, "/orders", &traceparent(TRACE, "01")).await, 500);
    let span = collector.request(TRACE).await;
    assert!(is_error(&span), "{span:?}");
    assert_eq!(attribute(&span.attributes, "http.response.status_code").as_deref(), Some("500"));
    assert_eq!(get(&client, &access, "/nothing/kim@snack.example", &traceparent(&trace(1), "01")).await, 404);
    let span = collector.request(&trace(1)).await;
    assert!(!is_error(&span), "{span:?}");
    assert_eq!((span.name.as_str(), attribute_names(&span).len()), ("GET", 3), "without what was typed: {span:?}");
    let request = client.http.request("PURGE".parse().expect("a method"), client.url("/orders"));
    assert_eq!(send(request.header("traceparent", traceparent(&trace(2), "01"))).await.0, 405);
    let span = collector.request(&trace(2)).await;
    assert_eq!(attribute(&span.attributes, "http.request.method").as_deref(), Some("_OTHER"), "{span:?}");
    let resource = |key| attribute(&collector.seen[0].resource.attributes, key);
    assert_eq!((resource("service.name").as_deref(), resource("team").as_deref()), (Some("간식"), Some("tea")));
    stop(server).await;
}

#[tokio::test]
async fn a_reaction_has_spans_of_its_batch_its_statement_and_its_redis_command() {
    let mut collector = Collector::start(Answer::Status(200)).await;
    let database = database::create().await;
    let run = Run::on(&database, &["serve"]).set("REACTION_FLUSH_INTERVAL", "50ms");
    let server = collector.set(run).serve().await;
    let client = ProcessClient::new(&server);
    let (access, _) = client.member("kim@snack.example").await;
    let (_, snack) = client.post(&access, "/snacks", json!({"name": "새우깡", "price": "1500"})).await;
    let path = format!("/snacks/{}/reaction", snack["uid"].as_str().expect("a uid"));
    let (trace, last_trace) = (trace(0), trace(1));
    let request = client.http.post(client.url(&path)).bearer_auth(&access).json(&json!({"type": "like"}));
    assert_eq!(send(request.header("traceparent", traceparent(&trace, "01"))).await.0, 200);
    let request = collector.request(&trace).await;
    assert_eq!(request.name, "POST /snacks/{uid}/reaction");
    let batch = collector.wait_for("batch", |spans| {
        let of_trace = of_trace(spans, &trace);
        of_trace.into_iter().find(|span| span.name == "batch").cloned()
    });
    let batch = batch.await;
    assert!(is_child(&batch, &request), "{batch:?} {request:?}");
    assert_eq!(attribute(&batch.attributes, "db.operation.batch.size").as_deref(), Some("1"));
    let below: Vec<Span> = collector.spans().into_iter().filter(|span| is_child(span, &batch)).collect();
    assert!(below.iter().any(is_statement), "{below:?}");
    let command = below.iter().find(|span| span.name == "EVALSHA").expect("a command of Redis");
    assert_eq!(attribute_names(command), ["db.operation.name", "db.system.name"]);
    assert_eq!(attribute(&command.attributes, "db.system.name").as_deref(), Some("redis"));
    assert_eq!((command.kind(), is_error(command)), (SpanKind::Client, false));
    // Lists have the count once the flush has run.
    let flushed =
        async { while client.get(&access, "/snacks").await.1["results"][0]["like_reaction_count"] != json!(1) {} };
    timeout(Duration::from_secs(10), flushed).await.expect("a flush");
    // Spans arrive in their order, so those of the flush would be there before this one.
    let request = client.http.get(client.url("/snacks")).bearer_auth(&access);
    assert_eq!(send(request.header("traceparent", traceparent(&last_trace, "01"))).await.0, 200);
    collector.request(&last_trace).await;
    // Those of background tasks, such as the flush, are in no trace.
    let spans = collector.spans();
    let roots = spans.iter().filter(|span| span.parent_span_id.is_empty());
    assert_eq!(roots.filter(|span| span.kind() != SpanKind::Server).count(), 0);
    stop(server).await;
}

#[tokio::test]
async fn each_request_of_a_batch_has_its_statements_or_a_link_to_them() {
    let mut collector = Collector::start(Answer::Status(200)).await;
    let database = database::create().await;
    let server = collector.set(Run::on(&database, &["serve"])).serve().await;
    let client = ProcessClient::new(&server);
    let (access, _) = client.member("kim@snack.example").await;
    let (mut first, mut linked) = (0, 0);
    // Until some have shared a batch.
    while linked == 0 {
        let traces: Vec<String> = (first..first + 40).map(trace).collect();
        first += traces.len();
        let parents = traces.iter().map(|trace| traceparent(trace, "01"));
        let requests = parents.map(async |parent| assert_eq!(get(&client, &access, "/orders", &parent).await, 200));
        join_all(requests).await;
        for trace in &traces {
            let request = collector.request(trace).await;
            let batch = collector.wait_for("batch", |spans| {
                let is_batch = |span: &&&Span| {
                    let is_linked = request.links.iter().any(|link| link.span_id == span.span_id);
                    let links_back = span.links.iter().any(|link| link.span_id == request.span_id);
                    span.name == "batch" && (is_child(span, &request) || (is_linked && links_back))
                };
                spans.iter().find(is_batch).map(|&span| span.clone())
            });
            let batch = batch.await;
            let find = |spans: &[&Span]| spans.iter().any(|it| is_statement(it) && is_child(it, &batch)).then_some(());
            collector.wait_for("statement of the batch", find).await;
            linked += usize::from(!is_child(&batch, &request));
        }
    }
    stop(server).await;
}

/// A server with a channel that has an event, and everything that must not be in its traces.
async fn with_channel(collector: &Collector, receiver: &Receiver) -> (Server, Vec<String>) {
    let database = database::create().await;
    let run = Run::on(&database, &["serve"]).set("OUTBOUND_ALLOW_HTTP", "true").set("OUTBOUND_ALLOW_PRIVATE", "true");
    let create = Run::on(&database, &["create-admin", "--email", "boss@snack.example", "--name", "박관리"]);
    create.set("SNACK_ADMIN_PASSWORD", PASSWORD).end().await.expect_success();
    let server = collector.set(run).serve().await;
    let client = ProcessClient::new(&server);
    let (access, refresh) = client.member("kim@snack.example").await;
    let body = json!({"username": "boss@snack.example", "password": PASSWORD});
    let (_, tokens) = client.post("", "/auth/token", body).await;
    let admin = tokens["access"].as_str().expect("a token");
    let channel = json!({"kind": "webhook", "name": "회계 채널", "url": receiver.url, "events": ["order.created"]});
    let (status, channel) = client.post(admin, "/channels", channel).await;
    assert_eq!(status, 201, "{channel}");
    let invitation = json!({"email": "new@snack.example", "member_type": "member"});
    let (_, invitation) = client.post(admin, "/auth/invitations", invitation).await;
    let link = invitation["url"].as_str().expect("a link");
    let token = link.rsplit_once('=').expect("a token").1;
    client.get("", &format!("/app/sign-up?invitation={token}")).await;
    client.get(&access, "/auth/users/profile").await;
    client.get(admin, "/auth/users?search=kim@snack.example").await;
    let (_, snack) = client.post(&access, "/snacks", json!({"name": "새우깡", "price": "1500"})).await;
    let order = json!({"snacks": [{"uid": snack["uid"], "quantity": 1}], "note": "급한 메모"});
    assert_eq!(client.post(&access, "/orders", order).await.0, 201);
    let secret = channel["secret"].as_str().expect("a secret");
    let personal = [
        "kim@snack",
        "boss@snack",
        "new@snack",
        "김간식",
        "박관리",
        "회계 채널",
        "급한 메모",
        "새우깡",
        "secret-path",
        "127.0.0.1",
        PASSWORD,
        SECRET,
        "$argon2",
        "Bearer",
        token,
        secret.trim_start_matches("whsec_"),
        access.rsplit('.').next().expect("a signature"),
        refresh.rsplit('.').next().expect("a signature"),
        admin.rsplit('.').next().expect("a signature"),
    ];
    (server, personal.map(str::to_owned).to_vec())
}

fn delivery<'a>(spans: &[&'a Span]) -> Option<&'a Span> {
    spans.iter().find(|span| span.name == "deliver channel").copied()
}

#[tokio::test]
async fn a_delivery_has_a_span_and_nothing_personal_is_in_any_trace() {
    let mut collector = Collector::start(Answer::Status(200)).await;
    let mut receiver = Receiver::start(Answer::Status(200)).await;
    let (server, personal) = with_channel(&collector, &receiver).await;
    let span = collector.wait_for("delivery", |spans| delivery(spans).cloned()).await;
    let names = ["delivery.attempt", "delivery.kind", "delivery.outcome", "delivery.receiver", "delivery.uid"];
    assert_eq!(attribute_names(&span), [&names[..], &["http.response.status_code"]].concat());
    let value = |name| attribute(&span.attributes, name).expect("a value");
    assert_eq!(
        [value("delivery.attempt"), value("delivery.kind"), value("delivery.outcome")],
        ["1", "channel", "delivered"]
    );
    assert_eq!(value("http.response.status_code"), "200");
    assert!(span.parent_span_id.is_empty() && !is_error(&span), "{span:?}");
    let request = receiver.next().await;
    assert_eq!(request.header("webhook-id"), format!("msg_{}", value("delivery.uid")));
    // The receiver is told of no trace.
    assert!(!request.headers.contains_key("traceparent"), "{:?}", request.headers);
    let find = |spans: &[&Span]| spans.iter().any(|it| is_statement(it) && is_child(it, &span)).then_some(());
    collector.wait_for("statement of the delivery", find).await;

    stop(server).await;
    assert!(collector.spans().len() > 20);
    for export in &collector.seen {
        let sent = String::from_utf8_lossy(&export.bytes);
        for text in &personal {
            assert!(!sent.contains(text), "{text}: {:?}", export.spans);
        }
    }
}

#[tokio::test]
async fn a_delivery_that_fails_marks_its_span() {
    let mut collector = Collector::start(Answer::Status(200)).await;
    let receiver = Receiver::start(Answer::Status(500)).await;
    let (server, _) = with_channel(&collector, &receiver).await;
    let span = collector.wait_for("delivery", |spans| delivery(spans).cloned()).await;
    assert!(is_error(&span), "{span:?}");
    let value = |name| attribute(&span.attributes, name).expect("a value");
    assert_eq!([value("delivery.outcome"), value("http.response.status_code")], ["failed", "500"]);
    stop(server).await;
}

/// Names of the threads of a process.
fn threads(server: &Server) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).expect("threads");
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    tasks.map(|task| name(task.expect("a thread"))).collect()
}

#[tokio::test]
async fn without_an_endpoint_there_are_no_traces_and_commands_have_none_with_one() {
    let mut collector = Collector::start(Answer::Status(200)).await;
    let database = database::create().await;
    let traced = collector.set(Run::on(&database, &["serve"]));
    let off = traced.clone().unset("OTEL_EXPORTER_OTLP_ENDPOINT");
    let server = off.set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("{}/v1/traces", collector.url)).serve().await;
    let client = ProcessClient::new(&server);
    let (access, _) = client.member("kim@snack.example").await;
    assert_eq!(get(&client, &access, "/orders", &traceparent(TRACE, "01")).await, 200);
    let is_exporter = |name: &String| name.starts_with("OpenTelemetry");
    assert_eq!(threads(&server).iter().find(|name| is_exporter(name)), None);
    let lines = stop(server).await;
    let completed: Vec<_> = lines.iter().filter(|line| line.contains("\"request completed\"")).collect();
    assert!(completed.len() == 3 && completed.iter().all(|line| !line.contains("trace_id")), "{completed:?}");
    let migrate = Run::on(&database, &["migrate"]).set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    migrate.end().await.expect_success();
    assert_eq!(collector.spans(), []);
    // The same server with the endpoint has both.
    let server = traced.serve().await;
    assert!(threads(&server).iter().any(is_exporter));
    assert_eq!(get(&ProcessClient::new(&server), &access, "/orders", &traceparent(TRACE, "01")).await, 200);
    stop(server).await;
    collector.request(TRACE).await;
}

#[tokio::test]
async fn the_sampler_decides_which_requests_are_recorded() {
    // Flags of the client, and whether the span is recorded.
    let table = [
        ("parentbased_always_on", "", "01", true),
        ("parentbased_always_on", "", "00", false),
        ("traceidratio", "1", "00", true),
        ("traceidratio", "0", "01", false),
        ("always_off", "", "01", false),
    ];
    let database = database::create().await;
    for (sampler, argument, flags, is_recorded) in table {
        let mut collector = Collector::start(Answer::Status(200)).await;
        let run = Run::on(&database, &["serve"]).set("OTEL_TRACES_SAMPLER", sampler);
        let server = collector.set(run.set("OTEL_TRACES_SAMPLER_ARG", argument)).serve().await;
        let client = ProcessClient::new(&server);
        assert_eq!(get(&client, "", "/health/ready", &traceparent(TRACE, flags)).await, 200);
        stop(server).await;
        // The last spans are exported when the server stops.
        let spans = collector.spans();
        let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names.contains(&"GET /health/ready"), is_recorded, "{sampler} {flags}: {names:?}");
        assert_eq!(names.is_empty(), !is_recorded, "{sampler} {flags}: {names:?}");
    }
}

#[tokio::test]
async fn a_collector_that_is_down_refuses_or_is_silent_costs_requests_nothing() {
    let database = database::create().await;
    let refusing = Collector::start(Answer::Status(503)).await;
    let silent = Collector::start(Answer::Silence).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let down = format!("http://{}", closed.local_addr().expect("an address"));
    drop(closed);
    for url in [&refusing.url, &silent.url, &down] {
        // The queue is full after a few requests.
        let run = Run::on(&database, &["serve"]).set("OTEL_EXPORTER_OTLP_ENDPOINT", url);
        let run = run.set("OTEL_BSP_SCHEDULE_DELAY", "10").set("OTEL_BSP_MAX_QUEUE_SIZE", "16");
        let server = run.set("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8").serve().await;
        let client = ProcessClient::new(&server);
        let requests = async {
            for number in 0..300 {
                assert_eq!(get(&client, "", "/health/ready", &traceparent(&trace(number), "01")).await, 200);
            }
        };
        timeout(Duration::from_secs(20), requests).await.expect("requests that do not wait for the collector");
        let since = Instant::now();
        let lines = stop(server).await;
        assert!(since.elapsed() < Duration::from_secs(10), "{url}: {:?}", since.elapsed());
        let warnings = lines.iter().filter(|line| line.contains("not exported"));
        let count = warnings.count();
        assert!((1..=2).contains(&count), "{url}: {count} warnings");
        assert_eq!(lines.iter().filter(|line| line.contains("\"request completed\"")).count(), 300);
    }
}
