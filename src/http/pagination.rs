//! Lists in pages, by keyset: a cursor holds the sort keys of the last row seen, so that a walk neither skips nor repeats a
//! row that stood before it began, however many are added meanwhile, and page 500 costs what page 1 costs.

use std::marker::PhantomData;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sqlx::{Postgres, QueryBuilder};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{Object, ObjectBuilder, Type},
};

use crate::error::ApiError;

/// How many rows a page has at the most, and which one it is.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many rows to send.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u16>,
    /// `next_cursor` of the page before, under the same ordering.
    cursor: Option<String>,
}

/// One page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub results: Vec<T>,
    /// The cursor of the next page; `null` on the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The same page with each row turned into something else.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U> {
        Page { results: self.results.into_iter().map(turn).collect(), next_cursor: self.next_cursor }
    }
}

/// A way to sort a list.
#[derive(Debug)]
pub struct Ordering {
    /// As `ordering=` names it.
    pub name: &'static str,
    /// The SQL expressions to sort by and their types. Together they are unique, so that the order is total, and an index
    /// has them in this order.
    pub keys: &'static [(&'static str, &'static str)],
}

/// The schema of an `ordering` parameter: what the list offers, forwards and in reverse; `says` what else there is to it.
#[must_use]
pub fn ordering_schema(offered: &[Ordering], default: &str, says: &str) -> Object {
    let names = offered.iter().flat_map(|ordering| [ordering.name.to_owned(), format!("-{}", ordering.name)]);
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names))
        .default(Some(default.into()))
        .description(Some(says))
        .build()
}

/// The position that a walk through a list has reached.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    /// The list and the ordering it was made for, with its sign.
    o: String,
    /// The sort keys of the last row, as Postgres writes them.
    k: Vec<String>,
    /// The newest row when the walk began, for lists of sums that new rows would change.
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<i64>,
}

/// A request for a page, checked: the ordering exists and the cursor belongs to it.
#[derive(Debug)]
pub struct Sorted<T> {
    ordering: &'static Ordering,
    descending: bool,
    limit: usize,
    after: Option<Vec<String>>,
    /// The newest row when the walk began; set by the first page of a list that needs it.
    pub horizon: Option<i64>,
    row: PhantomData<fn() -> T>,
}

impl<T: HasKey> Sorted<T> {
    /// Checks `ordering` (or `default`, in the same spelling) and `page` against what the list offers.
    ///
    /// # Errors
    /// `invalid_request` for an unknown ordering, a limit beyond 1..100, and a cursor of another list or ordering.
    pub fn new(
        offered: &'static [Ordering],
        default: &str,
        ordering: Option<&str>,
        page: &PageQuery,
    ) -> Result<Self, ApiError> {
        let wanted = ordering.unwrap_or(default);
        let (name, descending) = wanted.strip_prefix('-').map_or((wanted, false), |name| (name, true));
        let ordering = offered
            .iter()
            .find(|ordering| ordering.name == name)
            .ok_or_else(|| ApiError::unreadable(format_args!("unknown ordering {wanted:?}")))?;
        let limit = page.limit.unwrap_or(20);
        if !(1..=100).contains(&limit) {
            return Err(ApiError::unreadable("limit is a number from 1 to 100"));
        }
        let mut sorted =
            Self { ordering, descending, limit: usize::from(limit), after: None, horizon: None, row: PhantomData };
        if let Some(cursor) = &page.cursor {
            sorted.resume(cursor)?;
        }
        Ok(sorted)
    }

    /// Goes on after the page that ended with `cursor`.
    ///
    /// # Errors
    /// `invalid_request` for a cursor of another list or ordering.
    pub fn resume(&mut self, cursor: &str) -> Result<(), ApiError> {
        let cursor = URL_SAFE_NO_PAD
            .decode(cursor)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Cursor>(&bytes).ok())
            .filter(|cursor| cursor.o == self.name() && cursor.k.len() == self.ordering.keys.len())
            .ok_or_else(|| ApiError::unreadable("this cursor does not belong to this list and ordering"))?;
        self.after = Some(cursor.k);
        self.horizon = cursor.n;
        Ok(())
    }

    /// The same request for pages of `limit` rows, whatever the client asked: for walks of our own.
    #[must_use]
    pub const fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// The list and the ordering, as a cursor names them.
    fn name(&self) -> String {
        let sign = if self.descending { "-" } else { "" };
        format!("{}:{sign}{}", T::LIST, self.ordering.name)
    }

    /// Adds `, ARRAY[...] AS cursor_key` to a SELECT list.
    pub fn push_key(&self, sql: &mut QueryBuilder<Postgres>) {
        let keys: Vec<_> = self.ordering.keys.iter().map(|(key, _)| format!("({key})::text")).collect();
        sql.push(", ARRAY[").push(keys.join(", ")).push("] AS cursor_key ");
    }

    /// Adds ` <word> (keys) > (cursor)` for a page that is not the first; `word` is WHERE, AND or HAVING.
    pub fn push_after(&self, sql: &mut QueryBuilder<Postgres>, word: &str) {
        let Some(after) = &self.after else { return };
        let keys: Vec<_> = self.ordering.keys.iter().map(|(key, _)| *key).collect();
        sql.push(format_args!(" {word} ({}) {} (", keys.join(", "), if self.descending { "<" } else { ">" }));
        for (at, (value, (_, kind))) in after.iter().zip(self.ordering.keys).enumerate() {
            sql.push(if at == 0 { "" } else { ", " }).push_bind(value.clone()).push("::text::").push(kind);
        }
        sql.push(")");
    }

    /// Adds ORDER BY and LIMIT, one row more than the page has: that one tells whether there is a next page.
    pub fn push_order(&self, sql: &mut QueryBuilder<Postgres>) {
        let direction = if self.descending { " DESC" } else { "" };
        let keys: Vec<_> = self.ordering.keys.iter().map(|(key, _)| format!("{key}{direction}")).collect();
        sql.push(format_args!(" ORDER BY {} LIMIT {}", keys.join(", "), self.limit + 1));
    }

    /// The page from the rows that such a query returned.
    #[must_use]
    pub fn page(&self, mut rows: Vec<T>) -> Page<T> {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next_cursor = rows.last().filter(|_| more).map(|row| {
            let cursor = Cursor { o: self.name(), k: row.cursor_key().to_vec(), n: self.horizon };
            URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
        });
        Page { results: rows, next_cursor }
    }
}

/// A row of a list, which knows its sort keys.
pub trait HasKey {
    /// The list that it is a row of: a cursor is good for no other.
    const LIST: &str;

    /// What [`Sorted::push_key`] selected.
    fn cursor_key(&self) -> &[String];
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Row(Vec<String>);

    impl HasKey for Row {
        const LIST: &str = "rows";

        fn cursor_key(&self) -> &[String] {
            &self.0
        }
    }

    const OFFERED: &[Ordering] = &[Ordering { name: "name", keys: &[("name", "text"), ("id", "bigint")] }];

    fn sorted(ordering: &str, page: &PageQuery) -> Result<Sorted<Row>, ApiError> {
        Sorted::new(OFFERED, "name", Some(ordering), page)
    }

    /// The cursor of a page that ended with a row of these keys.
    fn cursor(ordering: &str, keys: &[String; 2], horizon: Option<i64>) -> String {
        let page = PageQuery { limit: Some(1), cursor: None };
        let mut sorted = sorted(ordering, &page).expect("an ordering that is offered");
        sorted.horizon = horizon;
        sorted.page(vec![Row(keys.to_vec()), Row(Vec::new())]).next_cursor.expect("a second page")
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
