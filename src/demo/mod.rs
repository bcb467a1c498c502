//! Demo data for development: a year at an office that likes its snacks, drawn, rated, ordered and paid for.
//!
//! - [`catalogue`]: the snacks; [`people`]: the members. Tables, to be read and extended.
//! - [`picture`] draws the snacks' pictures, by the kind of pack (`pack`, `sweet`, `drink`, `ice`) with the food that is in it
//!   (`food`), through a `brush`.
//! - `plan` (with `orders`) works out who did what and when, without any I/O; `load` writes it.

mod brush;
pub mod catalogue;
mod drink;
pub mod food;
mod ice;
mod load;
mod orders;
mod pack;
pub mod people;
pub mod picture;
mod plan;
mod random;
mod sweet;

pub use load::load;
pub use people::{ADMIN_EMAIL, MEMBER_EMAIL, PASSWORD};

use crate::error::ApiError;

/// What came of loading the demo data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was written.
    Loaded,
    /// It was there already; nothing was changed.
    AlreadyThere,
}

/// Why the demo data was not loaded. Nothing was written then.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Somebody works with this database.
    #[error("the database has users of its own ({0} of them); demo data goes into an empty one")]
    OtherUsers(i64),
    /// Postgres refused or could not be reached.
    #[error("the demo data could not be written")]
    Sql(#[from] sqlx::Error),
    /// A picture could not be drawn.
    #[error("a demo picture could not be drawn")]
    Picture(#[from] image::ImageError),
    /// A picture could not be stored, or the password not be hashed.
    #[error("the demo data could not be prepared")]
    Api(#[from] ApiError),
}
