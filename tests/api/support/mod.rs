//! Helpers of all tests.

pub mod budget;
pub mod channel;
pub mod collector;
pub mod counter_snapshot;
pub mod database;
pub mod endpoints;
pub mod event_stream;
pub mod fixtures;
pub mod forged_images;
pub mod forging_provider;
pub mod image_bombs;
pub mod images;
pub mod media;
pub mod notification;
pub mod oidc;
pub mod pgbouncer;
pub mod process;
pub mod process_client;
#[path = "../../support/proxy.rs"]
pub mod proxy;
pub mod receiver;
pub mod redis;
#[expect(dead_code, reason = "some methods are for the fault harness")]
#[path = "../../support/redis_cluster.rs"]
pub mod redis_cluster;
pub mod response;
pub mod s3;
pub mod smtp;
pub mod test_app;
pub mod tokens;
