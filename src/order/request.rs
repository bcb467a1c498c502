//! The body of a request that creates or edits an order.

use std::collections::{HashMap, HashSet};

use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{Deserialize, Deserializer, Serialize, de};
use sqlx::{AssertSqlSafe, FromRow, PgExecutor};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::rules;
use crate::{
    domain::{money::Currency, text::first_visible},
    error::{ApiError, Code, FieldError},
    http::{body::non_null, rules::filled},
    snack::{
        store::SnackStatus,
        summary::{SUMMARY_COLUMNS, SnackSummary},
    },
};

/// Lines of an order.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[schema(example = json!({"snacks": [{"uid": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "quantity": 2}], "note": "금요일 회의 때 먹을 간식입니다."}))]
pub struct OrderRequest {
    #[schema(required, min_items = 1, max_items = 100)]
    #[validate(length(min = 1, max = 100, code = "item_count"), nested)]
    #[serde(default)]
    pub snacks: Vec<Line>,
    /// For the admins, in several lines or none.
    #[schema(value_type = Option<String>, nullable = false, max_length = 500)]
    #[serde(default, deserialize_with = "non_null")]
    #[validate(custom(function = rules::note))]
    pub note: Option<String>,
}

/// Snack and quantity.
// `Serialize` is required by validator for items of a list.
#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
pub struct Line {
    #[schema(required, format = Uuid)]
    #[validate(custom(function = filled))]
    #[serde(default)]
    pub uid: String,
    #[schema(required, minimum = 1, maximum = 1000)]
    #[validate(range(min = 1, max = 1000, code = "out_of_range"))]
    #[serde(default, deserialize_with = "integer")]
    pub quantity: i64,
}

/// Integer in any notation. `2.0` is an integer in JSON Schema, and some clients have only one type of number.
fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let float = || number.as_f64().filter(|float| float.fract() == 0.0).and_then(|float| float.to_i64());
    number.as_i64().or_else(float).ok_or_else(|| de::Error::custom(format_args!("{number} is not an integer")))
}

/// Line whose snack exists, with the current data of the snack.
#[derive(Debug)]
pub struct ResolvedLine {
    pub snack_id: i64,
    pub snack: SnackSummary,
    /// Index in the request.
    pub position: i32,
    pub quantity: i32,
    pub price: Decimal,
    pub currency: Currency,
    pub is_available: bool,
}

/// Error of the lines at `positions` of the request.
pub fn line_errors(code: Code, positions: impl IntoIterator<Item = i32>) -> ApiError {
    code.with_fields(positions.into_iter().map(|at| line_error(code, at)).collect())
}

pub fn line_error(code: Code, position: i32) -> FieldError {
    FieldError::new(format!("snacks[{position}].uid"), code.name())
}

/// Snack of a line.
#[derive(FromRow)]
struct SnackRow {
    id: i64,
    price: Decimal,
    currency: Currency,
    status: SnackStatus,
    #[sqlx(flatten)]
    summary: SnackSummary,
}

impl OrderRequest {
    /// Note of a new order, empty if there is none to see.
    pub fn note(&self) -> &str {
        self.edited_note().unwrap_or_default()
    }

    /// New note of an edited order, None if it stays.
    pub fn edited_note(&self) -> Option<&str> {
        let note = self.note.as_deref()?;
        Some(if first_visible(note).is_some() { note } else { "" })
    }

    /// Looks up the snacks. The result is sorted by snack, the order in which they are locked.
    ///
    /// # Errors
    /// `unknown_snack`, also for a malformed uid; `duplicate_snack`.
    pub async fn resolve(&self, db: impl PgExecutor<'_>) -> Result<Vec<ResolvedLine>, ApiError> {
        let uids: Vec<Option<Uuid>> = self.snacks.iter().map(|line| line.uid.parse().ok()).collect();
        let known: Vec<Uuid> = uids.iter().copied().flatten().collect();
        // unnest hides the number of snacks from Postgres, which would plan again for each number.
        let sql = format!(
            "SELECT s.id, s.price, s.currency, s.status, {SUMMARY_COLUMNS} FROM snacks AS s
             WHERE s.uid = ANY(ARRAY(SELECT unnest($1::uuid[])))"
        );
        let rows: Vec<SnackRow> = sqlx::query_as(AssertSqlSafe(sql)).bind(known).fetch_all(db).await?;
        let by_uid: HashMap<Uuid, SnackRow> = rows.into_iter().map(|row| (row.summary.uid, row)).collect();

        let mut lines = Vec::with_capacity(self.snacks.len());
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
            lines.push(ResolvedLine {
                snack_id: row.id,
                snack: row.summary.clone(),
                position,
                quantity: i32::try_from(line.quantity).map_err(ApiError::internal)?,
                price: row.price,
                currency: row.currency,
                is_available: row.status == SnackStatus::Available,
            });
        }
        if !unknown.is_empty() {
            return Err(line_errors(Code::UnknownSnack, unknown));
        }
        if !duplicate.is_empty() {
            return Err(line_errors(Code::DuplicateSnack, duplicate));
        }
        lines.sort_by_key(|line| line.snack_id);
        Ok(lines)
    }
}
