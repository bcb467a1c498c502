//! What was asked for and how far it got.
//!
//! | rule | where |
//! | --- | --- |
//! | which status follows which | [`status`], and the trigger `refuse_status_jump` |
//! | one open order for a snack | `purchases_one_open_order_per_snack` |
//! | no snack that is hated is bought | [`transition`] |
//! | edits while created, prices that stay | [`edit`] |
//! | one order for an idempotency key | [`idempotency`] |

pub mod create;
pub mod edit;
pub mod idempotency;
pub mod request;
pub mod routes;
pub mod status;
pub mod store;
pub mod transition;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::state::AppState,
    error::Code::{
        self, DuplicateSnack, EstimatedArrivalTimeRequired, HatedSnack, IdempotencyKeyReused, InvalidTransition,
        OrderNotEditable, PermissionDenied, PreconditionFailed, SnackAlreadyRequested, SnackUnavailable, UnknownSnack,
        ValidationFailed,
    },
    http::openapi::{admin, member},
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

/// Every route of this noun with the refusals that are its own.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(member(routes!(routes::list_orders), &[]))
        .routes(member(routes!(routes::create_order), CREATE))
        .routes(member(routes!(routes::get_order), &[]))
        .routes(member(routes!(routes::edit_order), EDIT))
        .routes(member(routes!(routes::list_order_snacks), &[]))
        .routes(member(routes!(routes::get_order_history), &[]))
        .routes(admin(routes!(routes::change_order_status), TRANSITION))
        .merge(old_spellings())
}

/// The spellings of the service before this one, for scripts that exist.
#[expect(deprecated, reason = "deprecated for clients: that is how the document learns of it")]
fn old_spellings() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(member(routes!(routes::create_order_old), CREATE))
        .routes(member(routes!(routes::get_order_old), &[]))
        .routes(admin(routes!(routes::change_order_status_old), TRANSITION))
}
