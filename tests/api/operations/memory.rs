//! Memory that sign-ins leave behind.

use std::thread::available_parallelism;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    database,
    process::{Run, Server},
    test_app::PASSWORD,
};

const MIB: usize = 1024 * 1024;

/// Resident memory of the server's process, in bytes.
fn resident(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

/// A server without a limit of sign-ins.
async fn serve() -> Server {
    let run = Run::on(&database::create().await, &["serve"]);
    ["LIMIT_SIGN_IN_ACCOUNT", "LIMIT_SIGN_IN_ADDRESS"]
        .into_iter()
        .fold(run, |run, limit| run.set(limit, "1000000/1s"))
        .serve()
        .await
}

async fn post(client: &reqwest::Client, server: &Server, path: &str, body: &Value) -> u16 {
    let request = client.post(format!("http://{}{path}", server.address)).json(body);
    request.send().await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn hashing_keeps_one_buffer_for_each_core() {
    let (server, client) = (serve().await, reqwest::Client::new());
    let before = resident(&server);
    let body = json!({"email": "kim@snack.example", "password": PASSWORD, "name": "김간식"});
    assert_eq!(post(&client, &server, "/auth/sign-up", &body).await, 201);
    let body = json!({"username": "kim@snack.example", "password": PASSWORD});
    for _ in 0..60 {
        assert_eq!(post(&client, &server, "/auth/token", &body).await, 200);
    }
    for status in join_all((0..60).map(|_| post(&client, &server, "/auth/token", &body))).await {
        assert_eq!(status, 200);
    }
    let growth = resident(&server).saturating_sub(before);
    let allowed = available_parallelism().map_or(1, usize::from) * 19 * MIB + 32 * MIB;
    assert!(growth < allowed, "{} MiB and {} MiB more, {} MiB are allowed", before / MIB, growth / MIB, allowed / MIB);
}

#[tokio::test]
async fn user_names_leave_nothing_however_long_and_many_they_are() {
    let (server, client) = (serve().await, reqwest::Client::new());
    let before = resident(&server);
    for number in 0..1000 {
        let body = json!({"username": format!("{number:0>60000}"), "password": PASSWORD});
        assert_eq!(post(&client, &server, "/auth/token", &body).await, 401);
    }
    let growth = resident(&server).saturating_sub(before);
    assert!(growth < 24 * MIB, "{} MiB and {} MiB more", before / MIB, growth / MIB);
}
