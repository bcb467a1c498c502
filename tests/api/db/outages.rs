//! Postgres out of reach: every endpoint that needs it responds with 503 within three seconds, the others go on, and
//! the server recovers by itself.

use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::{Value, json};
use snack_server::error::{ApiError, Code};
use sqlx::{Connection, PgConnection, Postgres, Transaction, postgres::PgConnectOptions};
use tokio::time::timeout;

use crate::support::{
    database::{self, through_proxy},
    proxy::{Mode, Proxy},
    response::Response,
    test_app::{PASSWORD, TestApp, TestUser},
};

/// A server that reaches Postgres through a proxy, with a member, an admin, a snack and an order.
struct Setup {
    app: TestApp,
    proxy: Proxy,
    /// The database, past the proxy.
    database: PgConnectOptions,
    member: TestUser,
    admin: TestUser,
    snack: String,
    order: String,
}

impl Setup {
    async fn new() -> Self {
        let database = database::create().await;
        let (proxy, proxied) = through_proxy(&database).await;
        let app = TestApp::with(|config| database::lead_to(config, &proxied)).await;
        let (member, admin) = (app.member().await, app.admin().await);
        let snack = app.snack(&member, "새우깡").await;
        let order = app.order(&member, &[&snack]).await;
        Self { app, proxy, database, member, admin, snack, order }
    }

    /// A request of each kind that needs Postgres.
    fn endpoints(&self) -> Vec<(Method, String, Option<&TestUser>, Value)> {
        let (member, admin) = (Some(&self.member), Some(&self.admin));
        let line = json!({"snacks": [{"uid": self.snack, "quantity": 1}]});
        let sign_up = json!({"email": "new@snack.example", "password": PASSWORD, "name": "김간식"});
        let sign_in = json!({"username": self.member.email, "password": PASSWORD});
        let change = json!({"current_password": PASSWORD, "new_password": PASSWORD});
        let snack = |rest: &str| format!("/snacks/{}{rest}", self.snack);
        let order = |rest: &str| format!("/orders/{}{rest}", self.order);
        let none = Value::Null;
        vec![
            (Method::GET, "/health/ready".to_owned(), None, none.clone()),
            (Method::POST, "/auth/sign-up".to_owned(), None, sign_up),
            (Method::POST, "/auth/token".to_owned(), None, sign_in),
            (Method::POST, "/auth/token/refresh".to_owned(), None, json!({"refresh": self.member.refresh})),
            (Method::POST, "/auth/logout".to_owned(), None, json!({"refresh": self.member.refresh})),
            (Method::GET, "/auth/users/profile".to_owned(), member, none.clone()),
            (Method::PUT, "/auth/users/password".to_owned(), member, change),
            (Method::GET, "/auth/users".to_owned(), admin, none.clone()),
            (Method::PUT, format!("/auth/users/{}", self.member.id), admin, json!({"member_type": "admin"})),
            (Method::DELETE, "/auth/users/resign".to_owned(), member, none.clone()),
            (Method::GET, "/snacks".to_owned(), member, none.clone()),
            (Method::POST, "/snacks".to_owned(), member, json!({"name": "초코파이", "price": "500"})),
            (Method::GET, snack(""), member, none.clone()),
            (Method::PATCH, snack(""), member, json!({"price": "2000"})),
            (Method::POST, snack("/reaction"), member, json!({"type": "like"})),
            (Method::DELETE, snack("/reaction"), member, none.clone()),
            (Method::GET, "/orders".to_owned(), member, none.clone()),
            (Method::POST, "/orders".to_owned(), member, line.clone()),
            (Method::GET, order(""), member, none.clone()),
            (Method::PUT, order(""), member, line),
            (Method::PUT, order("/status"), admin, json!({"status": "approved"})),
            (Method::GET, order("/history"), member, none.clone()),
            (Method::GET, "/statistics/orders".to_owned(), member, none.clone()),
            (Method::GET, "/statistics/snacks".to_owned(), member, none.clone()),
            (Method::GET, "/statistics/summary".to_owned(), member, none),
        ]
    }

