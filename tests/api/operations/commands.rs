//! Commands and settings of the binary.

use futures_util::future::join_all;
use serde_json::{Value, json};
use snack_server::app;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::net::TcpListener;

use crate::support::{
    database::{self, count_rows},
    process::{Run, folder},
    test_app::{PASSWORD, TestApp},
};

/// A server in this process on a database that the binary works on.
async fn setup(database: &PgConnectOptions) -> TestApp {
    TestApp::with(|config| config.database = database.clone()).await
}

#[tokio::test]
async fn a_wrong_setting_stops_the_start_with_one_line_that_names_it() {
    let database = database::create().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let file = folder();
    std::fs::write(&file, "a file, not a folder").expect("a file");
    let under_a_file = format!("file://{}/media", file.display());
    let template = include_str!("../../../.env.docker-compose.template");
    let placeholder = template.lines().find_map(|line| line.strip_prefix("JWT_SECRET=")).expect("a JWT_SECRET");
    let nowhere = database.clone().database("no_such_database");
    let nowhere = sqlx::ConnectOptions::to_url_lossy(&nowhere);
    let table = [
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "mysql://localhost/snack"),
        ("DATABASE_URL", "postgres://snack@127.0.0.1:1/snack"),
        ("DATABASE_URL", nowhere.as_str()),
        ("REDIS_URL", ""),
        ("REDIS_URL", "nonsense"),
        ("REDIS_URL", "http://localhost"),
        ("JWT_SECRET", ""),
        ("JWT_SECRET", "31 bytes are one too few for it"),
        ("JWT_SECRET", placeholder),
        ("JWT_SECRET_PREVIOUS", "short"),
        ("JWT_SECRET_PREVIOUS", placeholder),
        ("HTTP_ADDR", "8000"),
        ("HTTP_ADDR", "127.0.0.1"),
        ("HTTP_ADDR", "127.0.0.1:65536"),
        ("HTTP_ADDR", &taken),
        ("HTTP_ADDR", "192.0.2.1:8000"),
        ("METRICS_ADDR", "9090"),
        ("METRICS_ADDR", &taken),
        ("METRICS_ADDR", "192.0.2.1:9090"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"),
        ("MEDIA_URL", "nonsense"),
        ("MEDIA_URL", "/var/lib/snack"),
        ("MEDIA_URL", "http://host/folder"),
        ("MEDIA_URL", "file://host/folder"),
        ("MEDIA_URL", "s3://"),
        ("MEDIA_URL", &under_a_file),
        ("APP_TIMEZONE", "KST"),
        ("APP_TIMEZONE", "+09:00"),
        ("ACCESS_TOKEN_TTL", "soon"),
        ("ACCESS_TOKEN_TTL", "0s"),
        ("ACCESS_TOKEN_TTL", "-1m"),
        ("REFRESH_TOKEN_TTL", "14"),
        ("REFRESH_TOKEN_TTL", "99999999999years"),
        ("REFRESH_TOKEN_ROTATION", "yes"),
        ("REFRESH_TOKEN_GRACE", "x"),
        ("REACTION_FLUSH_INTERVAL", "0s"),
        ("REACTION_RECONCILE_INTERVAL", "often\nenough"),
        ("CORS_ALLOWED_ORIGINS", "*"),
        ("CORS_ALLOWED_ORIGINS", "https://good.example, app.example"),
        ("CORS_ALLOWED_ORIGINS", "https://good.example/path"),
        ("RUST_LOG", "=,=x"),
        ("LOG_FORMAT", "xml"),
    ];
    // A few at a time: each process opens a pool.
    for some in table.chunks(4) {
        let runs = some.iter().map(async |(variable, value)| {
            let line = Run::on(&database, &["serve"]).set(variable, value).end().await.expect_failure();
            assert!(line.starts_with(variable), "{variable}={value:?}: {line}");
        });
        join_all(runs).await;
    }
    // The default command, with missing variables.
    for variable in ["DATABASE_URL", "REDIS_URL", "JWT_SECRET"] {
        let line = Run::on(&database, &[]).unset(variable).end().await.expect_failure();
        assert!(line.starts_with(variable), "{line}");
    }
}

