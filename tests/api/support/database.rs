//! Databases of the tests: each test has one of its own.

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::proxy::Proxy;

/// The value of an environment variable that `make test` sets.
pub fn environment(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run the tests with `make test`"))
}

/// Name of a migrated database that the others are copied from.
async fn template(server: &PgConnectOptions) -> String {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    TEMPLATE
        .get_or_init(|| async {
            let name = create_database(server, None).await;
            snack_server::db::connect::connect(&server.clone().database(&name))
                .await
                .expect("migrations")
                .close()
                .await;
            name
        })
        .await
        .clone()
}

async fn create_database(server: &PgConnectOptions, template: Option<&str>) -> String {
    let name = format!("test_{}", Uuid::new_v4().simple());
    let mut connection = PgConnection::connect_with(server).await.expect("Postgres");
    let template = template.map(|template| format!("TEMPLATE {template}")).unwrap_or_default();
    let sql = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name} {template}"));
    sqlx::raw_sql(sql).execute(&mut connection).await.expect("a database");
    name
}

/// Creates a migrated database.
pub async fn create() -> PgConnectOptions {
    let server: PgConnectOptions = environment("DATABASE_URL").parse().expect("DATABASE_URL");
    let template = template(&server).await;
    let name = create_database(&server, Some(&template)).await;
    server.database(&name)
}

/// Creates a database without a schema.
pub async fn create_empty() -> PgConnectOptions {
    let server: PgConnectOptions = environment("DATABASE_URL").parse().expect("DATABASE_URL");
    let name = create_database(&server, None).await;
    server.database(&name)
}

/// Starts a proxy before Postgres, and returns it with the options that lead through it to `database`.
pub async fn through_proxy(database: &PgConnectOptions) -> (Proxy, PgConnectOptions) {
    let proxy = Proxy::start(0, format!("{}:{}", database.get_host(), database.get_port())).await;
    let proxied = database.clone().host("127.0.0.1").port(proxy.port);
    (proxy, proxied)
}

/// Number of rows of `what`, which is a table with or without a condition.
pub async fn count_rows(database: &PgConnectOptions, what: &str) -> i64 {
    let mut connection = PgConnection::connect_with(database).await.expect("Postgres");
    let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {what}"));
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a count")
}
