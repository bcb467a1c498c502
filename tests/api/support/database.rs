//! Databases of the tests: each test has one of its own.

use std::io::Write;

use snack_server::config::Config;
use sqlx::{Connection, PgConnection, PgPool, postgres::PgConnectOptions};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::proxy::Proxy;

/// The value of an environment variable that `make test` sets.
pub fn environment(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run the tests with `make test`"))
}

/// The server of the tests, as `DATABASE_URL` has it. It may be a pooler.
fn server() -> PgConnectOptions {
    environment("DATABASE_URL").parse().expect("DATABASE_URL")
}

/// Tells whether the tests run through a pooler (`scripts/with-pgbouncer`).
pub fn is_pooled() -> bool {
    std::env::var_os("DATABASE_DIRECT_URL").is_some()
}

/// Options that lead to `database` past the pooler of the tests, if there is one.
pub fn direct(database: &PgConnectOptions) -> PgConnectOptions {
    match std::env::var("DATABASE_DIRECT_URL") {
        Ok(url) => {
            let direct: PgConnectOptions = url.parse().expect("DATABASE_DIRECT_URL");
            direct.database(database.get_database().expect("a database"))
        }
        Err(_) => database.clone(),
    }
}

/// Lets rows of users and snacks be deleted, as an owner of the database can.
pub async fn allow_deletion(db: &PgPool) {
    let sql = "ALTER TABLE users DISABLE TRIGGER users_refuse_deletion;
               ALTER TABLE snacks DISABLE TRIGGER snacks_refuse_deletion";
    sqlx::raw_sql(sql).execute(db).await.expect("no trigger");
}

/// Makes `config` lead to `database`.
pub fn lead_to(config: &mut Config, database: &PgConnectOptions) {
    config.database = database.clone();
    config.database_direct = direct(database);
}

/// Says on standard error that a test does not run. The harness captures what `eprintln` writes.
pub fn skip(reason: &str) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "{name}: skipped: {reason}");
}

/// Name of a migrated database that the others are copied from.
async fn template() -> String {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    TEMPLATE
        .get_or_init(|| async {
            let name = create_database(None).await;
            // A pooler would keep connections to it, and a database with connections cannot be copied.
            let database = direct(&server().database(&name));
            let pool = snack_server::db::connect::connect(&database, &database).await.expect("migrations");
            pool.close().await;
            name
        })
        .await
        .clone()
}

async fn create_database(template: Option<&str>) -> String {
    let name = format!("test_{}", Uuid::new_v4().simple());
    let mut connection = PgConnection::connect_with(&direct(&server())).await.expect("Postgres");
    let template = template.map(|template| format!("TEMPLATE {template}")).unwrap_or_default();
    let sql = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name} {template}"));
    sqlx::raw_sql(sql).execute(&mut connection).await.expect("a database");
    name
}

/// Creates a migrated database.
pub async fn create() -> PgConnectOptions {
    let template = template().await;
    server().database(&create_database(Some(&template)).await)
}

/// Creates a database without a schema.
pub async fn create_empty() -> PgConnectOptions {
    server().database(&create_database(None).await)
}

/// Starts a proxy before Postgres, and returns it with the options that lead through it to `database`.
pub async fn through_proxy(database: &PgConnectOptions) -> (Proxy, PgConnectOptions) {
    let proxy = Proxy::start(0, format!("{}:{}", database.get_host(), database.get_port())).await;
    let proxied = database.clone().host("127.0.0.1").port(proxy.port);
    (proxy, proxied)
}

/// Number of rows of `what`, which is a table with or without a condition.
pub async fn count_rows(database: &PgConnectOptions, what: &str) -> i64 {
    let mut connection = PgConnection::connect_with(&direct(database)).await.expect("Postgres");
    let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {what}"));
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a count")
}
