//! Concurrent uploads: slow ones do not delay other users, and their memory is bounded.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use image::{DynamicImage, ImageFormat, RgbImage};
use reqwest::{Method, header::RETRY_AFTER};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    forged_images,
    images::{encoded, form, picture},
    process::{Run, Server},
    test_app::{TestApp, TestUser},
};

const TIMEOUT: Duration = Duration::from_secs(20);
const MIB: usize = 1024 * 1024;
/// Limit for the growth of the server's memory by uploads, in MiB.
const MEMORY_LIMIT: u64 = 128;

/// A form that is sent in pieces.
struct SlowUpload {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl SlowUpload {
    /// Sends the headers of a form with this file and `Expect: 100-continue`.
    async fn start(address: &str, user: &TestUser, file: &[u8]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("느린 사진 {}", NEXT.fetch_add(1, Ordering::Relaxed));
        let head = format!(
            "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n{name}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"price\"\r\n\r\n1\r\n\
             --b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"cat.png\"\r\n\r\n"
        );
        let rest = [head.as_bytes(), file, b"\r\n--b--\r\n"].concat();
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let request = format!(
            "POST /snacks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nExpect: 100-continue\r\n\
             Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
            user.access,
            rest.len()
        );
        stream.write_all(request.as_bytes()).await.expect("headers");
        Self { stream, rest }
    }

    /// Reads the head of the next response, and returns its status and text.
    async fn read_head(&mut self) -> (u16, String) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.expect("a response"));
        }
        let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
        (head[9..12].parse().expect("a status"), head)
    }

    /// Waits until the server reads the body.
    async fn wait_until_read(&mut self) {
        let (status, head) = timeout(TIMEOUT, self.read_head()).await.expect("a body that is read");
        assert_eq!(status, 100, "{head}");
    }

    /// Sends the next `bytes` of the body.
    async fn send(&mut self, bytes: usize) {
        let now: Vec<u8> = self.rest.drain(..bytes.min(self.rest.len())).collect();
        self.stream.write_all(&now).await.expect("a part of the body");
    }

    /// Sends the rest, and returns the status of the response.
    async fn finish(mut self) -> u16 {
        self.send(usize::MAX).await;
        self.read_head().await.0
    }

    fn is_unanswered(&self) -> bool {
        let mut byte = [0];
        matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }
}

fn address(app: &TestApp) -> &str {
    app.url.trim_start_matches("http://")
}

fn small() -> Vec<u8> {
    encoded(&picture(30, 20), ImageFormat::Png)
}

#[tokio::test]
async fn slow_uploads_hold_up_nobody_elses() {
    let app = TestApp::start().await;
    let users = app.users(21).await;
    let (other_user, slow) = users.split_first().expect("people");
    let file = small();
    for count in [4, 20] {
        let mut uploads = Vec::new();
        for user in &slow[..count] {
            let mut upload = SlowUpload::start(address(&app), user, &file).await;
            upload.wait_until_read().await;
            upload.send(300).await;
            uploads.push(upload);
        }
        let name = format!("{count} langsame");
        app.post_form(other_user, "/snacks", form(&name, file.clone())).await.expect(201);
        assert!(uploads.iter().all(SlowUpload::is_unanswered), "the upload waited for {count} slow ones");
        // None of them was aborted for it either.
        for upload in uploads {
            assert_eq!(timeout(TIMEOUT, upload.finish()).await.expect("a response"), 201);
        }
    }
}

#[tokio::test]
async fn a_third_upload_of_one_user_waits_for_their_own_and_further_ones_get_429() {
    let app = TestApp::start().await;
    let users = app.users(2).await;
    let (busy_user, other_user) = (&users[0], &users[1]);
    let file = small();
    let mut first = SlowUpload::start(address(&app), busy_user, &file).await;
    let mut second = SlowUpload::start(address(&app), busy_user, &file).await;
    first.wait_until_read().await;
    second.wait_until_read().await;
    let mut third = SlowUpload::start(address(&app), busy_user, &file).await;
    let early = timeout(Duration::from_millis(300), third.read_head()).await;
    assert!(early.is_err(), "a third one of the same user is read: {early:?}");
    app.post_form(other_user, "/snacks", form("남의 사진", file.clone())).await.expect(201);
    assert!(third.is_unanswered());
    assert_eq!(first.finish().await, 201);
    third.wait_until_read().await;
    assert_eq!(third.finish().await, 201);

    // One upload is running. Of forty more, one is read, fourteen wait, and the others are rejected at once.
    let more = join_all((0..40).map(|_| SlowUpload::start(address(&app), busy_user, &file))).await;
    let mut more: FuturesUnordered<_> = more
        .into_iter()
        .map(|mut upload| async move {
            let response_head = upload.read_head().await;
            (upload, response_head)
        })
        .collect();
    let (mut read, mut started) = (0, Vec::new());
    for _ in 0..26 {
        let (upload, (status, head)) = timeout(TIMEOUT, more.next()).await.expect("a response").expect("an upload");
        match status {
            100 => read += 1,
            429 => assert!(head.contains("retry-after: 1\r\n"), "{head}"),
            _ => panic!("{head}"),
        }
        started.push(upload);
    }
    assert_eq!(read, 1);
    let late = timeout(Duration::from_millis(300), more.next()).await;
    assert!(late.is_err(), "more than sixteen are read or wait");
    let rejected = app.post_form(busy_user, "/snacks", form("또 하나", file.clone())).await;
    assert_eq!(rejected.headers[RETRY_AFTER], "1");
    rejected.expect_error(429, "too_many_requests");
    app.post_form(other_user, "/snacks", form("남의 다른 사진", file.clone())).await.expect(201);
    // After they have disconnected, their places are free.
    drop((more, started, second));
    let retry =
        async { while app.post_form(busy_user, "/snacks", form("다시 하나", file.clone())).await.status != 201 {} };
    timeout(TIMEOUT, retry).await.expect("a place");
}

