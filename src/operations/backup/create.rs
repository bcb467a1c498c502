//! Backup: a snapshot of all rows, and the pictures of its snacks.

use std::{collections::BTreeMap, sync::Arc};

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use rustix::{fs::Mode, process::umask};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use url::Url;

use super::{
    BackupError, Content, PICTURES_AT_ONCE, Result,
    archive::{
        AppliedMigration, Archive, FORMAT, Manifest, PICTURES, PictureFiles, TableFile, digest, hex, picture_path,
        table_path,
    },
    catalog::{self, quoted},
    connect, prepare_transaction,
};
use crate::{
    config::AwsSettings,
    db::locks::{Lock, wait_for_lock},
    snack::object_stores::{self, Timeouts},
};

/// Number of lost pictures whose names are kept.
const MISSING_NAMES: usize = 100;

/// Result of a backup.
pub struct Created {
    /// Path or URL of the backup.
    pub place: String,
    pub content: Content,
    /// Number of pictures that snacks have and that the storage has lost. The backup has everything else.
    pub missing: u64,
    /// Names of some of them.
    pub missing_names: Vec<String>,
}

/// Writes all rows and pictures to a new folder below `to`, which is a folder or `s3://bucket/prefix`.
///
/// # Errors
/// Postgres or one of the storages fails. What was written is removed as far as possible.
pub async fn create(database: &PgConnectOptions, media: &Url, aws: &AwsSettings, to: &str) -> Result<Created> {
    // The files have hashes of passwords and secrets of channels.
    umask(Mode::RWXG | Mode::RWXO);
    let pictures = object_stores::open("MEDIA_URL", media, aws, Timeouts::COMMAND)?;
    let archive = Archive::create(to, aws, Utc::now())?;
    let written = write(database, &pictures, &archive).await;
    if written.is_err() {
        archive.remove().await;
    }
    let manifest = written?;
    let tables = manifest.tables.values();
    let content = Content {
        rows: tables.clone().map(|table| table.rows).sum(),
        pictures: manifest.pictures.count,
        size: tables.map(|table| table.file.size).sum::<u64>() + manifest.pictures.total_size,
    };
    let PictureFiles { missing, missing_names, .. } = manifest.pictures;
    Ok(Created { place: archive.place, content, missing, missing_names })
}

async fn write(database: &PgConnectOptions, pictures: &Arc<dyn ObjectStore>, archive: &Archive) -> Result<Manifest> {
    // Servers remove no pictures while the lock is held. It is taken before the snapshot, so that all its pictures stay.
    let mut guard = connect(database).await?;
    let mut guard = guard.begin().await?;
    prepare_transaction(&mut guard).await?;
    wait_for_lock(&mut guard, Lock::Backup).await?;

    let mut connection = connect(database).await?;
    let mut tx = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    prepare_transaction(&mut tx).await?;
    let manifest = write_snapshot(&mut tx, pictures, archive).await?;
    tx.rollback().await?;
    // Fails if the lock was lost.
    guard.commit().await?;
    archive.finish(&manifest).await?;
    Ok(manifest)
}

async fn write_snapshot(tx: &mut PgConnection, pictures: &Arc<dyn ObjectStore>, archive: &Archive) -> Result<Manifest> {
    let created_at: DateTime<Utc> = sqlx::query_scalar("SELECT now()").fetch_one(&mut *tx).await?;
    let tables = catalog::tables(tx).await?;
    if tables.is_empty() {
        return Err(BackupError::refused("the database has no tables"));
    }
    // A migration waits for the end of the backup.
    let names: Vec<String> = tables.iter().map(|table| quoted(&table.name)).collect();
    let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
    sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut *tx).await?;
    let migrations = catalog::migrations(tx).await?;

    let mut files = BTreeMap::new();
    for table in tables {
        let copy = format!("COPY {} TO STDOUT (ENCODING 'UTF8')", table.sql());
        let rows = tx.copy_out_raw(&copy).await?;
        let (file, rows) = archive.write(&table_path(&table.name), rows).await?;
        files.insert(table.name, TableFile { columns: table.columns, rows, file });
    }
    let pictures = write_pictures(tx, pictures, archive).await?;
    Ok(Manifest {
        format: FORMAT,
        created_at,
        server: env!("CARGO_PKG_VERSION").to_owned(),
        migrations: migrations
            .into_iter()
            .map(|(version, checksum)| AppliedMigration { version, checksum: hex(&checksum) })
            .collect(),
        tables: files,
        // Sequences are not part of the snapshot. Later values do no harm.
        sequences: catalog::sequences(tx).await?,
        pictures,
    })
}

/// Copies the pictures of the snapshot, and writes the list of their checksums.
async fn write_pictures(
    tx: &mut PgConnection,
    pictures: &Arc<dyn ObjectStore>,
    archive: &Archive,
) -> Result<PictureFiles> {
    let names = sqlx::query_scalar::<_, String>(
        "SELECT path FROM snacks CROSS JOIN unnest(ARRAY[image, thumbnail]) AS picture (path) WHERE path IS NOT NULL",
    );
    let copied = names
        .fetch(tx)
        .map_err(BackupError::from)
        .map_ok(|name| copy_picture(pictures, archive, name))
        .try_buffered(PICTURES_AT_ONCE);
    let (mut count, mut total_size, mut missing, mut missing_names) = (0, 0, 0, Vec::new());
    let lines = copied.try_filter_map(|copied| {
        let line = match copied {
            Copied::Done { line, size } => {
                count += 1;
                total_size += size;
                Some(Bytes::from(line))
            }
            Copied::Missing(name) => {
                missing += 1;
                if missing_names.len() < MISSING_NAMES {
                    missing_names.push(name);
                }
                None
            }
        };
        std::future::ready(Ok(line))
    });
    let (list, _) = archive.write(PICTURES, lines.boxed()).await?;
    Ok(PictureFiles { count, total_size, missing, missing_names, list })
}

enum Copied {
    Done { line: String, size: u64 },
    Missing(String),
}

async fn copy_picture(pictures: &Arc<dyn ObjectStore>, archive: &Archive, name: String) -> Result<Copied> {
    let bytes = match pictures.get(&Path::from(name.as_str())).await {
        Ok(found) => found.bytes().await?,
        Err(object_store::Error::NotFound { .. }) => return Ok(Copied::Missing(name)),
        Err(error) => return Err(error.into()),
    };
    let digest = digest(&bytes);
    let path = picture_path(&name);
    archive.put(&path, bytes).await?;
    Ok(Copied::Done { line: format!("{}  {path}\n", digest.sha256), size: digest.size })
}
