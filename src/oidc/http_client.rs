//! The HTTP client for the identity provider: no redirects, a time limit, and a limit for the size of responses.

use std::{pin::Pin, time::Duration};

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::redirect::Policy;

use crate::error::ApiError;

/// Time limit of a request, from the name to the end of the response.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum size of a response, in bytes.
const MAX_RESPONSE: usize = 256 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("no response from the identity provider")]
    Request(#[from] reqwest::Error),
    #[error("the response has more than {MAX_RESPONSE} bytes")]
    TooLarge,
}

pub struct HttpClient(reqwest::Client);

impl HttpClient {
    /// # Errors
    /// The client cannot be set up.
    pub fn new() -> Result<Self, ApiError> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("snack-server/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            // A redirect could lead the client's secret or a token to another server.
            .redirect(Policy::none())
            .referer(false)
            .timeout(TIMEOUT)
            .build()
            .map_err(ApiError::internal)?;
        Ok(Self(client))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut response = self.0.execute(request.try_into()?).await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > MAX_RESPONSE {
                return Err(HttpError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut read = HttpResponse::new(body);
        *read.status_mut() = response.status();
        *read.headers_mut() = response.headers().clone();
        Ok(read)
    }
}

impl<'c> AsyncHttpClient<'c> for HttpClient {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}
