//! Storage of pictures: a folder or an S3 bucket.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{Stream, TryStreamExt};
use object_store::{GetResult, ObjectStore, ObjectStoreExt, PutPayload, path::Path};
use tokio::time::timeout;
use url::Url;

use super::object_stores::{self, Timeouts};
use crate::{
    config::{AwsSettings, SettingError},
    error::{ApiError, Code, chain},
};

/// Time limit for the beginning of a picture. The rest may take longer.
const GET_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit of a removal.
const DELETE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit of the check at the start.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);
/// Code of S3 for a bucket that does not exist.
const NO_BUCKET: &str = "NoSuchBucket";

#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    /// Folder of the files. None for S3.
    folder: Option<PathBuf>,
}

impl Storage {
    /// Opens the storage at `url` (`MEDIA_URL`) and creates its folder. Connects to nothing.
    ///
    /// # Errors
    /// The folder cannot be created, or the settings of the bucket are incomplete.
    pub fn open(url: &Url, aws: &AwsSettings) -> Result<Self, SettingError> {
        let folder = url.to_file_path().ok();
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder)
                .map_err(|error| SettingError::new("MEDIA_URL", format_args!("{url}: {error}")))?;
        }
        Ok(Self { store: object_stores::open("MEDIA_URL", url, aws, Timeouts::SERVER)?, folder })
    }

    /// Checks that the bucket exists and accepts the keys. A bucket that cannot be reached is only logged, because everything but pictures
    /// works without it.
    ///
    /// # Errors
    /// The bucket does not exist, or denies access.
    pub async fn check(&self) -> Result<(), SettingError> {
        if self.folder.is_some() {
            return Ok(());
        }
        match timeout(CHECK_TIMEOUT, self.find("check")).await {
            Ok(Ok(_) | Err(object_store::Error::NotFound { .. })) => {}
            Ok(Err(error)) if is_setting_error(&error) => return Err(SettingError::new("MEDIA_URL", chain(&error))),
            Ok(Err(error)) => tracing::warn!(error = %chain(&error), "storage of pictures out of reach"),
            Err(elapsed) => tracing::warn!(error = %chain(&elapsed), "storage of pictures out of reach"),
        }
        Ok(())
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
    /// `not_found` for a missing file and an invalid path, `unavailable` when the storage fails or does not respond.
    pub async fn get(
        &self,
        path: &str,
    ) -> Result<(u64, impl Stream<Item = object_store::Result<Bytes>> + use<>), ApiError> {
        let found = timeout(GET_TIMEOUT, self.find(path)).await.map_err(ApiError::unavailable)?;
        let found = found.map_err(|error| match error {
            object_store::Error::NotFound { .. } => Code::NotFound.into(),
            other => ApiError::unavailable(other),
        })?;
        Ok((found.meta.size, found.into_stream()))
    }

    /// Beginning of `path`. A bucket that does not exist is not a missing file.
    async fn find(&self, path: &str) -> object_store::Result<GetResult> {
        let path = Path::parse(path)
            .map_err(|error| object_store::Error::NotFound { path: path.to_owned(), source: error.into() })?;
        self.store.get(&path).await.map_err(|error| match error {
            object_store::Error::NotFound { source, .. } if chain(source.as_ref()).to_string().contains(NO_BUCKET) => {
                object_store::Error::Generic { store: "S3", source }
            }
            other => other,
        })
    }

    /// Removes `path` if it exists. A failure is only logged, because a picture that is left over does no harm.
    pub async fn delete(&self, path: &str) {
        match timeout(DELETE_TIMEOUT, self.store.delete(&Path::from(path))).await {
            Ok(Ok(()) | Err(object_store::Error::NotFound { .. })) => {}
            Ok(Err(error)) => tracing::warn!(path, error = %chain(&error), "picture not removed"),
            Err(elapsed) => tracing::warn!(path, error = %chain(&elapsed), "picture not removed"),
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

/// Tells whether a response of S3 means that the settings are wrong.
fn is_setting_error(error: &object_store::Error) -> bool {
    use object_store::Error::{PermissionDenied, Unauthenticated};
    matches!(error, PermissionDenied { .. } | Unauthenticated { .. }) || chain(error).to_string().contains(NO_BUCKET)
}
