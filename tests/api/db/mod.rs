//! Postgres: outages, `PgBouncer`, read-only servers, and query plans.

mod outages;
mod pgbouncer;
mod query_plans;
mod read_only;
