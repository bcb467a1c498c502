//! Notes about a request while the server responds: its client, its route and its user.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, OnceLock},
};

use axum::{
    extract::{FromRequestParts, MatchedPath, Request},
    http::request::Parts,
};

use super::client_ip::ClientIp;

/// Extension of every request. Clones share it, so that the access log sees what the route and its extractors have noted.
#[derive(Clone, Debug)]
pub struct RequestInfo(Arc<Noted>);

#[derive(Debug)]
struct Noted {
    client_ip: ClientIp,
    route: OnceLock<MatchedPath>,
    is_endpoint: OnceLock<()>,
    user: OnceLock<i64>,
}

impl RequestInfo {
    pub fn new(client_ip: ClientIp) -> Self {
        Self(Arc::new(Noted { client_ip, route: OnceLock::new(), is_endpoint: OnceLock::new(), user: OnceLock::new() }))
    }

    pub fn client_ip(&self) -> ClientIp {
        self.0.client_ip
    }

    /// Address of the client of a request.
    pub fn client_ip_of(parts: &Parts) -> ClientIp {
        parts.extensions.get().map_or(ClientIp(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), Self::client_ip)
    }

    /// Pattern of the matched route, such as `/snacks/{uid}`.
    pub fn route(&self) -> Option<&str> {
        self.0.route.get().map(MatchedPath::as_str)
    }

    /// Tells whether the route is one of the API. Its responses are in memory as a whole.
    pub fn is_endpoint(&self) -> bool {
        self.0.is_endpoint.get().is_some()
    }

    /// The user who sent a valid access token.
    pub fn user(&self) -> Option<i64> {
        self.0.user.get().copied()
    }

    pub fn set_user(&self, id: i64) {
        // Fails when the extractor runs twice, for the same user.
        let _ = self.0.user.set(id);
    }
}

impl<S: Sync> FromRequestParts<S> for ClientIp {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(RequestInfo::client_ip_of(parts))
    }
}

/// Notes the route of a request. For a layer of all routes, because only they know their pattern.
pub fn note_route(request: Request) -> Request {
    if let (Some(info), Some(route)) =
        (request.extensions().get::<RequestInfo>(), request.extensions().get::<MatchedPath>())
    {
        let _ = info.0.route.set(route.clone());
    }
    request
}

/// [`note_route`] for the endpoints of the API.
pub fn note_endpoint(request: Request) -> Request {
    if let Some(info) = request.extensions().get::<RequestInfo>() {
        let _ = info.0.is_endpoint.set(());
    }
    note_route(request)
}
