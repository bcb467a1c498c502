//! The office snack-ordering server. Start at [`app`], which shows how the parts are put together.

pub mod app; // router, layers, start-up and shutdown in order
pub mod audit; // who did what, from where, when
pub mod auth; // sign-up, tokens, users and roles
pub mod batch; // what arrives together is done together
pub mod config; // the settings; the only reader of the environment
pub mod demo; // demo data for development
pub mod error; // one error type, one table of codes
pub mod http; // what every handler uses: bodies, queries, pages, problems, layers
pub mod key_migration; // stored comparison forms follow the rules of text
pub mod media; // where pictures are kept
pub mod money; // amounts and currencies
pub mod openapi; // the OpenAPI document and Swagger UI
pub mod operations; // health, metrics, cleaning up
pub mod order; // orders and their state machine
pub mod period; // days, weeks, months and years as the office counts them
pub mod person; // somebody, as others see them
pub mod pulse; // whether Postgres answers at all
pub mod reaction; // likes and hates: rows, Redis counters, the flush
pub mod snack; // snacks and their pictures
pub mod state; // what handlers share
pub mod statistics; // what was ordered and what it cost
pub mod text; // when two names or emails are the same, and what may be typed
pub mod web; // the web app at /app/
pub mod workers; // threads for work that keeps a core busy
