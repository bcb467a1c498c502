//! HTTP shared by all nouns: extractors, pages of lists, errors, the access log, the OpenAPI document.

pub mod access_log;
pub mod body;
pub mod body_budget;
pub mod client_ip;
pub mod csv;
pub mod headers;
pub mod host;
pub mod json_digest;
pub mod openapi;
pub mod pagination;
pub mod path;
pub mod period_query;
pub mod problem;
pub mod query;
pub mod rate_limiter;
pub mod request_info;
pub mod request_metrics;
pub mod rules;
