//! The HTTP client that channels are reached with.

use std::{error::Error, sync::Arc, time::Duration};

use reqwest::{
    Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
    redirect::Policy,
};
use tokio::time::{Instant, timeout_at};

use super::guard::{Guard, Refusal};
use crate::{
    error::{ApiError, chain},
    outbox::sender::{AttemptResult, Outcome},
};

/// Time limit of an attempt, from the name to the end of the response.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of bytes that are read of the body of a response. It is read so that the connection can be used again.
const MAX_BODY: usize = 64 * 1024;
/// Maximum length of the text of an error, in characters.
const MAX_ERROR: usize = 500;
const IDLE_CONNECTIONS: usize = 4;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

pub struct Client {
    http: reqwest::Client,
    guard: Guard,
}

impl Client {
    /// # Errors
    /// The client cannot be set up.
    pub fn new(guard: Guard) -> Result<Self, ApiError> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("snack-server/", env!("CARGO_PKG_VERSION")))
            // A proxy would resolve names by itself.
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .dns_resolver(Arc::new(guard.clone()))
            .build()
            .map_err(ApiError::internal)?;
        Ok(Self { http, guard })
    }

    /// Posts JSON. The status of the response decides, if it arrives in time.
    pub async fn post(&self, url: &str, headers: HeaderMap, body: String) -> AttemptResult {
        let deadline = Instant::now() + TIMEOUT;
        match timeout_at(deadline, self.send(url, headers, body)).await {
            Ok(Ok(response)) => {
                let result = result_of(response.status());
                let _ = timeout_at(deadline, read_body(response)).await;
                result
            }
            Ok(Err(error)) => failure(error),
            Err(_) => failure(format!("The receiver did not respond within {} seconds.", TIMEOUT.as_secs())),
        }
    }

    async fn send(&self, url: &str, mut headers: HeaderMap, body: String) -> Result<Response, String> {
        let url = Url::parse(url).map_err(|_| "The URL is not valid.")?;
        // The resolver is not asked for a host that is an address.
        self.guard.check_literal(&url).map_err(|refusal| refusal.to_string())?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.http.post(url).headers(headers).body(body).send().await.map_err(describe)
    }
}

/// Reads the body to its end, to [`MAX_BODY`] or to an error.
async fn read_body(mut response: Response) {
    let mut length = 0;
    while length < MAX_BODY
        && let Ok(Some(chunk)) = response.chunk().await
    {
        length += chunk.len();
    }
}

fn result_of(status: StatusCode) -> AttemptResult {
    let response_status = Some(i32::from(status.as_u16()));
    if status.is_success() {
        return AttemptResult { outcome: Outcome::Delivered, response_status, error: None };
    }
    let hint = if status.is_redirection() { " Redirects are not followed." } else { "" };
    let error = Some(format!("The receiver responded with {status}.{hint}"));
    AttemptResult { outcome: Outcome::Failed, response_status, error }
}

/// Result of an attempt that had no response.
pub fn failure(error: impl Into<String>) -> AttemptResult {
    AttemptResult { outcome: Outcome::Failed, response_status: None, error: Some(error.into()) }
}

/// Text of an error without the URL.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(is) = cause {
        if let Some(refusal) = is.downcast_ref::<Refusal>() {
            return refusal.to_string();
        }
        cause = is.source();
    }
    let kind = if error.is_connect() { "No connection to the receiver" } else { "No valid response" };
    let text = error.source().map(|source| chain(source).to_string()).unwrap_or_default();
    format!("{kind}: {text}.").chars().take(MAX_ERROR).collect()
}