#[tokio::test]
async fn a_wrong_setting_stops_the_other_commands_too() {
    let database = database::create().await;
    let admin = ["create-admin", "--email", "admin@snack.example", "--name", "관리자"];
    let reset = ["reset-password", "--email", "admin@snack.example"];
    let table: [(&[&str], &str, &str); 10] = [
        (&["migrate"], "DATABASE_URL", "postgres://snack@127.0.0.1:1/snack"),
        (&["migrate"], "DATABASE_URL", ""),
        (&admin, "DATABASE_URL", "nonsense"),
        (&reset, "DATABASE_URL", ""),
        (&reset, "PUBLIC_URL", "office.example"),
        (&reset, "PUBLIC_URL", "https://office.example/?token=x"),
        (&["demo-data"], "DATABASE_URL", ""),
        (&["demo-data"], "APP_TIMEZONE", "KST"),
        (&["demo-data"], "MEDIA_URL", "file:///dev/null/media"),
        (&["healthcheck"], "HTTP_ADDR", "nonsense"),
    ];
    for (command, variable, value) in table {
        let line = Run::on(&database, command).set(variable, value).end().await.expect_failure();
        assert!(line.starts_with(variable), "{command:?} {line}");
    }
    assert_eq!(count_rows(&database, "users").await, 0);
}

#[tokio::test]
async fn no_error_repeats_a_secret() {
    let database = database::create().await;
    let secret = "a-short-secret";
    let url = format!("postgres://snack:{secret}@127.0.0.1:1/snack");
    for (variable, value) in [("JWT_SECRET", secret), ("JWT_SECRET_PREVIOUS", secret), ("DATABASE_URL", &url)] {
        let line = Run::on(&database, &["serve"]).set(variable, value).end().await.expect_failure();
        assert!(!line.contains(secret), "{line}");
    }
}

#[tokio::test]
async fn openapi_prints_the_document_and_needs_no_settings() {
    let printed = Run::bare(&["openapi"]).end().await.expect_success();
    let printed: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(printed, serde_json::to_value(app::router::document()).expect("a document"));
    assert_eq!(printed["openapi"], "3.1.0");
}

#[tokio::test]
async fn an_unknown_command_is_refused() {
    let ended = Run::bare(&["nonsense"]).end().await;
    assert!(ended.code.is_some_and(|code| code != 0));
    assert_eq!(ended.stdout, "");
}

#[tokio::test]
async fn migrate_brings_an_empty_database_up_to_date_however_many_do_so_at_once() {
    let database = database::create_empty().await;
    assert_eq!(count_rows(&database, "pg_class WHERE relname = 'orders'").await, 0);
    let runs = (0..3).map(async |_| Run::on(&database, &["migrate"]).end().await.expect_success());
    for stdout in join_all(runs).await {
        assert_eq!(stdout, "");
    }
    let migrations = std::fs::read_dir("migrations").expect("migrations").count();
    let applied = count_rows(&database, "_sqlx_migrations").await;
    assert_eq!(usize::try_from(applied), Ok(migrations));
    Run::on(&database, &["migrate"]).end().await.expect_success();
    assert_eq!(count_rows(&database, "_sqlx_migrations").await, applied);
    assert_eq!(count_rows(&database, "orders").await, 0);
}

/// A server with `ADMIN_EMAIL` and its password.
fn first_start(database: &PgConnectOptions) -> Run {
    Run::on(database, &["serve"]).set("ADMIN_EMAIL", "boss@한국.kr").set("SNACK_ADMIN_PASSWORD", PASSWORD)
}

#[tokio::test]
async fn the_first_start_creates_the_admin_of_the_setting_once() {
    let database = database::create_empty().await;
    // Several servers at once.
    let servers = join_all((0..3).map(async |_| first_start(&database).serve().await)).await;
    assert_eq!(count_rows(&database, "users").await, 1);
    let app = setup(&database).await;
    let admin = app.sign_in(0, "boss@한국.kr").await;
    let profile = app.get(&admin, "/auth/users/profile").await.expect(200);
    assert_eq!((&profile["member_type"], &profile["email"]), (&json!("admin"), &json!("boss@xn--3e0b707e.kr")));
    drop(servers);

    // Later starts change nothing, also with another email, without a password, and after the admin has left.
    sqlx::query("UPDATE users SET is_deleted = true").execute(app.db()).await.expect("an update");
    for run in [
        first_start(&database),
        first_start(&database).set("ADMIN_EMAIL", "other@snack.example"),
        first_start(&database).unset("SNACK_ADMIN_PASSWORD"),
    ] {
        drop(run.serve().await);
    }
    assert_eq!(count_rows(&database, "users").await, 1);
}

