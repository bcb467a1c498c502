//! Helpers of all tests.

pub mod budget;
pub mod channel;
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
pub mod process;
pub mod process_client;
#[path = "../../support/proxy.rs"]
pub mod proxy;
pub mod receiver;
pub mod redis;
pub mod response;
pub mod s3;
pub mod smtp;
pub mod test_app;
pub mod tokens;
