//! Orders and their status.

pub mod arrival;
pub mod buying_list;
pub mod create;
pub mod edit;
pub mod follow;
pub mod idempotency;
pub mod news;
pub mod request;
pub mod routes;
pub mod rules;
pub mod state;
pub mod status;
pub mod store;
pub mod transition;

use std::sync::Arc;

use axum::extract::FromRef;
use chrono_tz::Tz;
use sqlx::PgPool;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    routes::{follows, orders},
    state::OrderState,
};
use crate::{
    auth::state::AuthState,
    error::Code::{
        self, ArrivalNotExpected, BudgetExceeded, DuplicateSnack, EstimatedArrivalTimeRequired, HatedSnack,
        IdempotencyKeyReused, InvalidTransition, OrderClosed, OrderNotEditable, PermissionDenied, PreconditionFailed,
        SnackAlreadyRequested, SnackUnavailable, UnknownSnack, ValidationFailed,
    },
    http::openapi::{admin, signed_in},
    outbox::Outbox,
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
const TRANSITION: &[Code] = &[
    ValidationFailed,
    EstimatedArrivalTimeRequired,
    PermissionDenied,
    PreconditionFailed,
    InvalidTransition,
    HatedSnack,
    BudgetExceeded,
];
const ARRIVAL: &[Code] = &[ValidationFailed, EstimatedArrivalTimeRequired, PreconditionFailed, ArrivalNotExpected];

pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    PgPool: FromRef<S>,
    Tz: FromRef<S>,
    Arc<AuthState>: FromRef<S>,
    Arc<Outbox>: FromRef<S>,
    Arc<OrderState>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(signed_in(routes!(orders::list_orders), &[]))
        .routes(signed_in(routes!(orders::create_order), CREATE))
        .routes(signed_in(routes!(orders::get_order), &[]))
        .routes(signed_in(routes!(orders::edit_order), EDIT))
        .routes(signed_in(routes!(orders::list_order_snacks), &[]))
        .routes(signed_in(routes!(orders::get_order_history), &[]))
        .routes(signed_in(routes!(routes::status::change_order_status), TRANSITION))
        .routes(admin(routes!(routes::status::change_order_arrival), ARRIVAL))
        .routes(signed_in(routes!(follows::follow_order), &[OrderClosed]))
        .routes(signed_in(routes!(follows::unfollow_order), &[]))
        .routes(admin(routes!(routes::buying_list::get_buying_list), &[]))
        .merge(deprecated_routes())
}

/// Paths of the previous service, for existing scripts.
#[expect(deprecated, reason = "the document marks these endpoints as deprecated by the attribute of their handlers")]
fn deprecated_routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    PgPool: FromRef<S>,
    Tz: FromRef<S>,
    Arc<AuthState>: FromRef<S>,
    Arc<Outbox>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(signed_in(routes!(orders::create_order_old), CREATE))
        .routes(signed_in(routes!(orders::get_order_old), &[]))
        .routes(signed_in(routes!(routes::status::change_order_status_old), TRANSITION))
}
