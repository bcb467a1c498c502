//! The two kinds of places for files: a folder and an S3 bucket.

use std::{collections::BTreeMap, sync::Arc};

use axum::body::Bytes;
use futures_util::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use snack_server::{
    config::{AwsSettings, Config},
    snack::object_stores::{self, Timeouts},
};
use url::Url;
use uuid::Uuid;

use super::{
    process::{Run, folder},
    s3,
};

/// An empty place for files.
#[derive(Clone)]
pub struct Place {
    pub url: Url,
    aws: AwsSettings,
    variables: Vec<(&'static str, String)>,
}

impl Place {
    pub fn folder() -> Self {
        let url = Url::from_directory_path(folder()).expect("a path");
        Self { url, aws: AwsSettings::default(), variables: Vec::new() }
    }

    /// A prefix in the bucket, through `port`.
    pub fn bucket_at(port: u16) -> Self {
        let server = s3::server();
        Self {
            url: format!("s3://snack/tests/{}", Uuid::new_v4()).parse().expect("a URL"),
            aws: server.settings(port),
            variables: server.variables(port).to_vec(),
        }
    }

    pub fn bucket() -> Self {
        Self::bucket_at(s3::server().port)
    }

    pub fn both() -> [Self; 2] {
        [Self::folder(), Self::bucket()]
    }

    /// Makes this the storage of a server's pictures.
    pub fn configure(&self, config: &mut Config) {
        config.media_url = self.url.clone();
        config.aws = self.aws.clone();
    }

    /// The same for a process.
    pub fn set(&self, run: Run) -> Run {
        let run = run.set("MEDIA_URL", self.url.as_str());
        self.variables.iter().fold(run, |run, (name, value)| run.set(name, value))
    }

    /// The value for `--to` and `--from`: a path or a URL.
    pub fn argument(&self) -> String {
        self.url.to_file_path().map_or_else(|()| self.url.to_string(), |path| path.display().to_string())
    }

    fn store(&self) -> Arc<dyn ObjectStore> {
        if let Ok(folder) = self.url.to_file_path() {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        object_stores::open("MEDIA_URL", &self.url, &self.aws, Timeouts::COMMAND).expect("a store")
    }

    /// All files with their content.
    pub async fn files(&self) -> BTreeMap<String, Bytes> {
        let store = self.store();
        let objects: Vec<_> = store.list(None).try_collect().await.expect("a list");
        let mut files = BTreeMap::new();
        for object in objects {
            let content = store.get(&object.location).await.expect("a file").bytes().await.expect("its content");
            files.insert(object.location.to_string(), content);
        }
        files
    }

    pub async fn names(&self) -> Vec<String> {
        self.files().await.into_keys().collect()
    }

    pub async fn write(&self, name: &str, content: Bytes) {
        self.store().put(&Path::from(name), content.into()).await.expect("a file");
    }

    pub async fn remove(&self, name: &str) {
        self.store().delete(&Path::from(name)).await.expect("a file");
    }
}
