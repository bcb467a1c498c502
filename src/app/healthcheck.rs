//! The client of the command `healthcheck`.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use axum::http::StatusCode;

use crate::error::{StartError, chain};

/// Asks the server at `address` for `/health/ready`.
///
/// # Errors
/// The server is not ready or does not respond.
pub async fn healthcheck(mut address: SocketAddr) -> Result<(), StartError> {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let failed = |error: reqwest::Error| StartError::failed(format_args!("not ready: {}", chain(&error)));
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build().map_err(failed)?;
    let response = client.get(format!("http://{address}/health/ready")).send().await.map_err(failed)?;
    match response.status() {
        StatusCode::OK => Ok(()),
        status => Err(StartError::failed(format_args!("not ready: {status}"))),
    }
}
