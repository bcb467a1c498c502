//! The server as a whole: router, state, start and stop.

pub mod admission;
pub mod connections;
pub mod docs;
pub mod healthcheck;
pub mod listener;
pub mod router;
pub mod server;
pub mod service;
pub mod state;
pub mod static_file;
pub mod web;
