//! The service that responds to every request: the routes, and around them all that is the same for every request.
//!
//! It is one function instead of a stack of layers. A layer around a router is copied onto the heap with all that is inside it, for each
//! request. Without the copies of seven layers and of the state, and with kept handles of metrics, a short request takes a third less
//! CPU.

use std::{convert::Infallible, net::SocketAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue, Method, header},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use ipnet::IpNet;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::{
    cors::{AllowOrigin, CorsLayer},
    normalize_path::{NormalizePath, NormalizePathLayer},
};
use tracing::Instrument;

use super::{admission::Admission, state::AppState};
use crate::{
    config::{Config, path_prefix},
    error::ApiError,
    http::{
        access_log::{AccessLogEntry, X_REQUEST_ID},
        body,
        body_budget::{BodyBudget, count_request_bytes, count_response_bytes},
        headers::language,
        host::require_host,
        problem::write_problem,
        request_metrics::RequestMetrics,
    },
};

/// Maximum size of the bodies of all requests in progress, in bytes.
const REQUEST_BYTES: usize = 64 * 1024 * 1024;
/// Maximum size of the large responses that clients have not read yet, in bytes.
const RESPONSE_BYTES: usize = 64 * 1024 * 1024;

/// Shared by all connections of a listener.
pub struct AppService {
    /// Every path works with and without a trailing slash.
    routes: NormalizePath<Router>,
    /// Routes whose paths are taken literally, and the start of these paths.
    literal: Option<(&'static str, Router)>,
    trusted_proxies: Vec<IpNet>,
    /// Headers of all responses that do not set them themselves.
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Path prefix of `PUBLIC_URL`, which the proxy has stripped from the request.
    prefix: String,
    cors: Option<CorsLayer>,
    admission: Admission,
    metrics: RequestMetrics,
    /// Public, so that tests can make it small.
    pub request_bytes: BodyBudget,
    response_bytes: BodyBudget,
}

impl AppService {
    pub fn new(routes: Router, state: &AppState) -> Self {
        Self {
            routes: NormalizePathLayer::trim_trailing_slash().layer(routes),
            literal: None,
            trusted_proxies: state.config.trusted_proxies.clone(),
            headers: headers(&state.config),
            prefix: path_prefix(&state.config.public_url).to_owned(),
            cors: cors(&state.config),
            admission: Admission::new(state.tasks.clone(), Arc::clone(&state.watchdog)),
            metrics: RequestMetrics::default(),
            request_bytes: BodyBudget::new(REQUEST_BYTES),
            response_bytes: BodyBudget::new(RESPONSE_BYTES),
        }
    }

    /// Adds routes below `start` whose paths are taken literally.
    pub fn with_literal_paths(mut self, start: &'static str, routes: Router) -> Self {
        self.literal = Some((start, routes.fallback_service(self.routes.clone())));
        self
    }

    /// Responds to a request of `peer`, logs and counts it.
    pub async fn respond(self: Arc<Self>, peer: SocketAddr, mut request: Request) -> Response {
        let entry = AccessLogEntry::start(&mut request, peer.ip(), &self.trusted_proxies);
        let (span, trace) = entry.spans();
        // The span of the log inside, because a task that goes on with the request takes the inner one along.
        let mut response = self.respond_across_origins(request).instrument(span).instrument(trace).await;
        for (name, value) in &self.headers {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        self.prefix_location(&mut response);
        let (method, info) = (entry.known_method(), entry.info().clone());
        let duration = entry.complete(&mut response);
        self.metrics.record(method, info.route().unwrap_or("unknown"), response.status(), duration);
        response
    }

    async fn respond_across_origins(self: &Arc<Self>, request: Request) -> Response {
        let Some(cors) = &self.cors else { return self.respond_with_problems(request).await };
        let service = service_fn(async |request| Ok::<_, Infallible>(self.respond_with_problems(request).await));
        match cors.layer(service).oneshot(request).await {
            Ok(response) => response,
        }
    }

    /// Writes the body of every error, of handlers as well as of axum and of this service.
    async fn respond_with_problems(self: &Arc<Self>, request: Request) -> Response {
        let language = language(request.headers());
        let response = match require_host(request.headers()) {
            // On the heap: the future has kilobytes, and each one around it would be copied with it.
            Ok(()) => {
                AssertUnwindSafe(self.admission.run(request, |request| Box::pin(Arc::clone(self).route(request))))
                    .catch_unwind()
                    .await
                    .unwrap_or_else(|_| ApiError::internal("a handler panicked").into_response())
            }
            Err(error) => error.into_response(),
        };
        write_problem(response, language)
    }

    async fn route(self: Arc<Self>, mut request: Request) -> Response {
        DefaultBodyLimit::max(body::LIMIT).apply(&mut request);
        let info = request.extensions().get().cloned();
        let literal = self.literal.as_ref().filter(|(start, _)| request.uri().path().starts_with(start));
        let routed = async |request| match literal {
            Some((_, routes)) => routes.clone().oneshot(request).await,
            None => self.routes.clone().oneshot(request).await,
        };
        let response = match count_request_bytes(&self.request_bytes, request, routed).await {
            Ok(Ok(response)) => response,
            Err(error) => return error.into_response(),
        };
        count_response_bytes(&self.response_bytes, info, response).await
    }

    /// Puts the path prefix of `PUBLIC_URL` in front of a path in `Location`.
    fn prefix_location(&self, response: &mut Response) {
        if !self.prefix.is_empty()
            && let Some(location) = response.headers_mut().get_mut(header::LOCATION)
            && location.as_bytes().starts_with(b"/")
            && let Ok(prefixed) = HeaderValue::try_from([self.prefix.as_bytes(), location.as_bytes()].concat())
        {
            *location = prefixed;
        }
    }
}

fn headers(config: &Config) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = vec![
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        // For data. Pages set their own policy.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        // Responses hold tokens and personal data. Public files set their own lifetime.
        (header::CACHE_CONTROL, "no-store"),
    ];
    if config.public_url.scheme() == "https" {
        // Without subdomains and preload lists: other services of the company may still use plain http.
        headers.push((header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"));
    }
    headers.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
}

fn cors(config: &Config) -> Option<CorsLayer> {
    if config.cors_allowed_origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(config.cors_allowed_origins.clone()))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            HeaderName::from_static("idempotency-key"),
            X_REQUEST_ID,
        ])
        .expose_headers([header::ETAG, header::LOCATION, header::RETRY_AFTER, X_REQUEST_ID])
        .max_age(Duration::from_hours(1));
    Some(layer)
}
