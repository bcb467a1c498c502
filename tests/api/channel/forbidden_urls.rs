//! URLs of addresses that are not public, in every spelling: refused when a channel gets them, and when it is sent to.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use reqwest::{
    Method,
    header::{ACCEPT_LANGUAGE, HeaderMap},
};
use serde_json::json;
use snack_server::channel::{client::Client, guard::Guard, resolver::Resolver};
use url::Url;

use crate::support::{
    channel::{create_webhook, id, make_due, wait_for_delivery, write_events},
    receiver::{Answer, Receiver},
    test_app::TestApp,
};

/// Hosts that are not public.
const FORBIDDEN: &[&str] = &[
    // Loopback, as people and attackers write it.
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7F.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "0177.0x0.0.01",
    "00000177.1",
    "１２７.0.0.1",
    "127。0。0。1",
    "127%2e0%2e0%2e1",
    "%31%32%37.0.0.1",
    "①②⑦.⓪.⓪.①",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "hooks.localhost",
    "ｌｏｃａｌｈｏｓｔ",
    "loc%61lhost",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::0.0.0.1]",
    // IPv4 in IPv6.
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:7F00:0001]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::a00:1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::8.8.8.8]",
    "[2002:7f00:1::]",
    "[2002:a00:1::1]",
    "[2002:c0a8:101::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    // Unspecified, and this host.
    "0.0.0.0",
    "0",
    "0x0",
    "0.1.2.3",
    "[::]",
    "[::ffff:0.0.0.0]",
    // Private.
    "10.0.0.1",
    "10.255.255.255",
    "167772161",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.0.1",
    "192.168.1",
    "0xc0a80101",
    "[fc00::1]",
    "[fd12:3456:789a::1]",
    "[fec0::1]",
    // Link-local, where clouds have their metadata.
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "[fe80::1]",
    "[febf::1]",
    // Carrier-grade NAT.
    "100.64.0.1",
    "100.127.255.254",
    "100.100.100.200",
    // Multicast, broadcast, reserved.
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "4294967295",
    "[ff02::1]",
    "[ff0e::1]",
    // For protocols, documentation and benchmarks.
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.254",
    "198.51.100.1",
    "203.0.113.1",
    "[100::1]",
    "[2001:2::1]",
    "[2001:10::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[5f00::1]",
];

/// Hosts that are public, next to those that are not.
const ALLOWED: &[&str] = &[
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "134744072",
    "[2606:4700:4700::1111]",
    "[2001:200::1]",
    "[::ffff:8.8.8.8]",
    "[64:ff9b::808:808]",
    "[2002:808:808::1]",
    // A name that cannot be resolved now.
    "hooks.office.invalid",
];

fn channel(url: &str) -> serde_json::Value {
    json!({"kind": "webhook", "name": "회계", "url": url, "events": ["order.created"], "enabled": false})
}

#[tokio::test]
async fn a_forbidden_address_is_refused_when_it_is_set() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    assert!(FORBIDDEN.len() >= 60, "{}", FORBIDDEN.len());
    let first = id(&app.post(&admin, "/channels", channel("https://1.1.1.1/")).await.expect(201));
    for host in FORBIDDEN {
        for url in [format!("https://{host}/hook"), format!("https://{host}:8443")] {
            for response in [
                app.post(&admin, "/channels", channel(&url)).await,
                app.patch(&admin, &format!("/channels/{first}"), json!({"url": url})).await,
            ] {
                let error = response.expect_error(400, "validation_failed");
                assert_eq!(
                    (&error["errors"][0]["field"], &error["errors"][0]["code"]),
                    (&json!("url"), &json!("address_not_allowed")),
                    "{url}"
                );
            }
        }
    }
    for host in ALLOWED {
        let created = app.post(&admin, "/channels", channel(&format!("https://{host}/hook/secret"))).await;
        let path = format!("/channels/{}", id(&created.expect(201)));
        app.delete(&admin, &path).await.expect(204);
    }
}

