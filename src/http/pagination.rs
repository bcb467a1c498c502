//! Lists in pages by keyset. A cursor holds the sort keys of the last row of its page. A walk neither skips nor repeats a row
//! that existed when it began, however many rows are added meanwhile, and page 500 costs as much as page 1.

use std::{collections::HashMap, hash::Hash};

use axum::body::Bytes;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sqlx::{Encode, FromRow, Postgres, QueryBuilder, Type};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{self, Object, ObjectBuilder},
};

use crate::error::ApiError;

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Number of rows to send.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u16>,
    /// `next_cursor` of the previous page, with the same ordering.
    cursor: Option<String>,
}

/// Page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    pub results: Vec<T>,
    /// Cursor of the next page. `null` on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T: Serialize> Page<T> {
    /// JSON of the page for each of `viewers`. `own` returns the part of a row that depends on the viewer, and `set` writes it to the
    /// row. Most viewers have equal parts and share the bytes.
    ///
    /// # Errors
    /// Serialization failed.
    pub fn write_for<K: Eq + Hash>(
        &mut self,
        viewers: &[i64],
        own: impl Fn(i64, &T) -> K,
        set: impl Fn(&mut T, &K),
    ) -> Result<Vec<Result<Bytes, ApiError>>, ApiError> {
        let mut written: HashMap<Vec<K>, Bytes> = HashMap::new();
        let mut responses = Vec::with_capacity(viewers.len());
        for viewer in viewers {
            let parts: Vec<K> = self.results.iter().map(|row| own(*viewer, row)).collect();
            let json = if let Some(json) = written.get(&parts) {
                json.clone()
            } else {
                for (row, part) in self.results.iter_mut().zip(&parts) {
                    set(row, part);
                }
                let json = Bytes::from(serde_json::to_vec(self).map_err(ApiError::internal)?);
                written.insert(parts, json.clone());
                json
            };
            responses.push(Ok(json));
        }
        Ok(responses)
    }
}

/// Sort order that a list offers.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Ordering {
    /// Value of the parameter `ordering`.
    pub name: &'static str,
    /// SQL expressions to sort by, with their types. Together they are unique, so that the order is total, and an index has
    /// them in this order.
    pub keys: &'static [(&'static str, &'static str)],
}

/// List that can be read in pages.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct List {
    /// Name in cursors.
    pub name: &'static str,
    pub orderings: &'static [Ordering],
    /// Default of the parameter `ordering`.
    pub default: &'static str,
}

/// Schema of the parameter `ordering`: each ordering of `list`, ascending and descending.
pub fn ordering_schema(list: &List, description: &str) -> Object {
    let names = list.orderings.iter().flat_map(|ordering| [ordering.name.to_owned(), format!("-{}", ordering.name)]);
    ObjectBuilder::new()
        .schema_type(openapi::Type::String)
        .enum_values(Some(names))
        .default(Some(list.default.into()))
        .description(Some(description))
        .build()
}

/// Row of a list with the column that [`Sorted::push_key`] selects.
#[derive(FromRow)]
pub struct KeyedRow<T> {
    #[sqlx(flatten)]
    row: T,
    cursor_key: Vec<String>,
}

/// Content of a cursor. The names of its fields are short because they are part of URLs.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    /// List and ordering that it was made for.
    o: String,
    /// Sort keys of the last row, as text.
    k: Vec<String>,
    /// See [`Sorted::horizon`].
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<i64>,
}

/// A valid request for a page: the ordering exists and the cursor belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sorted {
    list: &'static List,
    ordering: &'static Ordering,
    descending: bool,
    limit: usize,
    after: Option<Vec<String>>,
    /// Newest row when the walk began, for lists of sums that new rows would change. Set for the first page.
    pub horizon: Option<i64>,
}

impl Sorted {
    /// # Errors
    /// `invalid_request` for an unknown ordering, a limit outside of 1..100, and a cursor of another list or ordering.
    pub fn new(list: &'static List, ordering: Option<&str>, page: &PageQuery) -> Result<Self, ApiError> {
        let requested = ordering.unwrap_or(list.default);
        let (name, descending) = requested.strip_prefix('-').map_or((requested, false), |name| (name, true));
        let ordering = list.orderings.iter().find(|ordering| ordering.name == name).ok_or_else(|| {
            ApiError::bad_request(
                format!("ordering 값 {requested:?}은(는) 사용할 수 없습니다."),
                format!("Unknown ordering {requested:?}."),
            )
        })?;
        let limit = page.limit.unwrap_or(20);
        if !(1..=100).contains(&limit) {
            return Err(ApiError::bad_request(
                "limit 은 1에서 100 사이의 숫자여야 합니다.",
                "limit must be a number from 1 to 100.",
            ));
        }
        let mut sorted = Self { list, ordering, descending, limit: usize::from(limit), after: None, horizon: None };
        if let Some(cursor) = &page.cursor {
            sorted.resume(cursor)?;
        }
        Ok(sorted)
    }

