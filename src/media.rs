//! Where pictures are kept: a folder or an S3 bucket, behind one interface.

use std::sync::Arc;

use axum::body::Bytes;
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
pub struct Media(Arc<dyn ObjectStore>);

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
            return Ok(Self(Arc::new(store)));
        }
        let bucket = AmazonS3Builder::from_env().with_url(url.as_str()).build().map_err(|error| wrong(&error))?;
        let prefix = Path::from_url_path(url.path()).map_err(|error| wrong(&error))?;
        Ok(Self(Arc::new(PrefixStore::new(bucket, prefix))))
    }

    /// Stores `bytes` under `path`.
    ///
    /// # Errors
    /// `unavailable` when the store does not take them.
    pub async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), ApiError> {
        self.0.put(&Path::from(path), PutPayload::from(bytes)).await.map_err(ApiError::unavailable)?;
        Ok(())
    }

    /// What is stored under `path`.
    ///
    /// # Errors
    /// `not_found` when there is nothing or the path is none, `unavailable` when the store does not answer.
    pub async fn get(&self, path: &str) -> Result<Bytes, ApiError> {
        let path = Path::parse(path).map_err(|_| Code::NotFound)?;
        let absent = |error: object_store::Error| match error {
            object_store::Error::NotFound { .. } => Code::NotFound.into(),
            other => ApiError::unavailable(other),
        };
        self.0.get(&path).await.map_err(absent)?.bytes().await.map_err(absent)
    }

    /// Removes what is stored under `path`. A picture that stays behind does no harm, so a failure is logged and no more.
    pub async fn delete(&self, path: &str) {
        if let Err(error) = self.0.delete(&Path::from(path)).await {
            tracing::warn!(path, %error, "a picture could not be removed");
        }
    }
}
