//! Restore of a backup into an empty database.

use std::{pin::pin, sync::Arc};

use futures_util::{TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use sqlx::{Connection, PgConnection, migrate::Migrator, postgres::PgConnectOptions};
use url::Url;

use super::{
    BackupError, Content, PICTURES_AT_ONCE, Result,
    archive::{Archive, Digester, Manifest, PICTURES, TableFile, count_lines, hex, picture_path, table_path},
    catalog::{self, Table, quoted},
    connect, prepare_transaction,
};
use crate::{
    config::{AwsSettings, SettingError},
    snack::{
        image::content_type,
        object_stores::{self, Timeouts},
    },
};

static MIGRATOR: Migrator = sqlx::migrate!();

/// Gap in all ids and epochs after a restore. What was given out after the backup is not given out again: access tokens have ids of users,
/// and Redis rejects counts with older epochs.
const GAP: i64 = 1_000_000_000;

/// Result of a restore.
pub struct Restored {
    /// Path or URL of the backup.
    pub place: String,
    pub content: Content,
}

/// Restores the backup at `from`, or the newest complete one below it, and applies the later migrations.
///
/// # Errors
/// The database is not empty, the backup is damaged or newer than this version, or Postgres or one of the storages fails. The database is
/// then still empty.
pub async fn restore(database: &PgConnectOptions, media: &Url, aws: &AwsSettings, from: &str) -> Result<Restored> {
    let archive = Archive::find(from, aws).await?;
    let manifest = archive.manifest().await?;
    let version = known_version(&manifest)?;
    let mut connection = connect(database).await?;
    refuse_rows(&mut connection).await?;
    let pictures = open_media(media, aws)?;

    let applied = catalog::migrations(&mut connection).await?;
    if applied.last().is_some_and(|(applied, _)| *applied > version) {
        return Err(BackupError::refused(
            "the database was migrated by a newer version than the backup; use a new database without tables",
        ));
    }
    MIGRATOR.run_to(version, &mut connection).await?;
    compare_catalogs(&mut connection, &manifest).await?;

    // Before the rows, so that no snack lacks its picture.
    let count = restore_pictures(&archive, &manifest, &pictures).await?;
    let mut tx = connection.begin().await?;
    let (rows, size) = restore_rows(&mut tx, &archive, &manifest).await?;
    tx.commit().await?;

    // A table without statistics has slow plans.
    sqlx::raw_sql("ANALYZE").execute(&mut connection).await?;
    MIGRATOR.run(&mut connection).await?;
    let content = Content { rows, pictures: count, size: size + manifest.pictures.total_size };
    Ok(Restored { place: archive.place, content })
}

/// Version of the last migration of the backup.
fn known_version(manifest: &Manifest) -> Result<i64> {
    for applied in &manifest.migrations {
        let known = MIGRATOR.iter().find(|known| known.version == applied.version);
        let known =
            known.ok_or_else(|| BackupError::refused("the backup was made by a newer version of the server"))?;
        if hex(&known.checksum) != applied.checksum {
            return Err(BackupError::refused("the backup was made by an unreleased version of the server"));
        }
    }
    let last = manifest.migrations.last();
    Ok(last.ok_or_else(|| BackupError::refused("the backup is one of a database without migrations"))?.version)
}

async fn refuse_rows(connection: &mut PgConnection) -> Result<()> {
    match catalog::table_with_rows(connection).await? {
        Some(table) => Err(BackupError::refused(format_args!(
            "the database is not empty: {table} has rows; a restore needs a new database"
        ))),
        None => Ok(()),
    }
}

fn open_media(media: &Url, aws: &AwsSettings) -> Result<Arc<dyn ObjectStore>> {
    if let Ok(folder) = media.to_file_path() {
        std::fs::create_dir_all(folder)
            .map_err(|error| SettingError::new("MEDIA_URL", format_args!("{media}: {error}")))?;
    }
    Ok(object_stores::open("MEDIA_URL", media, aws, Timeouts::COMMAND)?)
}

/// Checks that the backup has the tables, columns and sequences of the database, and no others.
async fn compare_catalogs(connection: &mut PgConnection, manifest: &Manifest) -> Result<()> {
    let tables = catalog::tables(connection).await?;
    let differs = |table: &Table| manifest.tables.get(&table.name).is_none_or(|file| file.columns != table.columns);
    if let Some(table) = tables.iter().find(|table| differs(table)) {
        return Err(BackupError::refused(format_args!("the backup lacks the table {} or its columns", table.name)));
    }
    let is_unknown = |name: &&String| tables.iter().all(|table| table.name != **name);
    if let Some(name) = manifest.tables.keys().find(is_unknown) {
        return Err(BackupError::refused(format_args!("the backup has the table {name:?}, which this version lacks")));
    }
    if !catalog::sequences(connection).await?.keys().eq(manifest.sequences.keys()) {
        return Err(BackupError::refused("the backup has other sequences than this version"));
    }
    Ok(())
}

async fn restore_pictures(archive: &Archive, manifest: &Manifest, pictures: &Arc<dyn ObjectStore>) -> Result<u64> {
    // Checked as a whole before it is used.
    let mut digester = Digester::default();
    let mut list = pin!(archive.read(PICTURES).await?);
    while let Some(bytes) = list.try_next().await? {
        digester.update(&bytes);
    }
    if digester.finish() != manifest.pictures.list {
        return Err(archive.changed(PICTURES));
    }
    let lines = lines(archive.read(PICTURES).await?.map_err(BackupError::from));
    let copied = lines.map_ok(|line| copy_picture(archive, line, pictures)).try_buffer_unordered(PICTURES_AT_ONCE);
    copied.try_fold(0, |count, ()| std::future::ready(Ok(count + 1))).await
}

async fn copy_picture(archive: &Archive, line: String, pictures: &Arc<dyn ObjectStore>) -> Result<()> {
    let parts = line.split_once("  pictures/").filter(|(_, name)| content_type(name).is_some());
    let (sha256, name) = parts.ok_or_else(|| archive.damaged(PICTURES, "has an invalid line"))?;
    let bytes = archive.read_checked(&picture_path(name), sha256).await?;
    pictures.put(&Path::from(name), bytes.into()).await?;
    Ok(())
}

/// Lines of a stream of bytes.
fn lines(
    bytes: impl futures_util::Stream<Item = Result<axum::body::Bytes>> + Send,
) -> impl futures_util::Stream<Item = Result<String>> + Send {
    let mut rest = Vec::new();
    bytes
        .map_ok(move |bytes| {
            rest.extend_from_slice(&bytes);
            let complete = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let complete: Vec<u8> = rest.drain(..complete).collect();
            let text = String::from_utf8_lossy(&complete).into_owned();
            stream::iter(text.lines().map(|line| Ok(line.to_owned())).collect::<Vec<_>>())
        })
        .try_flatten()
}

/// Loads all tables. Returns the number of rows and bytes.
async fn restore_rows(tx: &mut PgConnection, archive: &Archive, manifest: &Manifest) -> Result<(u64, u64)> {
    prepare_transaction(tx).await?;
    let tables = catalog::tables(tx).await?;
    // Triggers would refuse orders that are not new, notify servers and mark rows. This also locks the tables against writers.
    set_triggers(tx, &tables, "DISABLE").await?;
    refuse_rows(tx).await?;
    let (mut rows, mut size) = (0, 0);
    for table in &tables {
        let Some(file) = manifest.tables.get(&table.name) else { continue };
        load(tx, archive, table, file).await?;
        rows += file.rows;
        size += file.file.size;
    }
    for (name, last) in &manifest.sequences {
        if let Some(last) = last {
            sqlx::query("SELECT setval($1::regclass, $2)")
                .bind(quoted(name))
                .bind(last.saturating_add(GAP))
                .execute(&mut *tx)
                .await?;
        }
    }
    sqlx::raw_sql("INSERT INTO reaction_dirty (snack_id) SELECT id FROM snacks").execute(&mut *tx).await?;
    set_triggers(tx, &tables, "ENABLE").await?;
    Ok((rows, size))
}

async fn set_triggers(tx: &mut PgConnection, tables: &[Table], action: &str) -> Result<()> {
    for table in tables {
        let sql = format!("ALTER TABLE {} {action} TRIGGER USER", quoted(&table.name));
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *tx).await?;
    }
    Ok(())
}

async fn load(tx: &mut PgConnection, archive: &Archive, table: &Table, expected: &TableFile) -> Result<()> {
    let path = table_path(&table.name);
    let mut content = pin!(archive.read(&path).await?);
    let mut copy = tx.copy_in_raw(&format!("COPY {} FROM STDIN (ENCODING 'UTF8')", table.sql())).await?;
    let (mut digester, mut lines) = (Digester::default(), 0);
    while let Some(bytes) = content.try_next().await? {
        digester.update(&bytes);
        lines += count_lines(&bytes);
        copy.send(bytes).await?;
    }
    // Before the end of the COPY, whose errors would only tell the consequences.
    if digester.finish() != expected.file || lines != expected.rows {
        let _ = copy.abort("damaged").await;
        return Err(archive.changed(&path));
    }
    copy.finish().await?;
    Ok(())
}
