//! A server under test, and one method for each kind of request. Every response is checked against the OpenAPI
//! document.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use reqwest::{Method, RequestBuilder, multipart::Form};
use serde_json::{Value, json};
use snack_server::{
    app::{self, connections::ConnectionLimits, state::AppState},
    auth::token::Session,
    config::{Config, Environment},
    reaction::{
        counters::StoredCounts,
        counts::ReactionType,
        flush::{self, Flusher},
        store::{self, ReactionCommand},
    },
};
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::{net::TcpListener, task::JoinHandle};
use uuid::Uuid;

use super::{
    database::{self, environment},
    response::Response,
};

/// The password of all users.
pub const PASSWORD: &str = "korea-snack-9";

/// A server with a database and a Redis prefix of its own. Its interval tasks do not run: tests call their steps.
pub struct TestApp {
    /// Base URL: `http://127.0.0.1:12345`.
    pub url: String,
    /// The application state, for checks past HTTP.
    pub state: AppState,
    client: reqwest::Client,
    server: JoinHandle<()>,
}

/// A user who has signed in.
#[derive(Clone, Debug)]
pub struct TestUser {
    pub id: i64,
    pub email: String,
    pub access: String,
    pub refresh: String,
}

/// Limits of a listener of one test.
pub fn connection_limits(total: usize, per_address: usize, write_timeout: Duration) -> ConnectionLimits {
    ConnectionLimits { total, per_address, write_timeout, shutdown_delay: Duration::ZERO, trusted_proxies: Vec::new() }
}

/// Settings for a server of one test.
pub fn settings(database: PgConnectOptions) -> Config {
    let variables = [
        ("DATABASE_URL", environment("DATABASE_URL")),
        ("REDIS_URL", environment("REDIS_URL")),
        ("REDIS_PREFIX", format!("test:{}:", Uuid::new_v4())),
        ("JWT_SECRET", TestApp::SECRET.to_owned()),
        ("HTTP_ADDR", "127.0.0.1:0".to_owned()),
        ("MEDIA_URL", format!("file://{}", std::env::temp_dir().join(format!("snack-{}", Uuid::new_v4())).display())),
        // All users share one address.
        ("LIMIT_SIGN_IN_ADDRESS", "100000/1s".to_owned()),
        ("LIMIT_SIGN_UP_ADDRESS", "100000/1s".to_owned()),
        ("LIMIT_SIGN_IN_ACCOUNT", "100000/1s".to_owned()),
        ("LIMIT_WRITES_USER", "100000/1s".to_owned()),
        ("REACTION_FLUSH_INTERVAL", "1day".to_owned()),
        ("REACTION_RECONCILE_INTERVAL", "1day".to_owned()),
    ];
    let environment: Environment = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Config {
        database_direct: database::direct(&database),
        database,
        program: env!("CARGO_BIN_EXE_snack-server").into(),
        web: None,
        ..Config::read(&environment).expect("valid settings")
    }
}

impl TestApp {
    /// Key of the tokens of these servers.
    pub const SECRET: &str = "a secret of the tests, 32 bytes or more";

