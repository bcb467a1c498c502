//! Import of snacks from a CSV file. Each row is registered or refused by the rules of a single registration.

use std::{borrow::Cow, collections::HashSet};

use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use csv::{ReaderBuilder, StringRecord};
use encoding_rs::EUC_KR;
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    fields::{NewSnack, SnackFields},
    form::{open_form, read_error, read_part, repeated_field},
    news,
    store::{self, Snack},
};
use crate::{
    audit::Action,
    auth::extract::CurrentUser,
    domain::{
        money::{Currency, PriceInput},
        text::{first_visible, fold, tidy},
    },
    error::{ApiError, Code, FieldError, chain},
    http::{
        body::{self, essence},
        csv::{Lines, original},
        headers::Language,
        problem::FieldProblem,
    },
    outbox::Outbox,
};

/// Maximum size of a file, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// Maximum number of rows below the header.
const MAX_ROWS: usize = 1000;

/// File of an import.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
pub struct ImportUpload {
    /// CSV in UTF-8 or CP949 with the header `name,price[,currency,url,desc]`: at most 1,000 rows and 1 MiB. The other columns of an
    /// exported file are ignored.
    #[schema(format = Binary, content_media_type = "text/csv")]
    file: String,
}

/// Outcome of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImportStatus {
    /// Created, or valid in a dry run.
    Created,
    Refused,
}

/// Result of a row.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportResult {
    /// Line of the file in which the row begins. The header is line 1.
    #[schema(example = 2)]
    line: usize,
    /// As in the file.
    #[schema(example = "새우깡")]
    name: String,
    status: ImportStatus,
    /// `null` if no snack was created.
    #[schema(required)]
    uid: Option<Uuid>,
    /// Invalid fields of a refused row.
    errors: Vec<FieldProblem>,
}

/// Result of an import.
#[derive(Debug, Serialize, ToSchema)]
pub struct Import {
    /// Number of created rows.
    created: usize,
    /// Number of refused rows.
    refused: usize,
    /// All rows, in the order of the file.
    results: Vec<ImportResult>,
}

/// Extractor of the file.
pub struct ImportFile(Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for ImportFile {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if essence(request.headers()).as_deref() != Some("multipart/form-data") {
            return Err(Code::UnsupportedMediaType.into());
        }
        body::in_time(read_file(request, state)).await?
    }
}

async fn read_file<S: Send + Sync>(request: Request, state: &S) -> Result<ImportFile, ApiError> {
    let mut form = open_form(request, state).await?;
    let mut file = None;
    while let Some(mut part) = form.next_field().await.map_err(read_error)? {
        if part.name() == Some("file") {
            if file.is_some() {
                return Err(repeated_field("file"));
            }
            file = Some(read_part(&mut part, MAX_BYTES, || Code::PayloadTooLarge.into()).await?);
        }
    }
    let file = file.ok_or_else(|| ApiError::invalid("file", "required"))?;
    Ok(ImportFile(file.iter().collect::<Vec<_>>().concat()))
}

/// Limit of the body: the file, and some bytes for what is around it.
pub fn upload_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(MAX_BYTES + 16 * 1024)
}

/// Row of the file.
#[derive(Debug)]
pub struct Row {
    line: usize,
    name: String,
    snack: Result<NewSnack, Vec<FieldError>>,
}

impl ImportFile {
    /// Reads the rows. Takes a moment for a large file.
    ///
    /// # Errors
    /// `invalid_request` for another encoding, a wrong header and too many rows.
    pub fn rows(&self) -> Result<Vec<Row>, ApiError> {
        let text = decode(&self.0)?;
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let mut lines = LineCounter { text: text.as_bytes(), at: 0, line: 1 };
        let mut record = StringRecord::new();
        let mut columns = None;
        let mut rows = Vec::new();
        while reader.read_record(&mut record).map_err(ApiError::internal)? {
            if record.iter().all(|cell| first_visible(cell).is_none()) {
                continue;
            }
            let Some(columns) = &columns else {
                columns = Some(read_header(&record)?);
                continue;
            };
            if rows.len() == MAX_ROWS {
                return Err(ApiError::bad_request(
                    "한 번에 1,000개까지 가져올 수 있습니다. 파일을 나눠 주세요.",
                    "At most 1,000 rows can be imported at once. Split the file.",
                ));
            }
            let begin = record.position().map_or(0, csv::Position::byte);
            rows.push(read_row(&record, columns, lines.line_of(usize::try_from(begin).unwrap_or_default())));
        }
        if columns.is_none() { Err(missing_columns(&["name", "price"])) } else { Ok(rows) }
    }
}

