//! The tables and sequences of a database, read from its catalog, so that a new table cannot be forgotten.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::Result;

/// Tables that no backup has, each with the reason.
pub const LEFT_OUT: [(&str, &str); 4] = [
    ("_sqlx_migrations", "the restore applies the migrations itself"),
    ("reaction_comparison", "it tells of the former database, and a restored one is compared"),
    ("reaction_flushes", "a restored database is compared"),
    ("reaction_dirty", "the restore marks all snacks, so that all counters are counted again"),
];

/// A table and its columns, without those that Postgres computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub name: String,
    pub columns: Vec<String>,
}

impl Table {
    /// Name and columns for COPY.
    pub fn sql(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|column| quoted(column)).collect();
        format!("{} ({})", quoted(&self.name), columns.join(", "))
    }
}

/// SQL of an identifier.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// All tables but those of [`LEFT_OUT`], in an order in which no row refers to a later table.
pub async fn tables(connection: &mut PgConnection) -> Result<Vec<Table>> {
    let left_out: Vec<&str> = LEFT_OUT.iter().map(|(name, _)| *name).collect();
    let rows: Vec<(String, Vec<String>)> = sqlx::query_as(
        "SELECT class.relname::text, array_agg(attribute.attname::text ORDER BY attribute.attnum)
         FROM pg_class AS class JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid
         WHERE class.relkind = 'r' AND class.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
           AND attribute.attnum > 0 AND NOT attribute.attisdropped AND attribute.attgenerated = ''
           AND class.relname <> ALL($1)
           AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = class.oid AND deptype = 'e')
         GROUP BY class.relname ORDER BY class.relname",
    )
    .bind(left_out)
    .fetch_all(&mut *connection)
    .await?;
    let references: Vec<(String, String)> = sqlx::query_as(
        "SELECT child.relname::text, parent.relname::text FROM pg_constraint
         JOIN pg_class AS child ON child.oid = conrelid JOIN pg_class AS parent ON parent.oid = confrelid
         WHERE contype = 'f' AND conrelid <> confrelid",
    )
    .fetch_all(&mut *connection)
    .await?;
    let tables = rows.into_iter().map(|(name, columns)| Table { name, columns }).collect();
    Ok(sorted(tables, &references))
}

/// Sorts the tables so that each follows those that it refers to. `references` are pairs of a table and one that it refers to.
fn sorted(mut left: Vec<Table>, references: &[(String, String)]) -> Vec<Table> {
    let mut sorted: Vec<Table> = Vec::new();
    while !left.is_empty() {
        let names: BTreeSet<&str> = left.iter().map(|table| table.name.as_str()).collect();
        let waits = |table: &Table| {
            references.iter().any(|(child, parent)| *child == table.name && names.contains(parent.as_str()))
        };
        let (waiting, ready): (Vec<_>, Vec<_>) = left.iter().cloned().partition(waits);
        // Tables that refer to each other in a circle have no order. There are none, and a test would fail.
        let stuck = ready.is_empty();
        sorted.extend(if stuck { waiting.clone() } else { ready });
        left = if stuck { Vec::new() } else { waiting };
    }
    sorted
}

/// The last value of each sequence. None for one that has given none.
pub async fn sequences(connection: &mut PgConnection) -> Result<BTreeMap<String, Option<i64>>> {
    let rows: Vec<(String, Option<i64>)> = sqlx::query_as(
        "SELECT sequencename::text, last_value FROM pg_sequences WHERE schemaname = current_schema() ORDER BY sequencename",
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Versions and checksums of the applied migrations. Empty for a database without them.
pub async fn migrations(connection: &mut PgConnection) -> Result<Vec<(i64, Vec<u8>)>> {
    let exists: bool =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(&mut *connection).await?;
    if !exists {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version");
    Ok(rows.fetch_all(connection).await?)
}

/// The first table that has rows.
pub async fn table_with_rows(connection: &mut PgConnection) -> Result<Option<String>> {
    for table in tables(connection).await? {
        let sql = format!("SELECT EXISTS (SELECT FROM {})", quoted(&table.name));
        if sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut *connection).await? {
            return Ok(Some(table.name));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_follows_those_that_it_refers_to() {
        let table = |name: &str| Table { name: name.to_owned(), columns: Vec::new() };
        let pair = |child: &str, parent: &str| (child.to_owned(), parent.to_owned());
        let references = [pair("a", "b"), pair("b", "d"), pair("a", "c"), pair("c", "other")];
        let names: Vec<String> =
            sorted(["a", "b", "c", "d"].map(table).to_vec(), &references).into_iter().map(|table| table.name).collect();
        assert_eq!(names, ["c", "d", "b", "a"]);
        let circle = [pair("a", "b"), pair("b", "a")];
        assert_eq!(sorted(["a", "b", "c"].map(table).to_vec(), &circle).len(), 3);
    }

    #[test]
    fn identifiers_are_quoted() {
        let table = Table { name: "snacks".to_owned(), columns: vec!["desc".to_owned(), "a\"b".to_owned()] };
        assert_eq!(table.sql(), r#""snacks" ("desc", "a""b")"#);
    }
}