    /// Starts a server with the default settings of tests.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts a server with changed settings.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = settings(database::create().await);
        change(&mut config);
        Self::serve(config).await
    }

    /// Starts another server on the same database, Redis and media folder.
    pub async fn replica(&self) -> Self {
        Self::serve(self.state.config.as_ref().clone()).await
    }

    /// Starts a server with exactly these settings.
    pub async fn serve(config: Config) -> Self {
        let pool =
            snack_server::db::connect::connect(&config.database, &config.database_direct).await.expect("Postgres");
        let state = AppState::new(config, pool).expect("state");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = state.clone();
        let server = tokio::spawn(async move {
            app::server::serve_on(serving, listener).await.expect("a server that stops in order")
        });
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .expect("a client");
        Self { url, state, client, server }
    }

    /// Stops the server gracefully and waits for its end.
    pub async fn stop(self) {
        self.state.stop.cancel();
        self.server.await.expect("the server's end");
    }

    /// Ends the server without an orderly stop: its tasks end wherever they are.
    pub async fn kill(self) {
        self.server.abort();
        assert!(self.server.await.is_err_and(|error| error.is_cancelled()));
    }

    pub fn db(&self) -> &PgPool {
        &self.state.db
    }

    /// Writes the row of a reaction without telling Redis, like a server that is killed in between.
    pub async fn write_reaction(&self, snack: Uuid, user: i64, reaction: Option<ReactionType>) -> store::Outcome {
        let written = store::write(self.db(), &[ReactionCommand { snack, user, reaction }], store::SINGLE_LOCK_TIMEOUT)
            .await
            .expect("a statement");
        written.into_iter().next().expect("an outcome")
    }

    /// The counters of a snack in Redis.
    pub async fn stored(&self, snack: Uuid) -> Option<StoredCounts> {
        self.state.reactions.counters.trusted_counts(&[snack]).await.pop().flatten()
    }

    /// Runs the flush step of the interval task.
    pub async fn flush(&self) -> usize {
        flush::flush(self.db(), &self.state.reactions.counters).await.expect("a flush")
    }

    /// Runs the reconcile step of the interval task.
    pub async fn reconcile(&self) -> usize {
        let flusher = Flusher::new(&self.state.reactions, self.state.watchdog.clone());
        flusher.reconcile().await.expect("a reconcile").repaired
    }

    /// A request to be sent with [`TestApp::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Sends a request, reads the response, and checks it against the OpenAPI document.
    pub async fn send(&self, request: RequestBuilder) -> Response {
        let request = request.build().expect("a request");
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = self.client.execute(request).await.expect("a response");
        Response::read(&method, &path, response).await
    }

    pub async fn get(&self, user: &TestUser, path: &str) -> Response {
        self.send(self.request(Method::GET, path).bearer_auth(&user.access)).await
    }

    pub async fn post(&self, user: &TestUser, path: &str, body: Value) -> Response {
        self.send(self.request(Method::POST, path).bearer_auth(&user.access).json(&body)).await
    }

    pub async fn put(&self, user: &TestUser, path: &str, body: Value) -> Response {
        self.send(self.request(Method::PUT, path).bearer_auth(&user.access).json(&body)).await
    }

    pub async fn patch(&self, user: &TestUser, path: &str, body: Value) -> Response {
        self.send(self.request(Method::PATCH, path).bearer_auth(&user.access).json(&body)).await
    }

    pub async fn delete(&self, user: &TestUser, path: &str) -> Response {
        self.send(self.request(Method::DELETE, path).bearer_auth(&user.access)).await
    }

    pub async fn post_form(&self, user: &TestUser, path: &str, form: Form) -> Response {
        self.send(self.request(Method::POST, path).bearer_auth(&user.access).multipart(form)).await
    }

    /// Posts without a token.
    pub async fn post_open(&self, path: &str, body: Value) -> Response {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// Signs up a member and signs them in.
    pub async fn member(&self) -> TestUser {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let email = format!("member{number}@snack.example");
        let body = json!({"email": email, "password": PASSWORD, "name": format!("회원 {number}")});
        let user = self.post_open("/auth/sign-up", body).await.expect(201);
        self.sign_in(user["id"].as_i64().expect("an id"), &email).await
    }

    /// Creates a member and makes them an admin.
    pub async fn admin(&self) -> TestUser {
        let admin = self.member().await;
        sqlx::query("UPDATE users SET member_type = 'admin' WHERE id = $1")
            .bind(admin.id)
            .execute(self.db())
            .await
            .expect("an admin");
        self.state.auth.user_cache.invalidate(admin.id);
        admin
    }

    /// Signs in with the password of all users.
    pub async fn sign_in(&self, id: i64, email: &str) -> TestUser {
        let tokens = self.post_open("/auth/token", json!({"username": email, "password": PASSWORD})).await.expect(200);
        TestUser {
            id,
            email: email.to_owned(),
            access: tokens["access"].as_str().expect("a token").to_owned(),
            refresh: tokens["refresh"].as_str().expect("a token").to_owned(),
        }
    }

    /// Creates `count` members and their access tokens without hashing passwords.
    pub async fn users(&self, count: i32) -> Vec<TestUser> {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "INSERT INTO users (email, email_key, name, name_key, password_hash)
             SELECT email, email, 'crowd', 'crowd', '' FROM (
                 SELECT 'crowd-' || gen_random_uuid() AS email FROM generate_series(1, $1)) AS emails
             RETURNING id, email",
        )
        .bind(count)
        .fetch_all(self.db())
        .await
        .expect("a crowd");
        rows.into_iter()
            .map(|(id, email)| {
                let session = Session { id: Uuid::new_v4(), user_id: id, token_generation: 0 };
                TestUser {
                    id,
                    email,
                    access: self.state.auth.keys.access(&session).expect("a token"),
                    refresh: String::new(),
                }
            })
            .collect()
    }

    /// Adds `likes` and `hates` reactions of new users to a snack, as rows in Postgres that are not counted yet.
    pub async fn add_reactions(&self, snack: &str, likes: i32, hates: i32) {
        let ids: Vec<i64> = self.users(likes + hates).await.iter().map(|person| person.id).collect();
        sqlx::query(
            "INSERT INTO snack_reactions (snack_id, user_id, type)
             SELECT snacks.id, person.id, (CASE WHEN at <= $3 THEN 'like' ELSE 'hate' END)::reaction_type
             FROM snacks, unnest($2::bigint[]) WITH ORDINALITY AS person (id, at) WHERE uid = $1::uuid",
        )
        .bind(snack)
        .bind(ids)
        .bind(likes)
        .execute(self.db())
        .await
        .expect("reactions");
    }

    /// Registers a snack of 1,500 won and returns its uid.
    pub async fn snack(&self, user: &TestUser, name: &str) -> String {
        self.post(user, "/snacks", json!({"name": name, "price": "1500"})).await.expect(201).uid()
    }

    /// Orders one of each of `snacks` and returns the order's uid.
    pub async fn order(&self, user: &TestUser, snacks: &[&str]) -> String {
        let lines: Vec<Value> = snacks.iter().map(|uid| json!({"uid": uid, "quantity": 1})).collect();
        self.post(user, "/orders", json!({"snacks": lines})).await.expect(201).uid()
    }

    /// Changes the status of an order, with an arrival time where one is needed.
    pub async fn set_status(&self, admin: &TestUser, order: &str, status: &str) -> Response {
        let body = json!({"status": status, "estimated_arrival_time": "2030-01-09T03:00:00Z"});
        self.put(admin, &format!("/orders/{order}/status"), body).await
    }
}
