//! The office snack-ordering server. Modules import only from modules below them in this list.

pub mod app;

pub mod audit;
pub mod auth;
pub mod demo;
pub mod operations;
pub mod order;
pub mod reaction;
pub mod snack;
pub mod statistics;

pub mod db;
pub mod http;

pub mod config;
pub mod domain;
pub mod error;
