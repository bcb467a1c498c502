//! A user as other users see it.

use serde::Serialize;
use utoipa::ToSchema;

/// Id and name of a user.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Person)]
pub struct UserSummary {
    pub id: i64,
    #[schema(example = "김간식")]
    pub name: String,
}
