//! Postgres out of reach: told within three seconds, by every call that needs it and by no other, and over when it is over.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::timeout;

use crate::support::{
    database::{self, through_proxy},
    proxy::{Mode, Proxy},
    response::Answer,
    test_app::{PASSWORD, Person, TestApp},
};

/// A server whose way to Postgres can be cut, with a member, an admin, a snack and an order.
struct Office {
    app: TestApp,
    proxy: Proxy,
    /// The database, by a way that is always up.
    database: PgConnectOptions,
    member: Person,
    admin: Person,
    snack: String,
    order: String,
}

impl Office {
    async fn open() -> Self {
        let database = database::create().await;
        let (proxy, proxied) = through_proxy(&database).await;
        let app = TestApp::with(|config| config.database = proxied).await;
        let (member, admin) = (app.member().await, app.admin().await);
        let snack = app.snack(&member, "새우깡").await;
        let order = app.order(&member, &[&snack]).await;
        Self { app, proxy, database, member, admin, snack, order }
    }

    /// A call of each kind that cannot do without Postgres.
    fn calls(&self) -> Vec<(Method, String, Option<&Person>, Value)> {
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

    /// Makes a call; the answer and how long it took.
    async fn make(&self, (method, path, who, body): (Method, String, Option<&Person>, Value)) -> (Answer, Duration) {
        let mut request = self.app.request(method, &path);
        if let Some(person) = who {
            request = request.bearer_auth(&person.access);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let begun = Instant::now();
        (self.app.send(request).await, begun.elapsed())
    }

    async fn ready(&self) -> u16 {
        let request = self.app.request(Method::GET, "/health/ready");
        self.app.send(request).await.status.as_u16()
    }

    /// Waits until the server has found its way back to Postgres.
    async fn recovered(&self) {
        let asking = async { while self.ready().await != 200 {} };
        timeout(Duration::from_secs(10), asking).await.expect("a server that is ready again");
    }

    /// Breaks the line for a while, at a moment at which its connections have just been used.
    async fn survive(&self, mode: Mode) {
        assert_eq!(self.ready().await, 200);
        let warm = (0..8).map(|_| self.app.get(&self.member, "/snacks"));
        join_all(warm).await;
        self.proxy.set_mode(mode);

        for round in 0..2 {
            for (answer, took) in join_all(self.calls().into_iter().map(|call| self.make(call))).await {
                assert!(took < Duration::from_secs(3), "{mode:?} {round}: {took:?} {answer:?}");
                assert!(!answer.header("retry-after").is_empty());
                answer.refused(503, "unavailable");
            }
        }
        // What needs no Postgres goes on, and so does telling who is not signed in.
        let ask = async |path: &str| self.app.send(self.app.request(Method::GET, path)).await;
        ask("/health/live").await.expect(200);
        ask("/openapi.json").await.expect(200);
        ask("/metrics").await.expect(200);
        ask("/nothing").await.refused(404, "not_found");
        ask("/orders").await.refused(401, "not_authenticated");

        self.proxy.set_mode(Mode::Pass);
        self.proxy.reap();
        self.recovered().await;
        // Nothing of what was refused has been done by half, and everything works as before.
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
    Office::open().await.survive(Mode::Refuse).await;
}

#[tokio::test]
async fn a_postgres_that_hangs_up_is_a_503_in_time_and_over_when_it_is_back() {
    Office::open().await.survive(Mode::Reset).await;
}

#[tokio::test]
async fn a_postgres_that_falls_silent_is_a_503_in_time_and_over_when_it_is_back() {
    Office::open().await.survive(Mode::BlackHole).await;
}

#[tokio::test]
async fn requests_under_way_when_postgres_goes_are_answered_or_told_503() {
    let office = Office::open().await;
    for mode in [Mode::Reset, Mode::Refuse] {
        let snacks = (0..60).map(async |number| {
            if number == 20 {
                office.proxy.set_mode(mode);
            }
            let body = json!({"name": format!("{mode:?} {number}"), "price": "500"});
            office.app.post(&office.member, "/snacks", body).await
        });
        let answers = join_all(snacks).await;
        for answer in answers.into_iter().filter(|answer| answer.status != 201) {
            answer.refused(503, "unavailable");
        }
        office.proxy.set_mode(Mode::Pass);
        office.recovered().await;
    }
}

#[tokio::test]
async fn a_change_of_role_during_an_outage_is_known_when_it_is_over() {
    let office = Office::open().await;
    let app = &office.app;
    app.get(&office.member, "/checks/is_admin").await.refused(403, "permission_denied");
    office.proxy.set_mode(Mode::Refuse);
    // Somebody else, on another way.
    let direct = sqlx::PgPool::connect_with(office.database.clone()).await.expect("Postgres");
    sqlx::query("UPDATE users SET member_type = 'admin' WHERE id = $1")
        .bind(office.member.id)
        .execute(&direct)
        .await
        .expect("an update");
    office.proxy.set_mode(Mode::Pass);
    office.recovered().await;
    app.get(&office.member, "/checks/is_admin").await.expect(200);
}

#[tokio::test]
async fn a_request_that_waits_is_not_given_up_because_no_connection_is_left_for_a_probe() {
    let office = Office::open().await;
    assert_eq!(office.ready().await, 200);
    let mut holder = PgConnection::connect_with(&office.database).await.expect("Postgres");
    let mut lock = holder.begin().await.expect("a transaction");
    sqlx::query("SELECT FROM snacks FOR UPDATE").execute(&mut *lock).await.expect("a lock");
    office.proxy.set_mode(Mode::Exhausted);
    let path = format!("/snacks/{}", office.snack);
    let mut edit = std::pin::pin!(office.app.patch(&office.member, &path, json!({"price": "700"})));
    // Long enough for the server to doubt that Postgres is there.
    let early = timeout(Duration::from_millis(2500), edit.as_mut()).await;
    assert!(early.is_err(), "given up: {early:?}");
    lock.rollback().await.expect("the end of the lock");
    edit.await.expect(200);
}
