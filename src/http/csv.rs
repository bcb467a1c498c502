//! CSV for spreadsheets: UTF-8 with a byte order mark, which Excel needs for Korean, and without formulas.

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use unicode_normalization::UnicodeNormalization;

use super::pagination::{Page, Sorted};
use crate::{
    domain::text::first_visible,
    error::{ApiError, chain},
};

/// Number of rows of a file that one statement reads.
const PAGE: usize = 500;

/// Row of a list that has lines in a CSV file.
pub trait Lines {
    const HEADER: &'static [&'static str];

    /// Cells of the lines of this row.
    fn lines(&self) -> Vec<Vec<String>>;
}

/// All pages of a list from `sorted` on.
pub fn walk<T, F>(
    sorted: Sorted,
    read: impl Fn(Sorted) -> F + Send + 'static,
) -> impl Stream<Item = Result<Vec<T>, ApiError>> + Send + 'static
where
    T: Send + 'static,
    F: Future<Output = Result<(Sorted, Page<T>), ApiError>> + Send,
{
    stream::try_unfold((Some(sorted.with_limit(PAGE)), read), |(sorted, read)| async move {
        let Some(sorted) = sorted else { return Ok(None) };
        let (mut sorted, page) = read(sorted).await?;
        let next = match &page.next_cursor {
            Some(cursor) => {
                sorted.resume(cursor)?;
                Some(sorted)
            }
            None => None,
        };
        Ok(Some((page.results, (next, read))))
    })
}

/// Puts a quote before a cell that a spreadsheet would run as formula, also behind further quotes, so that [`original`] can take it off.
fn neutralised(cell: String) -> String {
    if is_formula(cell.trim_start_matches('\'')) { format!("'{cell}") } else { cell }
}

/// Text of a cell that may be [`neutralised`].
pub fn original(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| is_formula(rest.trim_start_matches('\''))).unwrap_or(cell)
}

/// Korean and Japanese spreadsheets also accept full-width signs, and all ignore invisible characters before the sign.
fn is_formula(cell: &str) -> bool {
    let sign = first_visible(cell).and_then(|first| first.nfkc().next());
    sign.is_some_and(|sign| matches!(sign, '=' | '+' | '-' | '@' | '\u{2212}')) || cell.starts_with(['\t', '\r', '\n'])
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
    use proptest::prelude::*;

    use super::*;

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
            "'=1",
            "''+1",
        ] {
            assert_eq!(neutralised(cell.to_owned()), format!("'{cell}"));
            assert_eq!(original(&format!("'{cell}")), cell);
        }
        for cell in ["새우깡 = 맛", "", " ", "1-1", "1500", "'", "'새우깡'", "'1"] {
            assert_eq!(neutralised(cell.to_owned()), cell);
            assert_eq!(original(cell), cell);
        }
    }

    proptest! {
        #[test]
        fn a_cell_is_read_as_it_was_before_it_was_written(cell in "['=+\\-@＝−\t\n \u{200b}가1]{0,6}|.*") {
            let written = neutralised(cell.clone());
            prop_assert_eq!(original(&written), cell);
        }
    }
}
