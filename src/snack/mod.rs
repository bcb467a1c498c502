//! What can be ordered: names that are unique as people see them, prices, pictures.
//!
//! | rule | where |
//! | --- | --- |
//! | what makes two names the same | [`crate::domain::text::fold`], `snacks_name_key` |
//! | digits and bounds of a price | [`crate::domain::money`] |
//! | what counts as a picture | [`image`] |
//! | what a picture may cost to decode | [`sandbox`] |
//! | how much is uploaded at once | [`uploads`] |
//! | which pictures are left over | [`sweep`] |
//! | who may change a snack | [`store::edit`] |

pub mod colour;
pub mod end_marker;
pub mod form;
pub mod image;
pub mod image_worker;
pub mod page;
pub mod routes;
pub mod storage;
pub mod store;
pub mod sweep;
pub mod uploads;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::state::AppState,
    error::Code::{
        NotFound, PayloadTooLarge, PermissionDenied, SnackNameTaken, TooManyRequests, UnsupportedMediaType,
        ValidationFailed,
    },
    http::openapi::{admin, member},
};

/// Every route of this noun with the refusals that are its own.
pub fn router() -> OpenApiRouter<AppState> {
    let uploads = OpenApiRouter::new()
        .routes(member(routes!(routes::register_snack), &[ValidationFailed, SnackNameTaken, TooManyRequests]))
        .routes(member(
            routes!(routes::edit_snack),
            &[ValidationFailed, PermissionDenied, SnackNameTaken, TooManyRequests],
        ))
        .layer(routes::upload_limit());
    OpenApiRouter::new()
        .merge(uploads)
        .routes(member(routes!(routes::list_snacks), &[]))
        .routes(member(routes!(routes::get_snack), &[]))
        .routes(admin(routes!(routes::change_snack_status), &[ValidationFailed]))
}

/// The pictures. Apart from the rest, because their paths are taken to the letter, trailing slash included.
pub fn media_router() -> OpenApiRouter<AppState> {
    use crate::http::openapi::open;
    OpenApiRouter::new().routes(open(routes!(routes::get_picture), &[NotFound]))
}

/// Codes of a refused picture, told by the calls that take one.
pub const PICTURE_CODES: &[crate::error::Code] = &[PayloadTooLarge, UnsupportedMediaType];