#[tokio::test]
async fn a_first_admin_without_a_sound_email_and_password_stops_the_start() {
    let database = database::create_empty().await;
    for (variable, run) in [
        ("SNACK_ADMIN_PASSWORD", first_start(&database).unset("SNACK_ADMIN_PASSWORD")),
        ("SNACK_ADMIN_PASSWORD", first_start(&database).set("SNACK_ADMIN_PASSWORD", "short")),
        ("SNACK_ADMIN_PASSWORD", first_start(&database).set("ADMIN_EMAIL", "korea-snack-9@snack.example")),
        ("ADMIN_EMAIL", first_start(&database).set("ADMIN_EMAIL", "boss@a b.example")),
        ("ADMIN_EMAIL", first_start(&database).set("ADMIN_EMAIL", "boss")),
    ] {
        let line = run.end().await.expect_failure();
        assert!(line.starts_with(&format!("{variable}: ")), "{line}");
    }
    assert_eq!(count_rows(&database, "users").await, 0);
}

fn create_admin(database: &PgConnectOptions, email: &str) -> Run {
    Run::on(database, &["create-admin", "--email", email, "--name", " 관리자 "])
}

#[tokio::test]
async fn create_admin_makes_an_admin_with_the_password_of_the_variable() {
    let database = database::create_empty().await;
    let run = create_admin(&database, "Boss@Snack.example").set("SNACK_ADMIN_PASSWORD", PASSWORD);
    assert!(run.end().await.expect_success().contains("Boss@Snack.example"));
    let app = setup(&database).await;
    let admin = app.sign_in(0, "boss@snack.example").await;
    let profile = app.get(&admin, "/auth/users/profile").await.expect(200);
    assert_eq!((&profile["member_type"], &profile["name"]), (&json!("admin"), &json!("관리자")));
    app.get(&admin, "/auth/users").await.expect(200);
    // The domain is stored in its ASCII form.
    let other = create_admin(&database, "boss@한국.kr").set("SNACK_ADMIN_PASSWORD", PASSWORD);
    assert_eq!(other.end().await.expect_success(), "boss@xn--3e0b707e.kr is an admin\n");
    create_admin(&database, "BOSS@xn--3e0b707e.kr").end().await.expect_success();
    // Repeating it is no error and changes nothing.
    run.set("SNACK_ADMIN_PASSWORD", "another password").end().await.expect_success();
    app.sign_in(0, "boss@snack.example").await;
    assert_eq!(count_rows(&database, "users").await, 2);
}

#[tokio::test]
async fn create_admin_takes_the_password_from_standard_input() {
    let database = database::create().await;
    let app = setup(&database).await;
    for (number, ending) in ["", "\n", "\r\n"].into_iter().enumerate() {
        let email = format!("boss{number}@snack.example");
        let run = create_admin(&database, &email).with_stdin(&format!("{PASSWORD}{ending}"));
        run.end().await.expect_success();
        let admin = app.sign_in(0, &email).await;
        app.get(&admin, "/checks/is_admin").await.expect(200);
    }
}

#[tokio::test]
async fn create_admin_makes_an_admin_of_a_member_who_keeps_name_and_password() {
    let app = TestApp::start().await;
    let member = app.member().await;
    app.get(&member, "/checks/is_admin").await.expect_error(403, "permission_denied");
    let before = app.get(&member, "/auth/users/profile").await.expect(200);
    let email = format!(" {}", member.email.to_uppercase());
    create_admin(&app.state.config.database, &email)
        .set("SNACK_ADMIN_PASSWORD", "another password")
        .end()
        .await
        .expect_success();
    // The running server is notified.
    let polling = async { while app.get(&member, "/checks/is_admin").await.status != 200 {} };
    tokio::time::timeout(std::time::Duration::from_secs(5), polling).await.expect("an admin");
    app.sign_in(member.id, &member.email).await;
    let mut after = app.get(&member, "/auth/users/profile").await.expect(200).0;
    after["member_type"] = json!("member");
    after["last_login"] = before["last_login"].clone();
    assert_eq!(after, before.0);
}

