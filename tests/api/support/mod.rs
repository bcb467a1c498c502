//! Helpers of all tests.

pub mod counter_snapshot;
pub mod endpoints;
pub mod fixtures;
pub mod forged_images;
pub mod forwarder;
pub mod process;
pub mod test_app;
