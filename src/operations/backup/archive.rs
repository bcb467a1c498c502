//! The files of a backup, in a folder or a bucket.
//!
//! | file | content |
//! | --- | --- |
//! | `tables/NAME` | rows, as COPY writes them |
//! | `pictures/NAME` | a picture or a thumbnail |
//! | `pictures.sha256` | checksums of all pictures, as `sha256sum` writes them |
//! | `manifest.sha256` | checksum of the manifest |
//! | `manifest.json` | [`Manifest`] |
//!
//! The manifest is written last. A folder without it is no backup.

use std::{collections::BTreeMap, pin::pin, sync::Arc};

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt, buffered::BufWriter, path::Path, prefix::PrefixStore};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use url::Url;

use super::{BackupError, Result};
use crate::{
    config::{AwsSettings, SettingError},
    snack::object_stores::{self, Timeouts},
};

/// Version of the files. Later versions of the server read this one.
pub const FORMAT: u32 = 1;
pub const MANIFEST: &str = "manifest.json";
pub const MANIFEST_CHECKSUM: &str = "manifest.sha256";
pub const PICTURES: &str = "pictures.sha256";
/// Names of the folders of backups. In the order of their times.
const NAME: &str = "%Y-%m-%dT%H%M%S.%6fZ";
/// Size of the parts of an upload to S3, which has at most 10,000 of them.
const PART: usize = 8 * 1024 * 1024;
/// Parts that are sent at once.
const PARTS_AT_ONCE: usize = 2;
/// Limit of the size of a manifest, which has a line for each table.
const MAX_MANIFEST: u64 = 16 * 1024 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// Time of the snapshot.
    pub created_at: DateTime<Utc>,
    /// Version of the server that wrote it.
    pub server: String,
    /// Applied migrations, in their order.
    pub migrations: Vec<AppliedMigration>,
    pub tables: BTreeMap<String, TableFile>,
    /// Last values of the sequences. Null for a sequence that has given none.
    pub sequences: BTreeMap<String, Option<i64>>,
    pub pictures: PictureFiles,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedMigration {
    pub version: i64,
    /// Hexadecimal.
    pub checksum: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFile {
    pub columns: Vec<String>,
    pub rows: u64,
    #[serde(flatten)]
    pub file: FileDigest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureFiles {
    pub count: u64,
    /// Bytes of all pictures.
    pub total_size: u64,
    /// Number of pictures that snacks have and that the storage had lost.
    pub missing: u64,
    /// Names of some of them.
    pub missing_names: Vec<String>,
    /// Of [`PICTURES`].
    #[serde(flatten)]
    pub list: FileDigest,
}

/// Size in bytes and SHA-256 of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    pub size: u64,
    pub sha256: String,
}

/// Size and SHA-256 of what was read so far.
#[derive(Default)]
pub struct Digester {
    size: u64,
    hasher: Sha256,
}

impl Digester {
    pub fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.hasher.update(bytes);
    }

    pub fn finish(self) -> FileDigest {
        FileDigest { size: self.size, sha256: hex(&self.hasher.finalize()) }
    }
}

