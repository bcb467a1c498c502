//! Snacks: names that are unique to the eye, prices, pictures.

pub mod colour;
pub mod csv;
pub mod end_marker;
pub mod fields;
pub mod form;
pub mod image;
pub mod image_worker;
pub mod import;
pub mod news;
pub mod object_stores;
pub mod register;
pub mod routes;
pub mod rules;
pub mod state;
pub mod storage;
pub mod store;
pub mod summary;
pub mod sweep;
pub mod uploads;

use std::sync::Arc;

use axum::extract::FromRef;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::state::SnackState;
use crate::{
    auth::state::AuthState,
    error::Code::{NotFound, PermissionDenied, SnackNameTaken, TooManyRequests, ValidationFailed},
    http::openapi::{admin, open, signed_in},
    outbox::Outbox,
};

pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<AuthState>: FromRef<S>,
    Arc<SnackState>: FromRef<S>,
    Arc<Outbox>: FromRef<S>,
{
    let uploads = OpenApiRouter::new()
        .routes(signed_in(routes!(routes::register_snack), &[ValidationFailed, SnackNameTaken, TooManyRequests]))
        .routes(signed_in(
            routes!(routes::edit_snack),
            &[ValidationFailed, PermissionDenied, SnackNameTaken, TooManyRequests],
        ))
        .layer(form::upload_limit());
    let imports = OpenApiRouter::new()
        .routes(admin(routes!(routes::import_snacks), &[ValidationFailed]))
        .layer(import::upload_limit());
    OpenApiRouter::new()
        .merge(uploads)
        .merge(imports)
        .routes(signed_in(routes!(routes::list_snacks), &[]))
        .routes(signed_in(routes!(routes::get_snack), &[]))
        .routes(admin(routes!(routes::change_snack_status), &[ValidationFailed]))
}

/// Route of the pictures. Separate, because its paths are taken literally, trailing slash included.
pub fn media_router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<SnackState>: FromRef<S>,
{
    OpenApiRouter::new().routes(open(routes!(routes::get_picture), &[NotFound]))
}
