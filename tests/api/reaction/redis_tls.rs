//! Redis with TLS. Its certificate is signed by an authority of the test.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{
    database,
    process::{Run, Server, folder},
    process_client::ProcessClient,
    redis::{Redis, three_masters},
    redis_cluster::words,
};

/// An authority, and a certificate for 127.0.0.1: the files `ca.pem`, `server.pem` and `server.key` in a folder.
fn certificates() -> PathBuf {
    let folder = folder();
    std::fs::create_dir(&folder).expect("a folder");
    let openssl = |arguments: &str| {
        let done = Command::new("openssl").args(arguments.split_whitespace()).current_dir(&folder).output();
        let done = done.expect("openssl, which `make test` installs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=authority"));
    openssl(&format!(
        "req -x509 {key} -keyout server.key -out server.pem -subj /CN=redis -CA ca.pem -CAkey ca.key \
         -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=IP:127.0.0.1"
    ));
    folder
}

/// Starts a server that trusts the authority in `trusted`, reacts to a snack twice, and returns the server and the state of Redis that
/// it reports.
async fn react_twice(redis_url: &str, trusted: &Path) -> (Server, String) {
    let database = database::create().await;
    let run = Run::on(&database, &["serve"])
        .set("REDIS_URL", redis_url)
        .set("REDIS_PREFIX", "")
        .set("SSL_CERT_FILE", trusted.to_str().expect("a path"));
    let server = run.serve().await;
    let client = ProcessClient::new(&server);
    let (token, _) = client.member("kim@snack.example").await;
    let (status, snack) = client.post(&token, "/snacks", json!({"name": "새우깡", "price": "1500"})).await;
    assert_eq!(status, 201);
    let path = format!("/snacks/{}/reaction", snack["uid"].as_str().expect("a uid"));
    for (kind, likes) in [("like", 1), ("hate", 0)] {
        let (status, response) = client.post(&token, &path, json!({"type": kind})).await;
        assert_eq!((status, response["like_reaction_count"].as_i64()), (200, Some(likes)));
    }
    let (_, ready) = client.get(&token, "/health/ready").await;
    (server, ready["redis"].as_str().expect("a state").to_owned())
}

async fn state(redis_url: &str, trusted: &Path) -> String {
    react_twice(redis_url, trusted).await.1
}

#[tokio::test]
async fn a_certificate_of_a_known_authority_is_accepted_and_another_one_is_refused() {
    let (known, unknown) = (certificates(), certificates());
    let mut redis = Redis::absent();
    redis.launch_with_tls(&known).await;
    let url = format!("rediss://127.0.0.1:{}", redis.port);
    assert_eq!(state(&url, &known.join("ca.pem")).await, "up");
    assert_eq!(state(&url, &unknown.join("ca.pem")).await, "down");
    // A certificate for 127.0.0.1 only.
    let url = format!("rediss://localhost:{}", redis.port);
    assert_eq!(state(&url, &known.join("ca.pem")).await, "down");
}

#[tokio::test]
async fn a_cluster_with_tls_counts() {
    let (known, unknown) = (certificates(), certificates());
    let cluster = three_masters(Some(&known)).await;
    assert_eq!(state(&cluster.url(0..2), &unknown.join("ca.pem")).await, "down");
    let (_server, state) = react_twice(&cluster.url(0..2), &known.join("ca.pem")).await;
    assert_eq!(state, "up");
    let mut keys = [0; 3];
    let deadline = Instant::now() + Duration::from_secs(30);
    // Three keys of the snack, after the next flush, and the generation of each node.
    while keys.iter().sum::<usize>() < 6 {
        assert!(Instant::now() < deadline, "{keys:?} keys");
        for (node, keys) in keys.iter_mut().enumerate() {
            *keys = cluster.command(node, &words("DBSIZE")).await.expect("a number");
        }
    }
    assert!(keys.contains(&4), "{keys:?}");
}
