//! Storage of pictures: a folder or an S3 bucket.

use std::{error::Error, path::PathBuf, sync::Arc, time::SystemTime};

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
    error::{ApiError, Code, chain},
};

#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    /// Folder of the files. None for S3.
    folder: Option<PathBuf>,
}

impl Storage {
    /// Opens the storage at `url` (`MEDIA_URL`) and creates its folder. For S3 the keys, region and endpoint come from the usual `AWS_*`
    /// variables.
    ///
    /// # Errors
    /// The folder cannot be created, or the settings of the bucket are incomplete.
    pub fn open(url: &Url) -> Result<Self, SettingError> {
        let wrong = |error: &dyn Error| SettingError::new("MEDIA_URL", format_args!("{url}: {}", chain(error)));
        if let Ok(folder) = url.to_file_path() {
            std::fs::create_dir_all(&folder).map_err(|error| wrong(&error))?;
            let store = LocalFileSystem::new_with_prefix(&folder).map_err(|error| wrong(&error))?;
            // File and folder are synced with each put, so that no row loses its picture in a power failure.
            return Ok(Self { store: Arc::new(store.with_fsync(true)), folder: Some(folder) });
        }
        let bucket = AmazonS3Builder::from_env().with_url(url.as_str()).build().map_err(|error| wrong(&error))?;
        let prefix = Path::from_url_path(url.path()).map_err(|error| wrong(&error))?;
        Ok(Self { store: Arc::new(PrefixStore::new(bucket, prefix)), folder: None })
    }

    /// # Errors
    /// `unavailable` when the storage fails.
    pub async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), ApiError> {
        self.store.put(&Path::from(path), PutPayload::from(bytes)).await.map_err(ApiError::unavailable)?;
        Ok(())
    }

    /// Size of `path` in bytes, and its content as a stream, so that the server does not hold all of it for a slow client.
    ///
    /// # Errors
    /// `not_found` for a missing file and an invalid path, `unavailable` when the storage fails.
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

    /// Removes `path` if it exists. A failure is only logged, because a picture that is left over does no harm.
    pub async fn delete(&self, path: &str) {
        match self.store.delete(&Path::from(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => tracing::warn!(path, error = %chain(&error), "picture not removed"),
        }
    }

    /// All paths, with the times of their last change.
    ///
    /// # Errors
    /// `unavailable` when the storage fails.
    pub fn list(&self) -> impl Stream<Item = Result<(String, DateTime<Utc>), ApiError>> + use<> {
        let listed = self.store.list(None);
        listed.map_ok(|object| (object.location.to_string(), object.last_modified)).map_err(ApiError::unavailable)
    }

    /// Removes partial files older than `until` that a killed process has left, if `is_own` accepts their names. Returns their number.
    /// Only a folder has such files, and [`Storage::list`] does not show them.
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
            // A file that is being written has the name `NAME#1`, or `NAME#2` if that exists.
            let own = name.to_str().and_then(|name| name.rsplit_once('#')).is_some_and(|(name, number)| {
                is_own(name) && !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
            });
            let modified = || async { file.metadata().await.ok()?.modified().ok() };
            if own && modified().await.is_some_and(|modified| modified <= until) {
                match tokio::fs::remove_file(file.path()).await {
                    Ok(()) => removed += 1,
                    Err(error) => tracing::warn!(?name, error = %chain(&error), "partial picture not removed"),
                }
            }
        }
        Ok(removed)
    }
}
