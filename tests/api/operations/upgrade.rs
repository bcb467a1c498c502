//! A rolling upgrade: the server of the release before and this one, side by side on one database. scripts/upgrade runs it.

use std::{path::PathBuf, time::Duration};

use image::ImageFormat;
use reqwest::{Method, StatusCode, multipart::Form};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::{
    budget::this_month,
    database::{self, count_rows},
    event_stream::EventStream,
    images::{encoded, form, picture},
    process::{Run, Server},
    process_client::ProcessClient,
    test_app::PASSWORD,
};

const ADMIN: &str = "admin@snack.example";
/// Time for counters to converge.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client of one of the servers.
struct Client {
    name: &'static str,
    client: ProcessClient,
}

impl Client {
    fn new(name: &'static str, server: &Server) -> Self {
        Self { name, client: ProcessClient::new(server) }
    }

    /// Sends a request that succeeds, and returns its JSON.
    async fn send(&self, method: Method, token: &str, path: &str, body: Value) -> Value {
        let mut request = self.client.http.request(method.clone(), self.client.url(path));
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.bearer_auth(token).send().await.expect("a response");
        let status = response.status();
        let text = response.text().await.expect("a body");
        assert!(status.is_success(), "{method} {path} at the {} server: {status} {text}", self.name);
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn get(&self, token: &str, path: &str) -> Value {
        self.send(Method::GET, token, path, Value::Null).await
    }

    async fn post(&self, token: &str, path: &str, body: Value) -> Value {
        self.send(Method::POST, token, path, body).await
    }

    async fn put(&self, token: &str, path: &str, body: Value) -> Value {
        self.send(Method::PUT, token, path, body).await
    }

    /// Registers a snack with a picture.
    async fn upload(&self, token: &str, form: Form) -> Value {
        let request = self.client.http.post(self.client.url("/snacks")).bearer_auth(token).multipart(form);
        let response = request.send().await.expect("a response");
        assert_eq!(response.status(), StatusCode::CREATED, "an upload at the {} server", self.name);
        response.json().await.expect("JSON")
    }

    /// The bytes of a file: a picture, or a table as CSV.
    async fn file(&self, token: &str, path: &str) -> Vec<u8> {
        let request = self.client.http.get(self.client.url(path)).bearer_auth(token);
        let response = request.header("accept", "text/csv").send().await.expect("a response");
        assert_eq!(response.status(), StatusCode::OK, "{path} at the {} server", self.name);
        response.bytes().await.expect("a body").to_vec()
    }

    async fn events(&self, token: &str) -> EventStream {
        EventStream::send(self.client.http.get(self.client.url("/events")).bearer_auth(token)).await
    }

    async fn sign_up(&self, email: &str) {
        self.post("", "/auth/sign-up", json!({"email": email, "password": PASSWORD, "name": "김간식"})).await;
    }

    /// Signs in and returns the access and the refresh token.
    async fn sign_in(&self, email: &str) -> (String, String) {
        let tokens = self.post("", "/auth/token", json!({"username": email, "password": PASSWORD})).await;
        (text(&tokens["access"]), text(&tokens["refresh"]))
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Waits until both servers count these likes and hates.
async fn wait_for_counts(servers: [&Client; 2], token: &str, snack: &str, counts: [i64; 2]) {
    let waiting = async {
        for server in servers {
            let count = async || {
                let snack = server.get(token, &format!("/snacks/{snack}")).await;
                [snack["like_reaction_count"].as_i64(), snack["hate_reaction_count"].as_i64()]
            };
            while count().await != counts.map(Some) {
                sleep(Duration::from_millis(50)).await;
            }
        }
    };
    timeout(TIMEOUT, waiting).await.unwrap_or_else(|_| panic!("the servers do not agree on {counts:?}"));
}

/// The work of an office, in which each step is at another server than the one before.
async fn work(here: &Client, there: &Client, name: &str) {
    let email = format!("{name}@snack.example");
    here.sign_up(&email).await;
    let (access, refresh) = there.sign_in(&email).await;
    assert_eq!(here.get(&access, "/auth/users/profile").await["email"], json!(email));
    let tokens = here.post("", "/auth/token/refresh", json!({"refresh": refresh})).await;
    let member = text(&tokens["access"]);
    let (admin, _) = there.sign_in(ADMIN).await;

    let mut events = there.events(&member).await;
    let upload = form(&format!("새우깡 {name}"), encoded(&picture(64, 64), ImageFormat::Png));
    let snack = here.upload(&member, upload).await;
    let uid = text(&snack["uid"]);
    events.wait_for("snack", json!({"uid": uid})).await;
    let image = text(&snack["image"]);
    assert_eq!(here.file(&member, &image).await, there.file(&member, &image).await);

    let reaction = format!("/snacks/{uid}/reaction");
    here.post(&member, &reaction, json!({"type": "like"})).await;
    there.post(&admin, &reaction, json!({"type": "hate"})).await;
    wait_for_counts([here, there], &member, &uid, [1, 1]).await;
    here.post(&admin, &reaction, json!({"type": "like"})).await;
    wait_for_counts([here, there], &member, &uid, [2, 0]).await;

    let month = this_month();
    here.put(&admin, &format!("/budgets/{month}"), json!({"currency": "KRW", "amount": "5000000"})).await;
    let body = json!({"snacks": [{"uid": uid, "quantity": 3}]});
    let order = async |server: &Client| {
        let request = server.client.http.post(server.client.url("/orders")).bearer_auth(&member).json(&body);
        let response = request.header("idempotency-key", format!("key-{name}")).send().await.expect("a response");
        assert_eq!(response.status(), StatusCode::CREATED, "at the {} server", server.name);
        text(&response.json::<Value>().await.expect("JSON")["uid"])
    };
    let placed = order(here).await;
    assert_eq!(placed, order(there).await, "one order for one key");
    events.wait_for("order", json!({"uid": placed, "status": "created"})).await;
    let arrival = "2030-01-09T03:00:00Z";
    for (server, status) in [(there, "approved"), (here, "ordered"), (there, "shipping"), (here, "completed")] {
        let body = json!({"status": status, "estimated_arrival_time": arrival});
        server.put(&admin, &format!("/orders/{placed}/status"), body).await;
        events.wait_for("order", json!({"uid": placed, "status": status})).await;
    }

    assert_eq!(here.get(&member, "/notifications/unread-count").await, json!({"count": 4}));
    there.put(&member, "/notifications/read", json!({"all": true})).await;
    for path in [
        "/notifications".to_owned(),
        "/notifications/unread-count".to_owned(),
        "/orders".to_owned(),
        format!("/orders/{placed}/history"),
        format!("/budgets?month={month}"),
        "/statistics/summary".to_owned(),
        "/statistics/snacks".to_owned(),
    ] {
        let answer = here.get(&member, &path).await;
        assert!(!answer.is_null());
        assert_eq!(answer, there.get(&member, &path).await, "{path}");
    }
    assert_eq!(here.get(&member, "/notifications/unread-count").await, json!({"count": 0}));
    for path in ["/snacks", "/statistics/orders"] {
        assert_eq!(here.file(&member, path).await, there.file(&member, path).await, "{path}");
    }
    assert_eq!(here.get(&admin, "/audit?limit=100").await, there.get(&admin, "/audit?limit=100").await);
}

async fn stop(server: Server) {
    server.signal("-TERM");
    let (code, lines, _) = server.wait().await;
    assert_eq!(code, Some(0), "{lines:?}");
    let errors: Vec<_> = lines.iter().filter(|line| line.contains("\"ERROR\"")).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[tokio::test]
#[ignore = "needs the server of the release before, which scripts/upgrade builds"]
async fn rolling_upgrade() {
    let before = PathBuf::from(std::env::var_os("PREVIOUS_SERVER").expect("PREVIOUS_SERVER, run scripts/upgrade"));
    let database = database::create_empty().await;
    let next_run = Run::on(&database, &["serve"])
        .set("REACTION_FLUSH_INTERVAL", "200ms")
        .set("REACTION_RECONCILE_INTERVAL", "1s")
        .set("ADMIN_EMAIL", ADMIN)
        .set("SNACK_ADMIN_PASSWORD", PASSWORD);
    let before_run = next_run.clone().of_program(before);

    // The release before alone, with data of its own.
    let before_server = before_run.serve().await;
    let before = Client::new("former", &before_server);
    before.sign_up("first@snack.example").await;
    let (first, _) = before.sign_in("first@snack.example").await;
    let snack = before.post(&first, "/snacks", json!({"name": "양파링", "price": "1500"})).await;
    let snack = text(&snack["uid"]);
    before.post(&first, &format!("/snacks/{snack}/reaction"), json!({"type": "like"})).await;
    let order = before.post(&first, "/orders", json!({"snacks": [{"uid": snack, "quantity": 1}]})).await;
    work(&before, &before, "before").await;
    let migrations = count_rows(&database, "_sqlx_migrations").await;

    // Both.
    let next_server = next_run.serve().await;
    let next = Client::new("new", &next_server);
    work(&before, &next, "before-next").await;
    work(&next, &before, "next-before").await;
    wait_for_counts([&before, &next], &first, &snack, [1, 0]).await;
    let path = format!("/orders/{}", text(&order["uid"]));
    assert_eq!(before.get(&first, &path).await, next.get(&first, &path).await);

    // This one alone.
    stop(before_server).await;
    work(&next, &next, "next").await;

    // Back again. The release before this one refuses a database with new migrations, and later ones do not.
    if count_rows(&database, "_sqlx_migrations").await == migrations {
        let before_server = before_run.serve().await;
        let before = Client::new("former", &before_server);
        work(&next, &before, "back").await;
        stop(next_server).await;
        work(&before, &before, "alone").await;
        stop(before_server).await;
    } else {
        println!("not gone back, because this release has new migrations");
        stop(next_server).await;
    }
}
