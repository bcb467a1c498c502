//! Statistics as CSV for spreadsheets: UTF-8 with a byte order mark, which Excel needs for Korean, and without formulas.

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use unicode_normalization::UnicodeNormalization;

use super::store::{CurrencyStatistics, PeriodSummary, SnackStatistics};
use crate::{
    domain::{money::Currency, text::first_visible},
    error::{ApiError, chain},
    order::store::{Order, Purchase},
};

/// Row of a list that has lines in a CSV file.
pub trait Lines {
    const HEADER: &'static [&'static str];

    /// Cells of the lines of this row.
    fn lines(&self) -> Vec<Vec<String>>;
}

fn instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

impl Lines for Order {
    const HEADER: &'static [&'static str] = &[
        "uid",
        "status",
        "created_at",
        "user_name",
        "user_email",
        "snack_name",
        "quantity",
        "unit_price",
        "currency",
        "amount",
        "estimated_arrival_time",
    ];

    fn lines(&self) -> Vec<Vec<String>> {
        let line = |purchase: &Purchase| {
            vec![
                self.uid.to_string(),
                self.status.to_string(),
                instant(self.created_at),
                self.user.name.clone(),
                self.user.email.clone(),
                purchase.snack.name.clone(),
                purchase.quantity.to_string(),
                purchase.unit_price.clone(),
                purchase.currency.code().to_owned(),
                purchase.amount.clone(),
                self.estimated_arrival_time.map(instant).unwrap_or_default(),
            ]
        };
        self.purchases.iter().map(line).collect()
    }
}

impl Lines for SnackStatistics {
    const HEADER: &'static [&'static str] = &["uid", "name", "order_count", "quantity", "currency", "amount"];

    fn lines(&self) -> Vec<Vec<String>> {
        let line = |sum: &CurrencyStatistics| {
            vec![
                self.snack.uid.to_string(),
                self.snack.name.clone(),
                sum.order_count.to_string(),
                sum.quantity.to_string(),
                sum.money.currency.code().to_owned(),
                sum.money.to_string(),
            ]
        };
        self.by_currency.iter().map(line).collect()
    }
}

impl Lines for PeriodSummary {
    const HEADER: &'static [&'static str] =
        &["period", "from", "to", "order_count", "snack_quantity", "KRW", "USD", "JPY"];

    fn lines(&self) -> Vec<Vec<String>> {
        let mut line = vec![
            self.period.clone(),
            self.from.to_string(),
            self.to.to_string(),
            self.order_count.to_string(),
            self.snack_quantity.to_string(),
        ];
        line.extend(Currency::ALL.map(|currency| self.amount(currency).to_string()));
        vec![line]
    }
}

/// Puts a quote before a cell that a spreadsheet would run as formula. Korean and Japanese spreadsheets also accept full-width signs, and
/// all ignore invisible characters before the sign.
fn neutralised(cell: String) -> String {
    let is_formula = first_visible(&cell)
        .and_then(|first| first.nfkc().next())
        .is_some_and(|first| matches!(first, '=' | '+' | '-' | '@' | '\u{2212}'));
    if is_formula || cell.starts_with(['\t', '\r', '\n']) { format!("'{cell}") } else { cell }
}

fn write<T: Lines>(with_header: bool, rows: &[T]) -> Result<Bytes, ApiError> {
    let mut writer = csv::Writer::from_writer(if with_header { b"\xef\xbb\xbf".to_vec() } else { Vec::new() });
    if with_header {
        writer.write_record(T::HEADER).map_err(ApiError::internal)?;
    }
    for line in rows.iter().flat_map(Lines::lines) {
        writer.write_record(line.into_iter().map(neutralised)).map_err(ApiError::internal)?;
    }
    writer.into_inner().map(Bytes::from).map_err(|error| ApiError::internal(error.into_error()))
}

/// Response with a CSV file of the rows in `pages`, which are sent as they are read. The first page is awaited before the response
/// starts, so that its errors become an error response.
///
/// # Errors
/// Those of the first page.
pub async fn file<T: Lines + Send + Sync + 'static>(
    name: &str,
    pages: impl Stream<Item = Result<Vec<T>, ApiError>> + Send + 'static,
) -> Result<Response, ApiError> {
    let mut pages = Box::pin(pages);
    let first = pages.next().await.transpose()?.unwrap_or_default();
    let first = write(true, &first);
    let rest = pages.map(|rows| rows.and_then(|rows| write(false, &rows)));
    let body = stream::once(async { first })
        .chain(rest)
        .inspect_err(|error| tracing::error!(error = %chain(error), "CSV file truncated"));
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

#[cfg(test)]
mod tests {
    use super::neutralised;

    #[test]
    fn no_cell_is_a_formula() {
        for cell in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\tx",
            "\rx",
            "\nx",
            "＝1+1",
            "＋1",
            "－1",
            "＠SUM(A1)",
            "﹦1",
            "−1",
            " =1",
            "\u{a0}=1",
            "\u{200b}=1",
            "\u{feff} ＝1",
        ] {
            assert_eq!(neutralised(cell.to_owned()), format!("'{cell}"));
        }
        for cell in ["새우깡 = 맛", "", " ", "1-1", "1500", "'=1"] {
            assert_eq!(neutralised(cell.to_owned()), cell);
        }
    }
}
