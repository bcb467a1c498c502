//! Rows of the first release, whose comparison keys are rewritten by the present rules after an upgrade.

use serde_json::json;
use snack_server::{auth::password::hash_blocking, config::Config};
use sqlx::{Connection, PgConnection, PgPool, postgres::PgConnectOptions};

use crate::support::{
    database,
    process::Run,
    test_app::{PASSWORD, TestApp, settings},
};

/// A database as the previous release left it.
async fn old_database() -> PgConnectOptions {
    let database = database::create_empty().await;
    let mut connection = PgConnection::connect_with(&database).await.expect("Postgres");
    sqlx::migrate!().run_to(7, &mut connection).await.expect("the old migrations");
    database
}

/// Adds users with the password of all users: email, email key, name, name key.
async fn add_users(database: &PgConnectOptions, users: &[[&str; 4]]) {
    let mut connection = PgConnection::connect_with(database).await.expect("Postgres");
    let hash = hash_blocking(PASSWORD).expect("a hash");
    for [email, email_key, name, name_key] in users {
        sqlx::query("INSERT INTO users (email, email_key, name, name_key, password_hash) VALUES ($1, $2, $3, $4, $5)")
            .bind(email)
            .bind(email_key)
            .bind(name)
            .bind(name_key)
            .bind(&hash)
            .execute(&mut connection)
            .await
            .expect("a user");
    }
}

/// Adds snacks: name and name key.
async fn add_snacks(database: &PgConnectOptions, snacks: &[[&str; 2]]) {
    let mut connection = PgConnection::connect_with(database).await.expect("Postgres");
    for [name, name_key] in snacks {
        sqlx::query("INSERT INTO snacks (name, name_key, url, price) VALUES ($1, $2, 'https:old.example/a b', 1)")
            .bind(name)
            .bind(name_key)
            .execute(&mut connection)
            .await
            .expect("a snack");
    }
}

async fn emails(db: &PgPool) -> Vec<(String, String)> {
    sqlx::query_as("SELECT email, email_key FROM users ORDER BY id").fetch_all(db).await.expect("users")
}

async fn name_keys(db: &PgPool) -> Vec<String> {
    sqlx::query_scalar("SELECT name_key FROM snacks ORDER BY id").fetch_all(db).await.expect("snacks")
}

/// `pairs` in the shape of [`emails`].
fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(email, key)| ((*email).to_owned(), (*key).to_owned())).collect()
}

fn setup(database: &PgConnectOptions) -> Config {
    settings(database.clone())
}

#[tokio::test]
async fn rows_of_the_last_release_are_found_by_the_present_rules() {
    let database = old_database().await;
    let users = [
        ["Kim@한국.kr", "kim@한국.kr", "김\u{200b}간식", "김\u{200b}간식"],
        ["lee@Example.com", "lee@example.com", "이과자", "이과자"],
        ["park@example。com", "park@example。com", "박", "박"],
        ["choi@example.com\u{200b}", "choi@example.com\u{200b}", "\u{3164}", "\u{3164}"],
        ["kim@faß.de", "kim@fass.de", "김", "김"],
        ["jung@[127.0.0.1]", "jung@[127.0.0.1]", "정", "정"],
    ];
    add_users(&database, &users).await;
    add_snacks(&database, &[["새우\u{ad}깡", "새우\u{ad}깡"], ["Oreo", "oreo"], ["\u{200b}", "\u{200b}"]]).await;

    let app = TestApp::serve(setup(&database)).await;
    // The keys are rewritten after the server has begun to serve.
    let first_user = app.sign_in(1, "kim@xn--3e0b707e.kr").await;
    let expected = [
        ("Kim@xn--3e0b707e.kr", "kim@xn--3e0b707e.kr"),
        ("lee@Example.com", "lee@example.com"),
        ("park@example.com", "park@example.com"),
        ("choi@example.com", "choi@example.com"),
        ("kim@xn--fa-hia.de", "kim@xn--fa-hia.de"),
        ("jung@[127.0.0.1]", "jung@[127.0.0.1]"),
    ];
    assert_eq!(emails(app.db()).await, owned(&expected));
    // As they were typed, and as they are stored.
    for (email, id) in users.iter().map(|user| user[0]).chain(expected.map(|(email, _)| email)).zip((1..=6).cycle()) {
        let person = app.sign_in(id, email).await;
        assert_eq!(app.get(&person, "/auth/users/profile").await.expect(200)["id"], id);
    }
    let body = json!({"email": "park@example.com", "password": PASSWORD, "name": "박"});
    app.post_open("/auth/sign-up", body).await.expect_error(409, "email_taken");

    assert_eq!(name_keys(app.db()).await, ["새우깡", "oreo", "\u{200b}"]);
    app.post(&first_user, "/snacks", json!({"name": "새우깡", "price": 1})).await.expect_error(409, "snack_name_taken");
    let found = app.get(&first_user, "/snacks?search=%EC%83%88%EC%9A%B0%EA%B9%A1").await.expect(200);
    assert_eq!(found.column("name"), ["새우\u{ad}깡"]);
    // A value that the present rules reject stays as it is.
    assert_eq!(found.column("url"), ["https:old.example/a b"]);
    let name_key: String =
        sqlx::query_scalar("SELECT name_key FROM users WHERE id = 1").fetch_one(app.db()).await.expect("a user");
    assert_eq!(name_key, "김간식");
}

