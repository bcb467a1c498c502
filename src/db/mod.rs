//! Access to Postgres that all nouns share.

pub mod batcher;
pub mod connect;
pub mod errors;
pub mod interval;
pub mod locks;
mod settings;
pub mod watchdog;
