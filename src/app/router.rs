//! The router: the endpoints and the middleware around them.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{from_fn, from_fn_with_state},
    response::IntoResponse,
};
use tower::{Layer, ServiceBuilder};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
    normalize_path::NormalizePathLayer,
    set_header::SetResponseHeaderLayer,
};
use utoipa_axum::router::OpenApiRouter;

use super::{admission, docs, state::AppState, web};
use crate::{
    auth, budget, channel,
    config::{Config, path_prefix},
    error::ApiError,
    http::{body, body_budget::BodyBudget, middleware, openapi, problem::write_problems},
    live, notification, oidc, operations, order, reaction, snack, statistics,
};

/// Maximum size of the bodies of all requests in progress, in bytes.
const REQUEST_BYTES: usize = 64 * 1024 * 1024;
/// Maximum size of the large responses that clients have not read yet, in bytes.
const RESPONSE_BYTES: usize = 64 * 1024 * 1024;

/// The endpoints, with their part of the OpenAPI document.
fn endpoints() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::base())
        .merge(auth::router())
        .merge(oidc::router())
        .merge(snack::router())
        .merge(reaction::router())
        .merge(budget::router())
        .merge(order::router())
        .merge(notification::router())
        .merge(channel::router())
        .merge(statistics::router())
        .merge(live::router())
        .merge(operations::router())
}

/// The OpenAPI document of all endpoints. It does not depend on the settings, so that clients can be generated without a server.
pub fn document() -> utoipa::openapi::OpenApi {
    openapi::finish(endpoints().merge(operations::metrics_router()).merge(snack::media_router()).into_openapi())
}

/// The routes of `METRICS_ADDR`, with their middleware.
pub fn metrics_router(state: &AppState) -> Router {
    let (metrics, _) = operations::metrics_router().split_for_parts();
    apply_middleware(metrics.route_layer(from_fn(middleware::name_route)).with_state(state.clone()), state)
}

/// All routes with their middleware.
pub fn router(state: &AppState) -> Router {
    let mut endpoints = endpoints();
    if state.config.metrics_addr.is_none() {
        endpoints = endpoints.merge(operations::metrics_router());
    }
    let (endpoints, _) = endpoints.split_for_parts();
    let (media, _) = snack::media_router().split_for_parts();
    let large_responses = BodyBudget::new(RESPONSE_BYTES);
    let routes = endpoints
        .route_layer(from_fn_with_state(large_responses, middleware::count_response_bytes))
        .merge(docs::router(document(), &state.config.public_url))
        .merge(web::router(state.config.web.as_deref(), state.timezone, &state.config.public_url))
        .route_layer(from_fn(middleware::name_route))
        .with_state(state.clone());
    // Every path works with and without a trailing slash, except for those of pictures, which are taken literally.
    let slashless = NormalizePathLayer::trim_trailing_slash().layer(routes);
    let routes =
        media.route_layer(from_fn(middleware::name_route)).with_state(state.clone()).fallback_service(slashless);
    apply_middleware(routes, state)
}

/// Puts the middleware that every request passes around `routes`.
pub fn apply_middleware(routes: Router, state: &AppState) -> Router {
    let set = |name: HeaderName, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    let admission = admission::AdmissionState::new(state.tasks.clone(), Arc::clone(&state.watchdog));
    let is_https = state.config.public_url.scheme() == "https";
    let prefix = Some(path_prefix(&state.config.public_url)).filter(|prefix| !prefix.is_empty()).map(Arc::from);
    // From the outside in.
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(Arc::from(state.config.trusted_proxies.as_slice()), middleware::observe))
        .layer(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set(header::X_FRAME_OPTIONS, "DENY"))
        .layer(set(header::REFERRER_POLICY, "no-referrer"))
        // For data. Pages set their own policy.
        .layer(set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
        // Responses hold tokens and personal data. Public files set their own lifetime.
        .layer(set(header::CACHE_CONTROL, "no-store"))
        // Without subdomains and preload lists: other services of the company may still use plain http.
        .option_layer(is_https.then(|| set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000")))
        .option_layer(prefix.map(|prefix| from_fn_with_state(prefix, middleware::prefix_location)))
        .option_layer(cors(&state.config))
        .layer(from_fn(write_problems))
        .layer(from_fn(middleware::require_host))
        .layer(CatchPanicLayer::custom(|_| ApiError::internal("a handler panicked").into_response()))
        .layer(from_fn_with_state(Arc::new(admission), admission::shed_load_and_detach))
        .layer(from_fn_with_state(BodyBudget::new(REQUEST_BYTES), middleware::count_request_bytes))
        .layer(DefaultBodyLimit::max(body::LIMIT));
    routes.layer(layers)
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
            middleware::X_REQUEST_ID,
        ])
        .expose_headers([header::ETAG, header::LOCATION, header::RETRY_AFTER, middleware::X_REQUEST_ID])
        .max_age(Duration::from_hours(1));
    Some(layer)
}
