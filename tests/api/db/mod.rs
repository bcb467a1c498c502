//! Postgres: outages, read-only servers, and query plans.

mod outages;
mod query_plans;
mod read_only;