/// Decodes UTF-8 or CP949, which `encoding_rs` has as EUC-KR.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, ApiError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Some(Cow::Borrowed(text)),
        Err(_) => EUC_KR.decode_without_bom_handling_and_without_replacement(bytes),
    };
    // UTF-16 has a NUL for each half of an ASCII character, and is valid CP949 otherwise.
    text.filter(|text| !text.contains('\0')).ok_or_else(|| {
        ApiError::bad_request(
            "파일의 글자를 읽을 수 없습니다. UTF-8 또는 한국어 Excel의 CSV(CP949)로 저장해 주세요.",
            "The file cannot be decoded. Save it as UTF-8 or CP949.",
        )
    })
}

/// Counts the lines of a text up to positions that only increase.
struct LineCounter<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl LineCounter<'_> {
    /// Line of the record that the reader found at `begin`, which may be in front of the end of the line before, or of empty lines.
    fn line_of(&mut self, begin: usize) -> usize {
        let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
        while let Some(byte) = self.text.get(self.at).filter(|byte| self.at < begin || is_break(byte)) {
            let is_half = *byte == b'\r' && self.text.get(self.at + 1) == Some(&b'\n');
            self.line += usize::from(is_break(byte) && !is_half);
            self.at += 1;
        }
        self.line
    }
}

/// Columns of the file, from its header.
fn read_header(record: &StringRecord) -> Result<Vec<&'static str>, ApiError> {
    let mut columns = Vec::new();
    for cell in record {
        let name = cell.trim();
        let Some(column) = Snack::HEADER.iter().find(|column| **column == name) else {
            let name: String = name.chars().take(50).collect();
            return Err(ApiError::bad_request(
                format!("{name:?} 열은 가져올 수 없습니다. 첫 줄은 name,price,currency,url,desc여야 합니다."),
                format!("Unknown column {name:?}. The first line must be name,price,currency,url,desc."),
            ));
        };
        if columns.contains(column) {
            return Err(ApiError::bad_request(
                format!("{name} 열이 두 번 있습니다."),
                format!("The file has the column {name} twice."),
            ));
        }
        columns.push(*column);
    }
    let missing: Vec<_> = ["name", "price"].into_iter().filter(|column| !columns.contains(column)).collect();
    if missing.is_empty() { Ok(columns) } else { Err(missing_columns(&missing)) }
}

fn missing_columns(columns: &[&str]) -> ApiError {
    let columns = columns.join(", ");
    ApiError::bad_request(
        format!("파일의 첫 줄에 {columns} 열이 있어야 합니다."),
        format!("The first line of the file must name the columns: {columns}."),
    )
}

fn read_row(record: &StringRecord, columns: &[&str], line: usize) -> Row {
    let cell = |name: &str| {
        let at = columns.iter().position(|column| *column == name)?;
        record.get(at).map(original).filter(|cell| !cell.is_empty())
    };
    let mut errors = Vec::new();
    let currency = cell("currency").map(|code| {
        Currency::from_code(code.trim()).unwrap_or_else(|| {
            errors.push(FieldError::new("currency", "unknown_currency"));
            // The price may still violate a rule of all currencies.
            Currency::FINEST
        })
    });
    if record.iter().skip(columns.len()).any(|cell| first_visible(cell).is_some()) {
        errors.push(FieldError::new("row", "too_many_cells"));
    }
    let fields = SnackFields {
        name: cell("name").map(str::to_owned),
        url: cell("url").map(str::to_owned),
        desc: cell("desc").map(str::to_owned),
        price: cell("price").map(|price| PriceInput::from(price.trim())),
        currency,
        ..SnackFields::default()
    };
    let snack = match fields.into_new() {
        Ok(snack) if errors.is_empty() => Ok(snack),
        Ok(_) => Err(errors),
        Err(error) => Err([errors, error.errors].concat()),
    };
    Row { line, name: cell("name").map(tidy).unwrap_or_default(), snack }
}

