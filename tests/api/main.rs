//! API tests: each speaks HTTP to a server of its own, on a database of its own.

#![expect(clippy::expect_used, reason = "a failing helper fails its test")]

mod audit;
mod auth;
mod budget;
mod channel;
mod db;
mod demo;
mod http;
mod live;
mod notification;
mod oidc;
mod operations;
mod order;
mod reaction;
mod snack;
mod statistics;
mod support;
mod web;
