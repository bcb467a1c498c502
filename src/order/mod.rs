//! Orders and their status.

pub mod create;
pub mod edit;
pub mod idempotency;
pub mod request;
pub mod routes;
pub mod state;
pub mod status;
pub mod store;
pub mod transition;

use std::sync::Arc;

use axum::extract::FromRef;
use chrono_tz::Tz;
use sqlx::PgPool;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::state::OrderState;
use crate::{
    auth::state::AuthState,
    error::Code::{
        self, DuplicateSnack, EstimatedArrivalTimeRequired, HatedSnack, IdempotencyKeyReused, InvalidTransition,
        OrderNotEditable, PermissionDenied, PreconditionFailed, SnackAlreadyRequested, SnackUnavailable, UnknownSnack,
        ValidationFailed,
    },
    http::openapi::{admin, signed_in},
};

const CREATE: &[Code] =
    &[ValidationFailed, UnknownSnack, DuplicateSnack, SnackUnavailable, SnackAlreadyRequested, IdempotencyKeyReused];
const EDIT: &[Code] = &[
    ValidationFailed,
    UnknownSnack,
    DuplicateSnack,
    SnackUnavailable,
    SnackAlreadyRequested,
    PermissionDenied,
    PreconditionFailed,
    OrderNotEditable,
];
const TRANSITION: &[Code] =
    &[ValidationFailed, EstimatedArrivalTimeRequired, PreconditionFailed, InvalidTransition, HatedSnack];

pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    PgPool: FromRef<S>,
    Tz: FromRef<S>,
    Arc<AuthState>: FromRef<S>,
    Arc<OrderState>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(signed_in(routes!(routes::list_orders), &[]))
        .routes(signed_in(routes!(routes::create_order), CREATE))
        .routes(signed_in(routes!(routes::get_order), &[]))
        .routes(signed_in(routes!(routes::edit_order), EDIT))
        .routes(signed_in(routes!(routes::list_order_snacks), &[]))
        .routes(signed_in(routes!(routes::get_order_history), &[]))
        .routes(admin(routes!(routes::change_order_status), TRANSITION))
        .merge(deprecated_routes())
}

/// Paths of the previous service, for existing scripts.
#[expect(deprecated, reason = "the document marks these endpoints as deprecated by the attribute of their handlers")]
fn deprecated_routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    PgPool: FromRef<S>,
    Arc<AuthState>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(signed_in(routes!(routes::create_order_old), CREATE))
        .routes(signed_in(routes!(routes::get_order_old), &[]))
        .routes(admin(routes!(routes::change_order_status_old), TRANSITION))
}
