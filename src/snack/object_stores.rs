//! Folders and S3 buckets.

use std::{error::Error, path::Path, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    client::ClientConfigKey,
    local::LocalFileSystem,
    prefix::PrefixStore,
};
use secrecy::ExposeSecret;
use url::Url;

use crate::{
    config::{AwsSettings, SettingError},
    error::chain,
};

/// Time limits of requests to S3. The whole of a request has none, because a client may read a picture slowly.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub connect: Duration,
    /// Wait for a response, and for each further part of it.
    pub read: Duration,
    /// Time after which a failed request is not repeated.
    pub retry: Duration,
}

impl Timeouts {
    /// For the server, whose clients wait.
    pub const SERVER: Self =
        Self { connect: Duration::from_secs(2), read: Duration::from_secs(10), retry: Duration::from_secs(2) };
    /// For commands, which should not fail because a bucket is busy for a while.
    pub const COMMAND: Self =
        Self { connect: Duration::from_secs(5), read: Duration::from_mins(1), retry: Duration::from_mins(2) };
}

/// Opens `url`, which is a `file://` URL of an existing folder or `s3://bucket/prefix`. The name of the setting is `setting`.
///
/// # Errors
/// There is no such folder, or the settings of the bucket are incomplete.
pub fn open(
    setting: &'static str,
    url: &Url,
    aws: &AwsSettings,
    timeouts: Timeouts,
) -> Result<Arc<dyn ObjectStore>, SettingError> {
    match url.to_file_path() {
        Ok(folder) => open_folder(&folder).map_err(|error| wrong(setting, url, &error)),
        Err(()) => open_bucket(setting, url, aws, timeouts),
    }
}

fn wrong(setting: &'static str, url: &Url, error: &dyn Error) -> SettingError {
    SettingError::new(setting, format_args!("{url}: {}", chain(error)))
}

fn open_folder(folder: &Path) -> object_store::Result<Arc<dyn ObjectStore>> {
    // File and folder are synced with each put, so that no row loses its picture in a power failure.
    Ok(Arc::new(LocalFileSystem::new_with_prefix(folder)?.with_fsync(true)))
}

fn open_bucket(
    setting: &'static str,
    url: &Url,
    aws: &AwsSettings,
    timeouts: Timeouts,
) -> Result<Arc<dyn ObjectStore>, SettingError> {
    let mut client = ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(timeouts.connect)
        .with_read_timeout(timeouts.read);
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() };
    let mut builder = AmazonS3Builder::new().with_url(url.as_str()).with_retry(RetryConfig {
        backoff,
        retry_timeout: timeouts.retry,
        ..RetryConfig::default()
    });
    for (name, value) in &aws.0 {
        match name.to_ascii_lowercase().parse() {
            Ok(AmazonS3ConfigKey::Client(key)) => client = client.with_config(key, value.expose_secret()),
            Ok(key) => builder = builder.with_config(key, value.expose_secret()),
            Err(_) => {}
        }
    }
    let is_plain =
        builder.get_config_value(&AmazonS3ConfigKey::Endpoint).is_some_and(|endpoint| endpoint.starts_with("http://"));
    let may_be_plain = client.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
    if is_plain && !may_be_plain {
        return Err(SettingError::new("AWS_ENDPOINT", "is an http:// URL, which needs AWS_ALLOW_HTTP=true"));
    }
    let bucket = builder.with_client_options(client).build().map_err(|error| wrong(setting, url, &error))?;
    let prefix = object_store::path::Path::from_url_path(url.path()).map_err(|error| wrong(setting, url, &error))?;
    Ok(Arc::new(PrefixStore::new(bucket, prefix)))
}