    /// Sends a request, and returns the response and its duration.
    async fn send(
        &self,
        (method, path, user, body): (Method, String, Option<&TestUser>, Value),
    ) -> (Response, Duration) {
        let mut request = self.app.request(method, &path);
        if let Some(person) = user {
            request = request.bearer_auth(&person.access);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let started = Instant::now();
        (self.app.send(request).await, started.elapsed())
    }

    async fn ready(&self) -> u16 {
        let request = self.app.request(Method::GET, "/health/ready");
        self.app.send(request).await.status.as_u16()
    }

    /// Waits until the server reaches Postgres again.
    async fn wait_until_ready(&self) {
        let polling = async { while self.ready().await != 200 {} };
        timeout(Duration::from_secs(10), polling).await.expect("a server that is ready again");
    }

    /// Breaks the connections to Postgres right after they have been used.
    async fn check_outage(&self, mode: Mode) {
        assert_eq!(self.ready().await, 200);
        let warm_up = (0..8).map(|_| self.app.get(&self.member, "/snacks"));
        join_all(warm_up).await;
        self.proxy.set_mode(mode);

        for round in 0..2 {
            for (response, took) in join_all(self.endpoints().into_iter().map(|endpoint| self.send(endpoint))).await {
                assert!(took < Duration::from_secs(3), "{mode:?} {round}: {took:?} {response:?}");
                assert!(!response.header("retry-after").is_empty());
                response.expect_error(503, "unavailable");
            }
        }
        // Endpoints that need no Postgres go on, and so does the rejection of requests without a token.
        let get_open = async |path: &str| self.app.send(self.app.request(Method::GET, path)).await;
        get_open("/health/live").await.expect(200);
        get_open("/openapi.json").await.expect(200);
        get_open("/metrics").await.expect(200);
        get_open("/nothing").await.expect_error(404, "not_found");
        get_open("/orders").await.expect_error(401, "not_authenticated");

        self.proxy.set_mode(Mode::Pass);
        self.proxy.reap();
        self.wait_until_ready().await;
        // The failed requests have changed nothing, and everything works as before.
        let order = self.app.get(&self.member, &format!("/orders/{}", self.order)).await.expect(200);
        assert_eq!((&order["status"], order["purchases"].as_array().map(Vec::len)), (&json!("created"), Some(1)));
        let name = format!("{mode:?}");
        self.app.snack(&self.member, &name).await;
        self.app.sign_in(self.member.id, &self.member.email).await;
        let react = json!({"type": "like"});
        let path = format!("/snacks/{}/reaction", self.snack);
        self.app.post(&self.member, &path, react).await.expect(200);
        self.app.delete(&self.member, &path).await.expect(200);
    }
}

#[tokio::test]
async fn a_postgres_that_refuses_is_a_503_in_time_and_over_when_it_is_back() {
    Setup::new().await.check_outage(Mode::Refuse).await;
}

#[tokio::test]
async fn a_postgres_that_hangs_up_is_a_503_in_time_and_over_when_it_is_back() {
    Setup::new().await.check_outage(Mode::Reset).await;
}

#[tokio::test]
async fn a_postgres_that_falls_silent_is_a_503_in_time_and_over_when_it_is_back() {
    Setup::new().await.check_outage(Mode::BlackHole).await;
}

#[tokio::test]
async fn requests_under_way_when_postgres_fails_succeed_or_get_503() {
    let setup = Setup::new().await;
    for mode in [Mode::Reset, Mode::Refuse] {
        let snacks = (0..60).map(async |number| {
            if number == 20 {
                setup.proxy.set_mode(mode);
            }
            let body = json!({"name": format!("{mode:?} {number}"), "price": "500"});
            setup.app.post(&setup.member, "/snacks", body).await
        });
        let responses = join_all(snacks).await;
        for response in responses.into_iter().filter(|response| response.status != 201) {
            response.expect_error(503, "unavailable");
        }
        setup.proxy.set_mode(Mode::Pass);
        setup.wait_until_ready().await;
    }
}

#[tokio::test]
async fn a_change_of_role_during_an_outage_is_known_when_it_is_over() {
    let setup = Setup::new().await;
    let app = &setup.app;
    app.get(&setup.member, "/checks/is_admin").await.expect_error(403, "permission_denied");
    setup.proxy.set_mode(Mode::Refuse);
    // The change is made past the proxy.
    let pool = sqlx::PgPool::connect_with(setup.database.clone()).await.expect("Postgres");
    sqlx::query("UPDATE users SET member_type = 'admin' WHERE id = $1")
        .bind(setup.member.id)
        .execute(&pool)
        .await
        .expect("an update");
    setup.proxy.set_mode(Mode::Pass);
    setup.wait_until_ready().await;
    app.get(&setup.member, "/checks/is_admin").await.expect(200);
}

#[tokio::test]
async fn a_request_that_waits_is_not_given_up_because_no_connection_is_left_for_a_probe() {
    let setup = Setup::new().await;
    assert_eq!(setup.ready().await, 200);
    let mut holder = PgConnection::connect_with(&setup.database).await.expect("Postgres");
    let mut lock = holder.begin().await.expect("a transaction");
    sqlx::query("SELECT FROM snacks FOR UPDATE").execute(&mut *lock).await.expect("a lock");
    setup.proxy.set_mode(Mode::Exhausted);
    let path = format!("/snacks/{}", setup.snack);
    let mut edit = std::pin::pin!(setup.app.patch(&setup.member, &path, json!({"price": "700"})));
    // Longer than the watchdog waits before it probes Postgres.
    let early = timeout(Duration::from_millis(2500), edit.as_mut()).await;
    assert!(early.is_err(), "the request was aborted: {early:?}");
    lock.rollback().await.expect("the end of the lock");
    edit.await.expect(200);
}

#[tokio::test]
async fn a_deadlock_is_a_503_because_a_repeated_request_succeeds() {
    let database = database::create().await;
    let lock = async |connection: &mut PgConnection, key: i64| {
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(key).execute(connection).await
    };
    let mut one = PgConnection::connect_with(&database).await.expect("Postgres");
    let mut two = PgConnection::connect_with(&database).await.expect("Postgres");
    let (mut one, mut two) = (one.begin().await.expect("a transaction"), two.begin().await.expect("a transaction"));
    lock(&mut one, 1).await.expect("a lock");
    lock(&mut two, 2).await.expect("a lock");
    // The error ends one of them, and the rollback frees the other one.
    let crossed = async |mut tx: Transaction<'_, Postgres>, key| {
        let result = lock(&mut tx, key).await;
        tx.rollback().await.expect("a rollback");
        result
    };
    let (first, second) = join(crossed(one, 2), crossed(two, 1)).await;
    let error = first.and(second).expect_err("a deadlock");
    assert_eq!(ApiError::from(error).code, Code::Unavailable);
}
