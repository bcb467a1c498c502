//! What every handler uses: reading requests, paging lists, telling errors, and the layers around the router.

pub mod body;
pub mod body_budget;
pub mod client_ip;

pub mod headers;
pub mod json_digest;
pub mod middleware;
pub mod openapi;
pub mod pagination;
pub mod path;
pub mod problem;
pub mod query;
pub mod rate_limiter;
pub mod rules;

pub use body::{Json, JsonText, JsonWithRaw};
pub use client_ip::Address;
pub use pagination::{Ordering, Page, PageQuery, Sorted, ordering_schema};
pub use path::{Id, Uid};
pub use query::Query;
