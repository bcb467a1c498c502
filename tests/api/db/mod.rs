//! Postgres: outages, read-only servers, query plans and migrated rows.

mod key_migration;
mod outages;
mod query_plans;
mod read_only;