/// A server process, and users who are signed in there.
async fn process(users: i32) -> (TestApp, Server, Vec<TestUser>) {
    let app = TestApp::start().await;
    let users = app.users(users).await;
    let server = Run::on(&app.state.config.database, &["serve"]).set("JWT_SECRET", TestApp::SECRET).serve().await;
    (app, server, users)
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(2)).build().expect("a client")
}

/// Posts an upload. A response may be lost when the connection is reset while sending, so such a request is repeated.
async fn post(http: &reqwest::Client, server: &Server, user: &TestUser, file: Vec<u8>) -> reqwest::Response {
    let sending = async {
        loop {
            let name = uuid::Uuid::new_v4().to_string();
            let request =
                http.request(Method::POST, format!("http://{}/snacks", server.address)).bearer_auth(&user.access);
            if let Ok(response) = request.multipart(form(&name, file.clone())).send().await {
                return response;
            }
        }
    };
    timeout(Duration::from_mins(2), sending).await.expect("a response")
}

#[tokio::test]
async fn uploads_take_bounded_memory_and_past_the_budget_get_503() {
    let (_app, server, users) = process(40).await;
    let http = client();
    let large = {
        let mut rng = fastrand::Rng::with_seed(7);
        let noise = RgbImage::from_fn(1200, 1200, |_, _| image::Rgb([(); 3].map(|()| rng.u8(..))));
        encoded(&DynamicImage::from(noise), ImageFormat::Png)
    };
    assert!((4 * MIB..5 * MIB).contains(&large.len()), "{}", large.len());
    assert_eq!(post(&http, &server, &users[0], large.clone()).await.status(), 201);
    let before = server.memory("VmHWM");

    // Twenty fast uploads at once: those that wait too long are rejected with 503.
    let (fast, slow) = users.split_at(20);
    let responses = join_all(fast.iter().map(|user| post(&http, &server, user, large.clone()))).await;
    assert!(responses.iter().all(|response| [201, 503].contains(&response.status().as_u16())), "{responses:?}");
    assert!(responses.iter().any(|response| response.status() == 201));
    let after_fast = server.memory("VmHWM");

    // Nine slow uploads hold 45 of 48 MiB: they have sent all of 5 MiB but the last bytes.
    let file = [&large[..], &vec![0; 5 * MIB - large.len()]].concat();
    let mut uploads = join_all(slow[..9].iter().map(|user| SlowUpload::start(&server.address, user, &file))).await;
    join_all(uploads.iter_mut().map(async |upload| {
        upload.wait_until_read().await;
        upload.send(5 * MIB - 1000).await;
    }))
    .await;
    // Without this the next upload could take bytes of the budget that a slow one is still to be charged for, and the
    // slow one would be rejected.
    server.has_read_all().await;
    let rejected = post(&http, &server, &fast[0], vec![0; 5 * MIB]).await;
    assert_eq!(rejected.status(), 503);
    assert_eq!(rejected.headers()[RETRY_AFTER], "1");
    assert!(uploads.iter().all(SlowUpload::is_unanswered), "a slow upload was refused");
    // A small one fits beside them.
    assert_eq!(post(&http, &server, &fast[1], small()).await.status(), 201);
    let more = join_all(slow[9..].iter().chain(&fast[2..]).map(|user| post(&http, &server, user, large.clone()))).await;
    assert!(more.iter().all(|response| [201, 503].contains(&response.status().as_u16())), "{more:?}");
    let after = server.memory("VmHWM");
    println!("MiB: {before} at first, {after_fast} after fast ones, {after} after slow and fast ones");
    assert!(after - before < MEMORY_LIMIT, "uploads took {} MiB", after - before);

    drop(uploads);
    let retry = async { while post(&http, &server, &fast[0], file.clone()).await.status() != 201 {} };
    timeout(TIMEOUT, retry).await.expect("a budget that is free again");
}

#[tokio::test]
async fn pictures_that_take_long_to_decode_hold_up_only_their_sender() {
    let (_app, server, users) = process(2).await;
    let http = client();
    let slow = |forgery: &&forged_images::ForgedImage| forgery.what == "PNG of 39 megapixels, RGBA of 16 bits";
    let slow_image = forged_images::ALL.iter().find(slow).expect("the forgery").bytes.clone();
    let mut slow_uploads: FuturesUnordered<_> =
        (0..2).map(|_| post(&http, &server, &users[0], slow_image.clone())).collect();
    let children = format!("/proc/{0}/task", server.pid());
    let is_decoding = || {
        let tasks = std::fs::read_dir(&children).expect("a process");
        tasks.flatten().any(|task| {
            std::fs::read_to_string(task.path().join("children")).is_ok_and(|children| !children.trim().is_empty())
        })
    };
    let small = async {
        while !is_decoding() {
            tokio::task::yield_now().await;
        }
        // Several, one after the other, so that the second file could delay one of them.
        for _ in 0..3 {
            assert_eq!(post(&http, &server, &users[1], small()).await.status(), 201);
        }
    };
    tokio::select! {
        () = small => {}
        response = slow_uploads.next() => panic!("a slow image was decoded first: {response:?}"),
    }
}
