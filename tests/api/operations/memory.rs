//! Memory that sign-ins leave behind.

use std::thread::available_parallelism;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{
    database,
    process::{Run, Server},
    process_client::ProcessClient,
    test_app::PASSWORD,
};

/// A server without a limit of sign-ins.
async fn serve() -> Server {
    let run = Run::on(&database::create().await, &["serve"]);
    ["LIMIT_SIGN_IN_ACCOUNT", "LIMIT_SIGN_IN_ADDRESS"]
        .into_iter()
        .fold(run, |run, limit| run.set(limit, "1000000/1s"))
        .serve()
        .await
}

#[tokio::test]
async fn hashing_keeps_one_buffer_for_each_core() {
    let server = serve().await;
    let client = ProcessClient::new(&server);
    let before = server.resident();
    client.member("kim@snack.example").await;
    let sign_in = || client.post("", "/auth/token", json!({"username": "kim@snack.example", "password": PASSWORD}));
    for _ in 0..60 {
        assert_eq!(sign_in().await.0, 200);
    }
    for (status, _) in join_all((0..60).map(|_| sign_in())).await {
        assert_eq!(status, 200);
    }
    let growth = server.resident().saturating_sub(before);
    let allowed = available_parallelism().map_or(1, |cores| cores.get() as u64) * 19 + 32;
    assert!(growth < allowed, "{before} MiB and {growth} MiB more, {allowed} MiB are allowed");
}

#[tokio::test]
async fn long_and_many_user_names_leave_no_memory_behind() {
    let server = serve().await;
    let client = ProcessClient::new(&server);
    let before = server.resident();
    for number in 0..1000 {
        let body = json!({"username": format!("{number:0>60000}"), "password": PASSWORD});
        assert_eq!(client.post("", "/auth/token", body).await.0, 401);
    }
    let growth = server.resident().saturating_sub(before);
    assert!(growth < 24, "{before} MiB and {growth} MiB more");
}