#[tokio::test]
async fn the_messages_say_what_to_do_in_both_languages() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (url, language, message) in [
        ("https://10.0.0.1/", "ko", "내부망 주소로는 보낼 수 없습니다. 인터넷에서 접속되는 주소를 입력해 주세요."),
        ("https://10.0.0.1/", "en", "Enter an address on the public internet. Internal addresses are not allowed."),
        ("http://1.1.1.1/", "ko", "https:// 로 시작하는 주소만 쓸 수 있습니다."),
        ("http://1.1.1.1/", "en", "Enter an address that begins with https://."),
    ] {
        let request = app.request(Method::POST, "/channels").bearer_auth(&admin.access).json(&channel(url));
        let error = app.send(request.header(ACCEPT_LANGUAGE, language)).await.expect_error(400, "validation_failed");
        assert_eq!(error["errors"][0]["message"], message);
    }
}

#[tokio::test]
async fn the_settings_allow_http_and_private_addresses_separately() {
    for (http, private, allowed) in [
        (false, false, vec!["https://1.1.1.1/"]),
        (true, false, vec!["https://1.1.1.1/", "http://1.1.1.1/"]),
        (false, true, vec!["https://1.1.1.1/", "https://10.0.0.1/"]),
        (true, true, vec!["https://1.1.1.1/", "http://1.1.1.1/", "https://10.0.0.1/", "http://10.0.0.1/"]),
    ] {
        let app = TestApp::with(|config| {
            config.outbound_allow_http = http;
            config.outbound_allow_private = private;
        })
        .await;
        let admin = app.admin().await;
        for url in ["https://1.1.1.1/", "http://1.1.1.1/", "https://10.0.0.1/", "http://10.0.0.1/"] {
            let response = app.post(&admin, "/channels", channel(url)).await;
            assert_eq!(response.status == 201, allowed.contains(&url), "{url} http {http} private {private}");
        }
    }
}

/// Spellings of the loopback address that a connection to a receiver on this machine could be made with.
const LOOPBACK: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0.0.0.0",
    "0",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "localhost",
    "localhost.",
    "LocalHost",
];

#[tokio::test]
async fn a_forbidden_address_is_refused_again_when_it_is_connected_to() {
    let app = TestApp::with(|config| config.outbound_allow_http = true).await;
    let permissive = TestApp::serve({
        let mut config = app.state.config.as_ref().clone();
        config.outbound_allow_private = true;
        config
    })
    .await;
    let admin = app.admin().await;
    let mut receiver = Receiver::start(Answer::Status(200)).await;
    let (_, port) = receiver.url.trim_end_matches("/hook/secret-path").rsplit_once(':').expect("a port");
    let port = port.to_owned();
    let channel = id(&app.post(&admin, "/channels", channel("http://1.1.1.1/")).await.expect(201));
    let mut reached = 0;
    for host in LOOPBACK {
        // A row of another release, of a backup, or of a server with other settings.
        let url = Url::parse(&format!("http://{host}:{port}/hook")).expect("a URL");
        let sql = "UPDATE channels SET url = $1 WHERE id = $2";
        sqlx::query(sql).bind(url.as_str()).bind(channel).execute(app.db()).await.expect("an update");
        let path = format!("/channels/{channel}/test");
        let refused = app.post(&admin, &path, json!({})).await.expect(200);
        assert_eq!(refused["error"], "The address is not on the public internet.", "{host}");
        assert_eq!((&refused["status"], &refused["response_status"]), (&json!("failed"), &json!(null)), "{host}");
        assert!(receiver.rest().is_empty(), "{host} was connected to");
        // The same URL reaches the receiver where the settings allow it.
        if permissive.post(&admin, &path, json!({})).await.expect(200)["status"] == "delivered" {
            receiver.next().await;
            reached += 1;
        }
    }
    assert!(reached >= 8, "{reached}");
    permissive.stop().await;
}

