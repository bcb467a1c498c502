//! Somebody, as others see them.

use serde::Serialize;
use utoipa::ToSchema;

/// A user by number and name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Person {
    /// The user's id.
    pub id: i64,
    /// The user's name.
    #[schema(example = "김간식")]
    pub name: String,
}