pub fn digest(bytes: &[u8]) -> FileDigest {
    let mut digester = Digester::default();
    digester.update(bytes);
    digester.finish()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

pub fn table_path(table: &str) -> String {
    format!("tables/{table}")
}

pub fn picture_path(picture: &str) -> String {
    format!("pictures/{picture}")
}

/// URL of `place`, which is a folder or `s3://bucket/prefix`.
fn place_url(setting: &'static str, place: &str) -> Result<Url, SettingError> {
    let wrong = || SettingError::new(setting, format_args!("{place:?} is no folder and no s3://bucket/prefix"));
    if place.starts_with("s3://") {
        return Url::parse(place).ok().filter(|url| url.host_str().is_some()).ok_or_else(wrong);
    }
    let folder = std::path::absolute(place).map_err(|_| wrong())?;
    Url::from_directory_path(folder).map_err(|()| wrong())
}

/// The files of a backup.
pub struct Archive {
    store: Arc<dyn ObjectStore>,
    /// Path or URL, for people.
    pub place: String,
}

impl Archive {
    /// A new backup below `place`, whose folder is created if it does not exist.
    pub fn create(place: &str, aws: &AwsSettings, now: DateTime<Utc>) -> Result<Self> {
        let url = place_url("--to", place)?;
        if let Ok(folder) = url.to_file_path() {
            std::fs::create_dir_all(&folder)
                .map_err(|error| SettingError::new("--to", format_args!("{place}: {error}")))?;
        }
        let store = object_stores::open("--to", &url, aws, Timeouts::COMMAND)?;
        Ok(Self::below(store, place, &now.format(NAME).to_string()))
    }

    /// The backup at `place`, or else the newest complete one below it.
    pub async fn find(place: &str, aws: &AwsSettings) -> Result<Self> {
        let url = place_url("--from", place)?;
        let store = object_stores::open("--from", &url, aws, Timeouts::COMMAND)?;
        if exists(&store, &Path::from(MANIFEST)).await? {
            return Ok(Self { store, place: place.to_owned() });
        }
        let mut names: Vec<String> =
            store.list_with_delimiter(None).await?.common_prefixes.iter().filter_map(name_of).collect();
        names.sort();
        for name in names.iter().rev() {
            if exists(&store, &Path::from(name.as_str()).join(MANIFEST)).await? {
                return Ok(Self::below(store, place, name));
            }
        }
        Err(SettingError::new("--from", format_args!("{place}: there is no complete backup")).into())
    }

    fn below(store: Arc<dyn ObjectStore>, place: &str, name: &str) -> Self {
        let place = format!("{}/{name}", place.trim_end_matches('/'));
        Self { store: Arc::new(PrefixStore::new(store, name)), place }
    }

    /// Writes a file from a stream. Returns its digest and its number of lines.
    pub async fn write<E>(&self, path: &str, content: impl Stream<Item = Result<Bytes, E>>) -> Result<(FileDigest, u64)>
    where
        BackupError: From<E>,
    {
        let mut writer = BufWriter::with_capacity(Arc::clone(&self.store), Path::from(path), PART)
            .with_max_concurrency(PARTS_AT_ONCE);
        let (mut digester, mut lines) = (Digester::default(), 0);
        let mut content = pin!(content);
        while let Some(bytes) = content.next().await {
            let written = match bytes {
                Ok(bytes) => {
                    digester.update(&bytes);
                    lines += count_lines(&bytes);
                    writer.put(bytes).await.map_err(BackupError::Storage)
                }
                Err(error) => Err(error.into()),
            };
            if let Err(error) = written {
                let _ = writer.abort().await;
                return Err(error);
            }
        }
        writer.shutdown().await?;
        Ok((digester.finish(), lines))
    }

    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        self.store.put(&Path::from(path), bytes.into()).await?;
        Ok(())
    }

    /// Content of a file.
    pub async fn read(&self, path: &str) -> Result<impl Stream<Item = object_store::Result<Bytes>> + use<>> {
        match self.store.get(&Path::from(path)).await {
            Ok(found) => Ok(found.into_stream()),
            Err(object_store::Error::NotFound { .. }) => Err(self.damaged(path, "is missing")),
            Err(error) => Err(error.into()),
        }
    }

    /// All of a file that has this digest.
    pub async fn read_checked(&self, path: &str, sha256: &str) -> Result<Bytes> {
        let bytes: Vec<Bytes> = self.read(path).await?.try_collect().await?;
        let bytes = bytes.concat();
        if digest(&bytes).sha256 == sha256 { Ok(bytes.into()) } else { Err(self.changed(path)) }
    }

    /// Writes the manifest. The backup is then complete.
    pub async fn finish(&self, manifest: &Manifest) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(manifest).map_err(BackupError::refused)?;
        let checksum = format!("{}  {MANIFEST}\n", digest(&bytes).sha256);
        self.put(MANIFEST_CHECKSUM, checksum.into()).await?;
        self.put(MANIFEST, bytes.into()).await
    }

    pub async fn manifest(&self) -> Result<Manifest> {
        let size = self.store.head(&Path::from(MANIFEST)).await?.size;
        if size > MAX_MANIFEST {
            return Err(self.changed(MANIFEST));
        }
        let checksum: Vec<Bytes> = self.read(MANIFEST_CHECKSUM).await?.try_collect().await?;
        let checksum = checksum.concat();
        let sha256 = checksum.strip_suffix(format!("  {MANIFEST}\n").as_bytes());
        let sha256 = sha256.and_then(|sha256| std::str::from_utf8(sha256).ok());
        let sha256 = sha256.ok_or_else(|| self.changed(MANIFEST_CHECKSUM))?;
        let bytes = self.read_checked(MANIFEST, sha256).await?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| self.changed(MANIFEST))?;
        // Before the rest, which another format may not have.
        if value["format"] != FORMAT {
            return Err(self.damaged(MANIFEST, "has a format of a newer version of the server, which can restore it"));
        }
        serde_json::from_value(value).map_err(|_| self.changed(MANIFEST))
    }

    /// Removes all files, as far as possible.
    pub async fn remove(&self) {
        let paths = self.store.list(None).map_ok(|object| object.location).boxed();
        self.store.delete_stream(paths).for_each(|_| std::future::ready(())).await;
    }

    pub fn changed(&self, path: &str) -> BackupError {
        self.damaged(path, "does not have its checksum")
    }

    pub fn damaged(&self, path: &str, problem: &str) -> BackupError {
        BackupError::refused(format_args!("{}/{path} {problem}", self.place))
    }
}

/// Name of a folder of a backup.
fn name_of(path: &Path) -> Option<String> {
    let name = path.filename()?;
    chrono::NaiveDateTime::parse_from_str(name, NAME).ok().map(|_| name.to_owned())
}

async fn exists(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<bool> {
    match store.head(path).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Number of rows in the text format of COPY, in which a line feed in a value is written as `\n`.
pub fn count_lines(bytes: &[u8]) -> u64 {
    bytes.split(|byte| *byte == b'\n').count() as u64 - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_backups_are_told_from_others_and_sort_by_time() {
        let name = |text: &str| name_of(&Path::from(text));
        let now: DateTime<Utc> = "2026-11-27T03:02:08.000123Z".parse().expect("a time");
        let written = now.format(NAME).to_string();
        assert_eq!(written, "2026-11-27T030208.000123Z");
        assert_eq!(name(&written), Some(written.clone()));
        assert_eq!(name(&format!("a/{written}")), Some(written.clone()));
        assert_eq!(name("media"), None);
        let later = (now + chrono::Duration::microseconds(1)).format(NAME).to_string();
        assert!(later > written);
    }

    #[test]
    fn places_are_folders_or_buckets() {
        let url = |place| place_url("--to", place).map(String::from);
        assert_eq!(url("/backups"), Ok("file:///backups/".to_owned()));
        assert!(url("backups").is_ok_and(|url| url.starts_with("file:///") && url.ends_with("/backups/")));
        assert_eq!(url("s3://bucket/prefix"), Ok("s3://bucket/prefix".to_owned()));
        assert!(url("s3://").is_err());
        assert!(url("").is_err());
    }
}