#[tokio::test]
async fn an_event_is_not_sent_to_a_forbidden_address_either() {
    let app = TestApp::with(|config| {
        config.outbound_allow_http = true;
        config.outbound_allow_private = true;
    })
    .await;
    let admin = app.admin().await;
    let mut receiver = Receiver::start(Answer::Status(500)).await;
    let channel = create_webhook(&app, &admin, &receiver.url).await;
    write_events(&app, 1).await;
    receiver.next().await;
    wait_for_delivery(&app, &admin, channel, |delivery| delivery["response_status"] == 500).await;
    // The server starts again with other settings.
    let mut config = app.state.config.as_ref().clone();
    app.stop().await;
    config.outbound_allow_http = false;
    let https_only = TestApp::serve(config.clone()).await;
    make_due(&https_only).await;
    let refused = |error: &'static str| move |delivery: &serde_json::Value| delivery["error"] == error;
    wait_for_delivery(&https_only, &admin, channel, refused("Only https:// URLs are allowed.")).await;
    https_only.stop().await;
    config.outbound_allow_http = true;
    config.outbound_allow_private = false;
    let public_only = TestApp::serve(config).await;
    make_due(&public_only).await;
    wait_for_delivery(&public_only, &admin, channel, refused("The address is not on the public internet.")).await;
    assert!(receiver.rest().is_empty());
}

/// A resolver whose first answer is public and whose later ones are not.
fn changing_resolver() -> (Arc<Resolver>, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let lookup = move |name: &str| -> io::Result<Vec<IpAddr>> {
        assert_eq!(name, "rebinding.example");
        let is_first = counter.fetch_add(1, Ordering::Relaxed) == 0;
        Ok(vec![if is_first { Ipv4Addr::new(1, 1, 1, 1) } else { Ipv4Addr::LOCALHOST }.into()])
    };
    (Arc::new(Resolver::new(lookup)), calls)
}

#[tokio::test]
async fn a_name_whose_address_changes_between_the_check_and_the_connection_is_refused() {
    let mut receiver = Receiver::start(Answer::Status(200)).await;
    let url = receiver.url.replace("127.0.0.1", "rebinding.example");
    for allow_private in [false, true] {
        let (resolver, calls) = changing_resolver();
        let guard = Guard::new(true, allow_private, resolver);
        let client = Client::new(guard.clone()).expect("a client");
        guard.check(&Url::parse(&url).expect("a URL")).await.expect("public when it is set");
        let result = client.post(&url, HeaderMap::new(), "{}".to_owned()).await;
        // It was asked again, and the connection is made to that answer only.
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        if allow_private {
            assert_eq!(result.response_status, Some(200));
            receiver.next().await;
        } else {
            assert_eq!(result.error.as_deref(), Some("The address is not on the public internet."));
            assert!(receiver.rest().is_empty());
        }
    }
}

#[tokio::test]
async fn one_forbidden_address_among_public_ones_is_enough() {
    let lookup = |_: &str| Ok(vec![Ipv4Addr::new(1, 1, 1, 1).into(), Ipv4Addr::new(10, 0, 0, 1).into()]);
    let guard = Guard::new(false, false, Arc::new(Resolver::new(lookup)));
    let url = Url::parse("https://mixed.example/").expect("a URL");
    assert_eq!(guard.check(&url).await.expect_err("refused").code(), "address_not_allowed");
    let result = Client::new(guard).expect("a client").post(url.as_str(), HeaderMap::new(), String::new()).await;
    assert_eq!(result.error.as_deref(), Some("The address is not on the public internet."));
}

#[tokio::test]
async fn lookups_of_a_slow_name_take_one_thread() {
    let started = Arc::new(AtomicUsize::new(0));
    let (release, released) = mpsc::channel::<()>();
    let resolver = {
        let (started, released) = (Arc::clone(&started), Mutex::new(released));
        Arc::new(Resolver::new(move |name| {
            if name == "slow.example" {
                started.fetch_add(1, Ordering::SeqCst);
                let _ = released.lock().expect("the channel").recv();
            }
            Ok(vec![Ipv4Addr::new(1, 1, 1, 1).into()])
        }))
    };
    let guard = Guard::new(false, false, Arc::clone(&resolver));
    let slow = Url::parse("https://slow.example/").expect("a URL");
    // A name that cannot be resolved in time is accepted. Its thread is still busy.
    let checks = (0..10).map(|_| guard.check(&slow));
    assert!(futures_util::future::join_all(checks).await.into_iter().all(|checked| checked.is_ok()));
    assert_eq!(started.load(Ordering::SeqCst), 1);
    resolver.resolve("other.example").await.expect("another name does not wait");
    drop(release);
    resolver.resolve("slow.example").await.expect("the next lookup");
    assert_eq!(started.load(Ordering::SeqCst), 2);
}