/// Creates the snacks of the valid rows. With `dry_run` nothing is kept.
pub async fn import(
    db: &PgPool,
    outbox: &Outbox,
    admin: &CurrentUser,
    language: Language,
    rows: Vec<Row>,
    dry_run: bool,
) -> Result<Import, ApiError> {
    let mut keys = HashSet::new();
    let mut snacks = Vec::new();
    let mut outcomes = Vec::new();
    for Row { line, name, snack } in rows {
        let outcome = snack.and_then(|snack| {
            let key = fold(&name);
            // Of two rows with the same name the first is created.
            if !keys.insert(key.clone()) {
                return Err(vec![name_taken()]);
            }
            snacks.push(snack);
            Ok(key)
        });
        outcomes.push((line, name, outcome));
    }

    let mut tx = db.begin().await?;
    let uids = store::create_all(&mut tx, admin.id, &snacks).await?;
    let results: Vec<_> = outcomes
        .into_iter()
        .map(|(line, name, outcome)| {
            let outcome = outcome.and_then(|key| uids.get(&key).copied().ok_or_else(|| vec![name_taken()]));
            let status = if outcome.is_ok() { ImportStatus::Created } else { ImportStatus::Refused };
            let uid = outcome.as_ref().ok().copied().filter(|_| !dry_run);
            let errors = outcome.err().unwrap_or_default();
            let errors = errors.into_iter().map(|error| FieldProblem::new(error, language)).collect();
            ImportResult { line, name, status, uid, errors }
        })
        .collect();
    let created = uids.len();
    let refused = results.len() - created;
    if dry_run {
        tx.rollback().await?;
    } else {
        let subject = format!("{created} created, {refused} refused");
        admin.actor().log_success(&mut *tx, Action::SnackImport, &subject).await?;
        let uids: Vec<Uuid> = uids.into_values().collect();
        news::write(&mut tx, outbox, admin.id, &uids).await?;
        tx.commit().await?;
        outbox.changes.snacks(uids);
        outbox.committed(Vec::new());
        if let Err(error) = refresh_statistics(db, created).await {
            tracing::warn!(error = %chain(&error), "statistics of snacks not refreshed after an import");
        }
    }
    Ok(Import { created, refused, results })
}

/// Refreshes the statistics of the planner after `created` rows, by the rule of autovacuum, which comes a minute or two later: until then
/// a search would take every part of a name for rare. In a large table these rows are too few to change the statistics.
async fn refresh_statistics(db: &PgPool, created: usize) -> Result<(), sqlx::Error> {
    let created = i64::try_from(created).unwrap_or(i64::MAX);
    let is_outdated = sqlx::query_scalar!(
        r#"SELECT $1::bigint > 50 + 0.1 * greatest(reltuples, 0) AS "is_outdated!" FROM pg_class WHERE oid = 'snacks'::regclass"#,
        created
    );
    if is_outdated.fetch_one(db).await? {
        // Skipped while autovacuum does it.
        sqlx::raw_sql("ANALYZE (SKIP_LOCKED) snacks").execute(db).await?;
    }
    Ok(())
}

fn name_taken() -> FieldError {
    FieldError::new("name", "snack_name_taken")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(text: &[u8]) -> Result<Vec<Row>, ApiError> {
        ImportFile(text.to_vec()).rows()
    }

    #[test]
    fn a_row_has_the_line_in_which_it_begins() {
        for end in ["\n", "\r\n", "\r"] {
            let lines = [
                "",
                "name,price,desc",
                "",
                "a,1,",
                "b,1,\"x",
                "",
                "y\"",
                " , ",
                "c,1",
                ",,",
                "",
                "\"d\",\"1\"",
                "\"e",
                "e\",1",
            ];
            let rows = rows(lines.join(end).as_bytes()).expect("rows");
            let found: Vec<_> = rows.iter().map(|row| (row.name.chars().next(), row.line)).collect();
            assert_eq!(
                found,
                [(Some('a'), 4), (Some('b'), 5), (Some('c'), 9), (Some('d'), 12), (Some('e'), 13)],
                "{end:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_an_import_panic(bytes: Vec<u8>, text in "[a,\"\r\n 가'=]{0,60}") {
            let _ = rows(&bytes);
            let with_header = format!("name,price\n{text}");
            let rows = rows(with_header.as_bytes()).expect("rows");
            let lines = with_header.replace("\r\n", "\n").matches(['\r', '\n']).count() + 1;
            prop_assert!(rows.iter().all(|row| (2..=lines).contains(&row.line)));
        }
    }
}
