//! HTTP shared by all nouns: extractors, pages of lists, errors, middleware, the OpenAPI document.

pub mod body;
pub mod body_budget;
pub mod client_ip;
pub mod csv;
pub mod headers;
pub mod json_digest;
pub mod middleware;
pub mod openapi;
pub mod pagination;
pub mod path;
pub mod period_query;
pub mod problem;
pub mod query;
pub mod rate_limiter;
pub mod rules;
