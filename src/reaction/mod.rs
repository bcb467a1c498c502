//! Likes and hates. Rows in Postgres are the truth, Redis counts them, and a background task flushes the counts into the statistics
//! columns of snacks.
//!
//! After any crash or outage, as soon as requests stop and all parts are reachable, the Redis counters, the statistics columns and the
//! count of rows are equal within two reconcile intervals. This is ensured as follows:
//!
//! - Every change of a row writes a dirty row in its own transaction (by trigger), so that no change is lost.
//! - The flush takes the dirty rows first and counts afterwards, never the other way round.
//! - Only the flush writes absolute values, each with a new epoch. The INCR and DECR of a reaction take effect only on the epoch that
//!   was read before the row was written, so that a late command is not counted twice.
//! - The reconcile compares Redis with the columns and counts again what differs. With many snacks it does so only when something has
//!   happened by which Redis may be wrong ([`reasons`]).

pub mod counters;
pub mod counts;
pub mod flush;
mod reasons;
pub mod routes;
pub mod state;
pub mod store;

use std::sync::Arc;

use axum::extract::FromRef;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::state::ReactionState;
use crate::{
    auth::state::AuthState,
    error::Code::{DuplicateReaction, ReactionNotFound, ValidationFailed},
    http::openapi::signed_in,
};

pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<AuthState>: FromRef<S>,
    Arc<ReactionState>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(signed_in(routes!(routes::react), &[ValidationFailed, DuplicateReaction]))
        .routes(signed_in(routes!(routes::cancel_reaction), &[ReactionNotFound]))
}
