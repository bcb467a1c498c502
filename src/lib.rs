//! The office snack-ordering server. A module imports only modules of the groups below its own.

pub mod app; // router, state, start and stop

pub mod demo; // demo data for development
pub mod operations; // health, metrics, cleanup

pub mod live; // events for open pages

pub mod notification; // inbox, preferences, mails

pub mod channel; // Slack and webhooks that are told of events

pub mod statistics; // sums by period, CSV

pub mod order; // orders and their state machine

pub mod budget; // limits of months, and what is spent of them

pub mod snack; // snacks and their pictures

pub mod reaction; // likes and hates, counted in Redis

pub mod oidc; // sign-in through an identity provider

pub mod auth; // accounts, sessions, roles

pub mod audit; // the audit log

pub mod outbox; // notifications and events, written with what they tell of

pub mod changes; // what open pages are told of

pub mod db; // Postgres: pool, batcher, watchdog, locks
pub mod http; // extractors, pages, middleware, OpenAPI
pub mod redis_client; // commands to a Redis or a Redis Cluster

pub mod domain; // money, periods, text: no input or output

pub mod telemetry; // log, traces

pub mod error; // one error type, one table of codes

pub mod config; // settings