#[tokio::test]
async fn create_admin_refuses_whom_it_cannot_make_one() {
    let app = TestApp::start().await;
    let database = app.state.config.database.clone();
    let resigned_user = app.member().await;
    app.delete(&resigned_user, "/auth/users/resign").await.expect(204);
    let line = create_admin(&database, &resigned_user.email)
        .set("SNACK_ADMIN_PASSWORD", PASSWORD)
        .end()
        .await
        .expect_failure();
    assert!(line.contains("resigned"), "{line}");

    let new = create_admin(&database, "boss@snack.example");
    let long = "a".repeat(129);
    for password in ["short", "일곱글자뿐임", &long] {
        let line = new.clone().set("SNACK_ADMIN_PASSWORD", password).end().await.expect_failure();
        assert!(line.starts_with("SNACK_ADMIN_PASSWORD"), "{line}");
        assert!(!line.contains(password), "{line}");
        new.clone().with_stdin(password).end().await.expect_failure();
    }
    new.with_stdin("").end().await.expect_failure();
    for arguments in [
        ["nobody", "관리자"],
        ["boss@snack.example\u{200b}", "관리자"],
        ["boss@snack.example", " "],
        ["boss@snack.example", "\u{3164}"],
        ["boss@snack.example", "관리\u{202e}자"],
        ["boss@snack.example", "관리\n자"],
    ] {
        let [email, name] = arguments;
        Run::on(&database, &["create-admin", "--email", email, "--name", name])
            .set("SNACK_ADMIN_PASSWORD", PASSWORD)
            .end()
            .await
            .expect_failure();
    }
    assert_eq!(count_rows(&database, "users").await, 1);
}

fn reset_password(database: &PgConnectOptions, email: &str) -> Run {
    Run::on(database, &["reset-password", "--email", email]).set("PUBLIC_URL", "https://office.example/snack")
}

#[tokio::test]
async fn reset_password_prints_a_link_for_a_new_password() {
    let app = TestApp::start().await;
    let database = app.state.config.database.clone();
    let (admin, member) = (app.admin().await, app.member().await);
    let mut tokens = Vec::new();
    for email in [member.email.clone(), format!(" {}", member.email.to_uppercase())] {
        let printed = reset_password(&database, &email).end().await.expect_success();
        let link = printed.strip_suffix('\n').expect("a line");
        let token = link.strip_prefix("https://office.example/snack/app/reset-password?token=").expect("a link");
        tokens.push(token.to_owned());
    }
    let hours = "SELECT extract(epoch FROM expires_at - now())::float8 / 3600 FROM link_tokens";
    let hours: f64 = sqlx::query_scalar(hours).fetch_one(app.db()).await.expect("one token");
    assert!(hours > 23.9 && hours <= 24.0, "{hours}");

    let reset = async |token: &str| {
        let body = json!({"token": token, "new_password": "korea-snack-10"});
        app.post_open("/auth/password/reset", body).await
    };
    // The second link has taken the place of the first.
    reset(&tokens[0]).await.expect_error(400, "invalid_reset_token");
    reset(&tokens[1]).await.expect(204);
    reset(&tokens[1]).await.expect_error(400, "invalid_reset_token");
    let body = json!({"username": member.email, "password": "korea-snack-10"});
    app.post_open("/auth/token", body).await.expect(200);

    let entries = app.get(&admin, "/audit?action=password_reset_link").await.expect(200);
    assert_eq!(entries.column("address"), ["local", "local"]);
    assert_eq!(entries.column("actor"), [Value::Null, Value::Null]);
    assert_eq!(entries.column("subject"), [member.id.to_string(), member.id.to_string()]);

    let default = reset_password(&database, &member.email).unset("PUBLIC_URL").end().await.expect_success();
    assert!(default.starts_with("http://localhost:8000/app/reset-password?token="), "{default}");
}

#[tokio::test]
async fn reset_password_refuses_whom_it_cannot_make_a_link_for() {
    let app = TestApp::start().await;
    let database = app.state.config.database.clone();
    let resigned = app.member().await;
    app.delete(&resigned, "/auth/users/resign").await.expect(204);
    for (email, problem) in [
        (resigned.email.as_str(), "resigned"),
        ("nobody@snack.example", "no user"),
        ("no email", "no user"),
        ("", "no user"),
    ] {
        let line = reset_password(&database, email).end().await.expect_failure();
        assert!(line.contains(problem), "{line}");
    }
    assert_eq!(count_rows(&database, "link_tokens").await, 0);
    assert_eq!(count_rows(&database, "audit_log WHERE action = 'password_reset_link'").await, 0);
}

#[tokio::test]
async fn a_database_of_another_version_stops_the_start_with_one_line_that_says_what_to_do() {
    for change in [
        // Created by an unreleased version with other migrations.
        "UPDATE _sqlx_migrations SET checksum = 'another' WHERE version = 1",
        // Migrated by a newer version.
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'x', true, '', 0)",
    ] {
        let database = database::create().await;
        let mut connection = PgConnection::connect_with(&database).await.expect("Postgres");
        sqlx::query(change).execute(&mut connection).await.expect("an update");
        let line = Run::on(&database, &["serve"]).end().await.expect_failure();
        assert!(line.starts_with("DATABASE_URL: ") && line.contains("remove .local"), "{line}");
    }
}