    /// Continues after the page that ended with `cursor`.
    ///
    /// # Errors
    /// `invalid_request` for a cursor of another list or ordering.
    pub fn resume(&mut self, cursor: &str) -> Result<(), ApiError> {
        let cursor = URL_SAFE_NO_PAD
            .decode(cursor)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Cursor>(&bytes).ok())
            .filter(|cursor| cursor.o == self.name() && cursor.k.len() == self.ordering.keys.len())
            .ok_or_else(|| {
                ApiError::bad_request(
                    "cursor 가 이 목록이나 정렬 순서의 것이 아닙니다.",
                    "This cursor does not belong to this list and ordering.",
                )
            })?;
        self.after = Some(cursor.k);
        self.horizon = cursor.n;
        Ok(())
    }

    /// Changes the limit, also beyond what a client may ask for.
    pub const fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Name of list and ordering in a cursor.
    fn name(&self) -> String {
        let sign = if self.descending { "-" } else { "" };
        format!("{}:{sign}{}", self.list.name, self.ordering.name)
    }

    /// Appends `, ARRAY[...] AS cursor_key` to a SELECT list.
    pub fn push_key(&self, sql: &mut QueryBuilder<Postgres>) {
        let keys: Vec<_> = self.ordering.keys.iter().map(|(key, _)| format!("({key})::text")).collect();
        sql.push(", ARRAY[").push(keys.join(", ")).push("] AS cursor_key ");
    }

    /// Appends ` <word> (keys) > (cursor)`, except for the first page. `word` is WHERE, AND or HAVING.
    pub fn push_after(&self, sql: &mut QueryBuilder<Postgres>, word: &str) {
        let Some(after) = &self.after else { return };
        let keys: Vec<_> = self.ordering.keys.iter().map(|(key, _)| *key).collect();
        sql.push(format_args!(" {word} ({}) {} (", keys.join(", "), if self.descending { "<" } else { ">" }));
        for (at, (value, (_, kind))) in after.iter().zip(self.ordering.keys).enumerate() {
            sql.push(if at == 0 { "" } else { ", " }).push_bind(value.clone()).push("::text::").push(kind);
        }
        sql.push(")");
    }

    /// Appends ORDER BY and LIMIT. The limit is one row more than the page has, which tells whether there is a next page.
    pub fn push_order(&self, sql: &mut QueryBuilder<Postgres>) {
        let direction = if self.descending { " DESC" } else { "" };
        let keys: Vec<_> = self.ordering.keys.iter().map(|(key, _)| format!("{key}{direction}")).collect();
        sql.push(format_args!(" ORDER BY {} LIMIT {}", keys.join(", "), self.limit + 1));
    }

    /// Page of the rows that such a query returned.
    pub fn page<T>(&self, mut rows: Vec<KeyedRow<T>>) -> Page<T> {
        let has_more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next_cursor = rows.last().filter(|_| has_more).map(|row| {
            let cursor = Cursor { o: self.name(), k: row.cursor_key.clone(), n: self.horizon };
            URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
        });
        Page { results: rows.into_iter().map(|row| row.row).collect(), next_cursor }
    }
}

/// Appends `condition` with the bound `value`, if there is one.
pub fn push_filter<'a, T>(sql: &mut QueryBuilder<Postgres>, condition: &str, value: Option<T>)
where
    T: Encode<'a, Postgres> + Type<Postgres>,
{
    if let Some(value) = value {
        sql.push(condition).push_bind(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIST: &List = &List {
        name: "rows",
        orderings: &[Ordering { name: "name", keys: &[("name", "text"), ("id", "bigint")] }],
        default: "name",
    };

    fn sorted(ordering: &str, page: &PageQuery) -> Result<Sorted, ApiError> {
        Sorted::new(LIST, Some(ordering), page)
    }

    /// The cursor of a page that ended with a row of these keys.
    fn cursor(ordering: &str, keys: &[String; 2], horizon: Option<i64>) -> String {
        let page = PageQuery { limit: Some(1), cursor: None };
        let mut sorted = sorted(ordering, &page).expect("an ordering that is offered");
        sorted.horizon = horizon;
        let row = |key: &[String]| KeyedRow { row: (), cursor_key: key.to_vec() };
        sorted.page(vec![row(keys), row(&[])]).next_cursor.expect("a second page")
    }

    fn resumed(ordering: &str, cursor: String) -> Option<(Vec<String>, Option<i64>)> {
        let page = PageQuery { limit: None, cursor: Some(cursor) };
        let sorted = sorted(ordering, &page).ok()?;
        Some((sorted.after?, sorted.horizon))
    }

    proptest! {
        #[test]
        fn a_walk_goes_on_exactly_where_its_cursor_was_made(name: String, id: String, horizon: Option<i64>) {
            let keys = [name, id];
            let cursor = cursor("-name", &keys, horizon);
            prop_assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            prop_assert_eq!(resumed("-name", cursor.clone()), Some((keys.to_vec(), horizon)));
            prop_assert_eq!(resumed("name", cursor), None);
        }

        #[test]
        fn no_text_and_no_bytes_are_a_cursor(text: String, bytes: Vec<u8>) {
            prop_assert_eq!(resumed("name", text), None);
            prop_assert_eq!(resumed("name", URL_SAFE_NO_PAD.encode(bytes)), None);
        }

        #[test]
        fn a_cursor_has_as_many_keys_as_its_ordering(keys in prop::collection::vec(any::<String>(), 0..5)) {
            let forged = serde_json::json!({"o": "rows:name", "k": keys}).to_string();
            let expected = (keys.len() == 2).then_some((keys, None));
            prop_assert_eq!(resumed("name", URL_SAFE_NO_PAD.encode(forged)), expected);
        }

        #[test]
        fn a_cursor_with_another_byte_has_its_two_keys_or_is_refused(name in ".{0,9}", at: prop::sample::Index, byte: u8) {
            let whole = cursor("name", &[name, "7".to_owned()], Some(7));
            let mut json = URL_SAFE_NO_PAD.decode(&whole).expect("base64url");
            let at = at.index(json.len());
            json[at] = byte;
            let keys = resumed("name", URL_SAFE_NO_PAD.encode(&json)).map(|(keys, _)| keys.len());
            prop_assert!(keys.is_none_or(|keys| keys == 2));
            // Cut short it is none at all.
            prop_assert_eq!(resumed("name", URL_SAFE_NO_PAD.encode(&json[..at])), None);
        }
    }
}
