//! Where pictures are kept: a folder or an S3 bucket, behind one interface.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{Stream, TryStreamExt};
use object_store::{
    ObjectStore, ObjectStoreExt, PutPayload, aws::AmazonS3Builder, local::LocalFileSystem, path::Path,
    prefix::PrefixStore,
};
use url::Url;

use crate::{
    config::SettingError,
    error::{ApiError, Code},
};

/// The store of pictures.
#[derive(Clone)]
pub struct Media {
    store: Arc<dyn ObjectStore>,
    /// The folder of the files, when the store is one.
    folder: Option<PathBuf>,
}

impl Media {
    /// Opens the store at `url` (`MEDIA_URL`), making the folder when it is one. S3 takes its keys, region and endpoint
    /// from the usual `AWS_*` variables.
    ///
    /// # Errors
    /// When the folder cannot be made or the bucket's settings are incomplete.
    pub fn open(url: &Url) -> Result<Self, SettingError> {
        let wrong = |error: &dyn std::fmt::Display| SettingError::new("MEDIA_URL", format_args!("{url}: {error}"));
        if let Ok(folder) = url.to_file_path() {
            std::fs::create_dir_all(&folder).map_err(|error| wrong(&error))?;
            let store = LocalFileSystem::new_with_prefix(&folder).map_err(|error| wrong(&error))?;
            // A row must not outlive its picture when the power fails: the file and the folder are synced with each put.
            return Ok(Self { store: Arc::new(store.with_fsync(true)), folder: Some(folder) });
        }
        let bucket = AmazonS3Builder::from_env().with_url(url.as_str()).build().map_err(|error| wrong(&error))?;
        let prefix = Path::from_url_path(url.path()).map_err(|error| wrong(&error))?;
        Ok(Self { store: Arc::new(PrefixStore::new(bucket, prefix)), folder: None })
    }

    /// Stores `bytes` under `path`.
    ///
    /// # Errors
    /// `unavailable` when the store does not take them.
    pub async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), ApiError> {
        self.store.put(&Path::from(path), PutPayload::from(bytes)).await.map_err(ApiError::unavailable)?;
        Ok(())
    }

    /// The size of what is stored under `path`, in bytes, and the bytes piece by piece: a client that reads slowly must not
    /// have the server hold all of them.
    ///
    /// # Errors
    /// `not_found` when there is nothing or the path is none, `unavailable` when the store does not answer.
    pub async fn get(
        &self,
        path: &str,
    ) -> Result<(u64, impl Stream<Item = object_store::Result<Bytes>> + use<>), ApiError> {
        let path = Path::parse(path).map_err(|_| Code::NotFound)?;
        let found = self.store.get(&path).await.map_err(|error| match error {
            object_store::Error::NotFound { .. } => Code::NotFound.into(),
            other => ApiError::unavailable(other),
        })?;
        Ok((found.meta.size, found.into_stream()))
    }

    /// Removes what is stored under `path`, if anything is. A picture that stays behind does no harm, so a failure is logged
    /// and no more.
    pub async fn delete(&self, path: &str) {
        match self.store.delete(&Path::from(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => tracing::warn!(path, %error, "a picture could not be removed"),
        }
    }

    /// Everything that is stored: its path, and when it was.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer.
    pub fn list(&self) -> impl Stream<Item = Result<(String, DateTime<Utc>), ApiError>> + use<> {
        let listed = self.store.list(None);
        listed.map_ok(|object| (object.location.to_string(), object.last_modified)).map_err(ApiError::unavailable)
    }

    /// Removes what a process that was killed has written in part, before `until`, of files whose names `is_own` knows.
    /// Returns how many. Only a folder has such files, and [`Media::list`] passes over them.
    ///
    /// # Errors
    /// `unavailable` when the folder cannot be read.
    pub async fn remove_partial(&self, until: SystemTime, is_own: fn(&str) -> bool) -> Result<usize, ApiError> {
        let Some(folder) = &self.folder else {
            return Ok(0);
        };
        let mut removed = 0;
        let mut files = tokio::fs::read_dir(folder).await.map_err(ApiError::unavailable)?;
        while let Some(file) = files.next_entry().await.map_err(ApiError::unavailable)? {
            let name = file.file_name();
            // While it is written a file is called `NAME#1`, or `NAME#2` where that is taken.
            let own = name.to_str().and_then(|name| name.rsplit_once('#')).is_some_and(|(name, number)| {
                is_own(name) && !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
            });
            let modified = || async { file.metadata().await.ok()?.modified().ok() };
            if own && modified().await.is_some_and(|modified| modified <= until) {
                match tokio::fs::remove_file(file.path()).await {
                    Ok(()) => removed += 1,
                    Err(error) => tracing::warn!(?name, %error, "a partly written picture could not be removed"),
                }
            }
        }
        Ok(removed)
    }
}
