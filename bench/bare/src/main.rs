//! A bare axum route: the yardstick for what a request costs the server before it does anything.

use axum::{Router, routing::get};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() {
    let address = std::env::args().nth(1).expect("an address");
    let listener = TcpListener::bind(address).await.expect("a free address");
    axum::serve(listener, Router::new().route("/health/live", get(async || "ok"))).await.expect("requests");
}
