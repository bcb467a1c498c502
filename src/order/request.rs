//! What is sent to create or edit an order, and the snacks that it names.

use std::collections::{HashMap, HashSet};

use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{Deserialize, Deserializer, Serialize, de};
use sqlx::PgExecutor;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::store::SnackSummary;
use crate::{
    domain::money::Currency,
    error::{ApiError, Code, FieldError},
    http::rules,
    snack::store::{SnackStatus, media_url},
};

/// The snacks of an order.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[schema(example = json!({"snacks": [{"uid": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "quantity": 2}]}))]
pub struct OrderRequest {
    /// What is wanted.
    #[schema(required, min_items = 1, max_items = 100)]
    #[validate(length(min = 1, max = 100, code = "item_count"), nested)]
    #[serde(default)]
    pub snacks: Vec<Line>,
}

/// One snack of an order. (`Serialize` is what validator wants of the items of a list.)
#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
pub struct Line {
    /// Which snack.
    #[schema(required, format = Uuid)]
    #[validate(custom(function = rules::filled))]
    #[serde(default)]
    pub uid: String,
    /// How many.
    #[schema(required, minimum = 1, maximum = 1000)]
    #[validate(range(min = 1, max = 1000, code = "out_of_range"))]
    #[serde(default, deserialize_with = "whole")]
    pub quantity: i64,
}

/// A whole number however it is written: to JSON Schema, and to clients that know but one kind of number, `2.0` is one.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let float = || number.as_f64().filter(|float| float.fract() == 0.0).and_then(|float| float.to_i64());
    number.as_i64().or_else(float).ok_or_else(|| de::Error::custom(format_args!("{number} is not a whole number")))
}

/// A line whose snack exists.
#[derive(Debug)]
pub struct Wanted {
    /// The snack's row.
    pub snack_id: i64,
    /// The snack as it is at this moment.
    pub snack: SnackSummary,
    /// Where in the request it stands, from 0.
    pub position: i32,
    /// How many.
    pub quantity: i32,
    /// The snack's price at this moment.
    pub price: Decimal,
    /// The currency of the price.
    pub currency: Currency,
    /// Whether the snack can be ordered at this moment.
    pub is_available: bool,
}

/// Blames the snacks at `positions` of the request.
#[must_use]
pub fn blame(code: Code, positions: impl IntoIterator<Item = i32>) -> ApiError {
    let errors = positions.into_iter().map(|at| FieldError::new(format!("snacks[{at}].uid"), code.name())).collect();
    code.on(errors)
}

impl OrderRequest {
    /// Looks the snacks up. The answer is sorted by snack, which is the order in which they are locked.
    ///
    /// # Errors
    /// `unknown_snack`, also for a uid that does not parse; `duplicate_snack`.
    pub async fn resolve(&self, db: impl PgExecutor<'_>) -> Result<Vec<Wanted>, ApiError> {
        let uids: Vec<Option<Uuid>> = self.snacks.iter().map(|line| line.uid.parse().ok()).collect();
        let known: Vec<Uuid> = uids.iter().copied().flatten().collect();
        // Without unnest Postgres sees how many there are, and plans anew each time.
        let rows = sqlx::query!(
            r#"SELECT id, uid, name, url, "desc", image, thumbnail, price, currency AS "currency: Currency",
                   status AS "status: SnackStatus"
               FROM snacks WHERE uid = ANY(ARRAY(SELECT unnest($1::uuid[])))"#,
            &known
        )
        .fetch_all(db)
        .await?;
        let by_uid: HashMap<Uuid, _> = rows.into_iter().map(|row| (row.uid, row)).collect();

        let mut wanted = Vec::with_capacity(self.snacks.len());
        let (mut unknown, mut duplicate) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for ((position, line), uid) in (0_i32..).zip(&self.snacks).zip(uids) {
            let Some(row) = uid.and_then(|uid| by_uid.get(&uid)) else {
                unknown.push(position);
                continue;
            };
            if !seen.insert(row.id) {
                duplicate.push(position);
            }
            wanted.push(Wanted {
                snack_id: row.id,
                snack: SnackSummary {
                    uid: row.uid,
                    name: row.name.clone(),
                    url: row.url.clone(),
                    desc: row.desc.clone(),
                    image: media_url(row.image.clone()),
                    thumbnail: media_url(row.thumbnail.clone()),
                },
                position,
                quantity: i32::try_from(line.quantity).map_err(ApiError::internal)?,
                price: row.price,
                currency: row.currency,
                is_available: row.status == SnackStatus::Available,
            });
        }
        if !unknown.is_empty() {
            return Err(blame(Code::UnknownSnack, unknown));
        }
        if !duplicate.is_empty() {
            return Err(blame(Code::DuplicateSnack, duplicate));
        }
        wanted.sort_by_key(|line| line.snack_id);
        Ok(wanted)
    }
}