#[tokio::test]
async fn of_two_old_rows_that_are_one_the_older_gets_the_form_and_both_go_on() {
    let database = old_database().await;
    let users = [
        ["kim@한국。kr", "kim@한국。kr", "김", "김"],
        ["kim@한국.kr", "kim@한국.kr", "김", "김"],
        // Here the younger user already has the present key.
        ["lee@한국.kr", "lee@한국.kr", "이", "이"],
        ["lee@xn--3e0b707e.kr", "lee@xn--3e0b707e.kr", "이", "이"],
    ];
    add_users(&database, &users).await;
    add_snacks(
        &database,
        &[["새우\u{ad}깡", "새우\u{ad}깡"], ["새우\u{200b}깡", "새우\u{200b}깡"], ["새\u{2060}우깡", "새\u{2060}우깡"]],
    )
    .await;

    let migrate = Run::on(&database, &["migrate"]).end().await;
    assert_eq!((migrate.code, migrate.stdout.as_str()), (Some(0), ""));
    // The warnings name both users.
    let lines: Vec<&str> = migrate.stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{}", migrate.stderr);
    let pairs = [("user_id", 2, 1), ("user_id", 3, 4), ("snack_id", 2, 1), ("snack_id", 3, 1)];
    for (line, (field, id, other)) in lines.iter().zip(pairs) {
        let plain: String = line.replace("\u{1b}[3m", "").replace("\u{1b}[0m", "").replace("\u{1b}[2m", "");
        assert!(plain.contains(&format!("{field}={id} ")), "{plain}");
        assert!(plain.contains(&format!("other_{field}={other}")), "{plain}");
    }

    let app = TestApp::serve(setup(&database)).await;
    for (user, id) in users.iter().zip(1..) {
        // The first user signs in with the stored domain, which is also the other user's.
        let person = app.sign_in(id, user[0]).await;
        let own = app.get(&person, "/auth/users/profile").await.expect(200)["id"].clone();
        assert_eq!(own, id, "{}", user[0]);
    }
    let expected = [
        ("kim@xn--3e0b707e.kr", "kim@xn--3e0b707e.kr"),
        ("kim@한국.kr", "kim@한국.kr"),
        ("lee@한국.kr", "lee@한국.kr"),
        ("lee@xn--3e0b707e.kr", "lee@xn--3e0b707e.kr"),
    ];
    assert_eq!(emails(app.db()).await, owned(&expected));
    assert_eq!(name_keys(app.db()).await, ["새우깡", "새우\u{200b}깡", "새\u{2060}우깡"]);
}

#[tokio::test]
async fn an_upgrade_goes_on_where_it_ended_and_takes_in_what_an_older_server_adds() {
    const SNACKS: i64 = 2345;
    let database = old_database().await;
    let mut connection = PgConnection::connect_with(&database).await.expect("Postgres");
    let add = "INSERT INTO snacks (name, name_key, price)
               SELECT '간' || chr(173) || '식 ' || n, '간' || chr(173) || '식 ' || n, 1 FROM generate_series(1, $1) AS n";
    sqlx::query(add).bind(SNACKS).execute(&mut connection).await.expect("snacks");
    let old = "SELECT count(*) FROM snacks WHERE name_key LIKE '%' || chr(173) || '%'";
    let count = async |connection: &mut PgConnection| -> i64 {
        sqlx::query_scalar(old).fetch_one(connection).await.expect("a count")
    };

    // Several servers migrate at once.
    let starts = (0..3).map(async |_| {
        let pool = snack_server::db::connect::connect(&database).await.expect("Postgres");
        snack_server::db::comparison_keys::update(&pool).await.expect("an update");
    });
    futures_util::future::join_all(starts).await;
    assert_eq!(count(&mut connection).await, 0);

    // An interrupted migration: the first batch is recorded, the second is not and is partly done.
    let undo = "UPDATE snacks SET name_key = name WHERE id > 1500";
    sqlx::query(undo).execute(&mut connection).await.expect("old forms");
    let progress = "UPDATE comparison_forms SET last_id = 1000 WHERE table_name = 'snacks'";
    sqlx::query(progress).execute(&mut connection).await.expect("progress");
    let pool = snack_server::db::connect::connect(&database).await.expect("Postgres");
    snack_server::db::comparison_keys::update(&pool).await.expect("an update");
    assert_eq!(count(&mut connection).await, 0);

    // A server of the previous release is still running.
    let new = "INSERT INTO snacks (name, name_key, price)
               SELECT '새' || chr(173) || n, '새' || chr(173) || n, 1 FROM generate_series(1, 3) AS n";
    sqlx::query(new).execute(&mut connection).await.expect("snacks");
    assert_eq!(count(&mut connection).await, 3);
    snack_server::db::comparison_keys::update(&pool).await.expect("an update");
    assert_eq!(count(&mut connection).await, 0);

    // The keys of a later release with other rules are left alone.
    let later = "UPDATE comparison_forms SET form = 1000, last_id = 0";
    sqlx::query(later).execute(&mut connection).await.expect("progress");
    sqlx::query("UPDATE snacks SET name_key = 'later' WHERE id = 1").execute(&mut connection).await.expect("a form");
    snack_server::db::comparison_keys::update(&pool).await.expect("an update");
    let kept: String = sqlx::query_scalar("SELECT name_key FROM snacks WHERE id = 1")
        .fetch_one(&mut connection)
        .await
        .expect("a snack");
    assert_eq!(kept, "later");
}
