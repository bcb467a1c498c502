//! The routes.

use tower::util::MapRequestLayer;
use utoipa_axum::router::OpenApiRouter;

use super::{docs, service::AppService, state::AppState, web};
use crate::{
    auth, budget, channel,
    http::{
        openapi,
        request_info::{note_endpoint, note_route},
    },
    live, notification, oidc, operations, order, reaction, snack, statistics,
};

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

/// The service of `METRICS_ADDR`.
pub fn metrics_service(state: &AppState) -> AppService {
    let (metrics, _) = operations::metrics_router().split_for_parts();
    AppService::new(metrics.route_layer(MapRequestLayer::new(note_route)).with_state(state.clone()), state)
}

/// The service of all routes.
pub fn service(state: &AppState) -> AppService {
    let mut endpoints = endpoints();
    if state.config.metrics_addr.is_none() {
        endpoints = endpoints.merge(operations::metrics_router());
    }
    let (endpoints, _) = endpoints.split_for_parts();
    let (media, _) = snack::media_router().split_for_parts();
    let others = docs::router(document(), &state.config.public_url)
        .merge(web::router(state.config.web.as_deref(), state.timezone, &state.config.public_url))
        .route_layer(MapRequestLayer::new(note_route));
    let routes = endpoints.route_layer(MapRequestLayer::new(note_endpoint)).merge(others).with_state(state.clone());
    let media = media.route_layer(MapRequestLayer::new(note_route)).with_state(state.clone());
    AppService::new(routes, state).with_literal_paths("/media/", media)
}
