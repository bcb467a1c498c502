//! A snack as orders and statistics show it.

use serde::Serialize;
use sqlx::{FromRow, Row, postgres::PgRow};
use utoipa::ToSchema;
use uuid::Uuid;

/// Snack in an order or in statistics.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SnackSummary {
    pub uid: Uuid,
    /// Current name.
    #[schema(example = "새우깡")]
    pub name: String,
    /// Page of a shop, or empty.
    pub url: String,
    /// Description, or empty.
    pub desc: String,
    /// Path of the picture, below the URL of the server.
    #[schema(required)]
    pub image: Option<String>,
    /// Path of the thumbnail, below the URL of the server.
    #[schema(required)]
    pub thumbnail: Option<String>,
    /// Number of likes. It may be two flush intervals old.
    pub like_reaction_count: i32,
    /// Number of hates. It may be two flush intervals old.
    pub hate_reaction_count: i32,
}

/// SELECT list of a [`SnackSummary`] from the table `snacks AS s`.
pub const SUMMARY_COLUMNS: &str = r#"s.uid, s.name, s.url, s."desc", s.image, s.thumbnail,
    s.like_reaction_count, s.hate_reaction_count"#;

impl FromRow<'_, PgRow> for SnackSummary {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            uid: row.try_get("uid")?,
            name: row.try_get("name")?,
            url: row.try_get("url")?,
            desc: row.try_get("desc")?,
            image: media_path(row.try_get("image")?),
            thumbnail: media_path(row.try_get("thumbnail")?),
            like_reaction_count: row.try_get("like_reaction_count")?,
            hate_reaction_count: row.try_get("hate_reaction_count")?,
        })
    }
}

/// URL path of a picture in the storage.
pub fn media_path(name: Option<String>) -> Option<String> {
    name.map(|name| format!("/media/{name}"))
}
