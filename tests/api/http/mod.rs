//! Rules that hold for every endpoint.

mod body_memory;
mod cursors;
mod documents;
mod error_precedence;
mod headers;
mod hostile_requests;
mod overload;
mod rate_limits;
mod slow_readers;
mod transport;
