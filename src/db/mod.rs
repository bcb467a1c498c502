//! Access to Postgres that all nouns share.

pub mod batcher;
pub mod comparison_keys;
pub mod watchdog;
