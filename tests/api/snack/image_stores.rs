//! Images in a folder and in an S3 bucket: both behave alike, and a bucket that is away delays nobody for long.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use chrono::Utc;
use futures_util::{TryStreamExt, future::join};
use image::{DynamicImage, ImageFormat, RgbaImage};
use reqwest::Method;
use serde_json::json;
use snack_server::{db::locks::Lock, snack::sweep};
use uuid::Uuid;

use crate::support::{
    database,
    images::{decoded_images, encoded, fetch, form, patch_form, picture},
    media::Place,
    process::Run,
    proxy::{Mode, Proxy},
    s3,
    test_app::TestApp,
};

const DAY: Duration = Duration::from_hours(24);
/// Time limits of the server, with a second for a busy machine.
const GET_LIMIT: Duration = Duration::from_secs(6);
const UPLOAD_LIMIT: Duration = Duration::from_secs(17);

fn png(width: u32, height: u32) -> Vec<u8> {
    encoded(&picture(width, height), ImageFormat::Png)
}

/// A picture that is stored as a PNG of several megabytes.
fn big_picture() -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(5);
    let pixels = RgbaImage::from_fn(1000, 1000, |_, _| image::Rgba([(); 4].map(|()| rng.u8(..))));
    encoded(&DynamicImage::ImageRgba8(pixels), ImageFormat::Png)
}

async fn sweep(app: &TestApp, later: Duration) -> usize {
    sweep::remove_unnamed(app.db(), &app.state.snacks.storage, Utc::now() + later).await.expect("a sweep")
}

#[tokio::test]
async fn images_are_stored_served_replaced_and_removed_in_a_folder_and_in_a_bucket() {
    for place in Place::both() {
        let app = TestApp::with(|config| place.configure(config)).await;
        let member = app.member().await;
        let snack = app.post_form(&member, "/snacks", form("새우깡", png(640, 480))).await.expect(201);
        assert_eq!(place.names().await.len(), 2);
        for (field, kind) in [("image", "image/jpeg"), ("thumbnail", "image/webp")] {
            let (headers, bytes) = fetch(&app, &snack[field]).await;
            assert_eq!(headers["content-type"], kind);
            assert_eq!(headers["content-length"], bytes.len().to_string());
            assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
            assert_eq!(headers["x-content-type-options"], "nosniff");
            assert_eq!(headers["content-security-policy"], "default-src 'none'; sandbox");
        }
        let image = decoded_images(&app, &snack).await.0;
        assert_eq!((image.width(), image.height()), (640, 480));

        let path = format!("/snacks/{}", snack.uid());
        let replaced = patch_form(&app, &member, &path, big_picture()).await.expect(200);
        let former = snack["image"].as_str().expect("a path");
        app.send(app.request(Method::GET, former)).await.expect_error(404, "not_found");
        let files = place.files().await;
        assert_eq!(files.len(), 2);
        let (_, bytes) = fetch(&app, &replaced["image"]).await;
        assert!(bytes.len() > 3_000_000, "{}", bytes.len());
        assert!(files.values().any(|file| **file == *bytes));

        app.patch(&member, &path, json!({"image": null})).await.expect(200);
        assert!(place.names().await.is_empty());
        let unknown = format!("/media/{}.jpg", Uuid::new_v4());
        app.send(app.request(Method::GET, &unknown)).await.expect_error(404, "not_found");
        // The snack that was refused has left nothing.
        app.post_form(&member, "/snacks", form(" 새우깡 ", png(8, 8))).await.expect_error(409, "snack_name_taken");
        assert!(place.names().await.is_empty());
    }
}

#[tokio::test]
async fn images_without_a_snack_are_removed_after_a_day_from_a_folder_and_from_a_bucket() {
    for place in Place::both() {
        let app = TestApp::with(|config| place.configure(config)).await;
        let member = app.member().await;
        app.post_form(&member, "/snacks", form("새우깡", png(30, 20))).await.expect(201);
        let kept = place.names().await;
        let left_over = [format!("{}.jpg", Uuid::new_v4()), format!("{}-small.png", Uuid::new_v4())];
        for name in left_over.iter().map(String::as_str).chain(["notes.txt"]) {
            place.write(name, Bytes::from_static(b"left over")).await;
        }
        assert_eq!(sweep(&app, Duration::ZERO).await, 0);
        assert_eq!(sweep(&app, DAY + Duration::from_mins(1)).await, left_over.len());
        let names = place.names().await;
        assert_eq!(names.len(), kept.len() + 1);
        assert!(kept.iter().map(String::as_str).chain(["notes.txt"]).all(|name| names.contains(&name.to_owned())));
    }
}

#[tokio::test]
async fn no_image_is_removed_while_a_backup_runs() {
    for place in Place::both() {
        let app = TestApp::with(|config| place.configure(config)).await;
        let member = app.member().await;
        let snack = app.post_form(&member, "/snacks", form("새우깡", png(30, 20))).await.expect(201);
        let path = format!("/snacks/{}", snack.uid());
        let mut backup = app.db().begin().await.expect("a transaction");
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(Lock::Backup as i64)
            .execute(&mut *backup)
            .await
            .expect("a lock");
        patch_form(&app, &member, &path, png(50, 20)).await.expect(200);
        app.patch(&member, &path, json!({"image": null})).await.expect(200);
        assert_eq!(place.names().await.len(), 4);
        assert_eq!(sweep(&app, 2 * DAY).await, 0);
        assert_eq!(place.names().await.len(), 4);
        // An image that was never a snack's is no part of a backup.
        app.post_form(&member, "/snacks", form(" 새우깡 ", png(8, 8))).await.expect_error(409, "snack_name_taken");
        assert_eq!(place.names().await.len(), 4);
        backup.rollback().await.expect("the lock's end");
        assert_eq!(sweep(&app, 2 * DAY).await, 4);
        assert!(place.names().await.is_empty());
    }
}

#[tokio::test]
async fn while_the_bucket_is_away_images_are_503_in_time_and_all_else_works() {
    let proxy = Proxy::start(0, format!("127.0.0.1:{}", s3::server().port)).await;
    let place = Place::bucket_at(proxy.port);
    let app = TestApp::with(|config| place.configure(config)).await;
    let member = app.member().await;
    let snack = app.post_form(&member, "/snacks", form("새우깡", png(30, 20))).await.expect(201);
    let image = snack["image"].as_str().expect("a path");
    for mode in [Mode::Refuse, Mode::Reset, Mode::Hold] {
        proxy.set_mode(mode);
        let name = format!("{mode:?}");
        let get = async {
            let started = Instant::now();
            app.send(app.request(Method::GET, image)).await.expect_error(503, "unavailable");
            assert!(started.elapsed() < GET_LIMIT, "{mode:?}: {:?}", started.elapsed());
        };
        let upload = async {
            let started = Instant::now();
            app.post_form(&member, "/snacks", form(&name, png(30, 20))).await.expect_error(503, "unavailable");
            assert!(started.elapsed() < UPLOAD_LIMIT, "{mode:?}: {:?}", started.elapsed());
        };
        join(get, upload).await;
        let started = Instant::now();
        app.get(&member, "/snacks").await.expect(200);
        app.send(app.request(Method::GET, "/health/ready")).await.expect(200);
        app.snack(&member, &name).await;
        assert!(started.elapsed() < GET_LIMIT, "{mode:?}: {:?}", started.elapsed());
        proxy.set_mode(Mode::Pass);
        fetch(&app, &snack["image"]).await;
    }
    app.post_form(&member, "/snacks", form("감자깡", png(30, 20))).await.expect(201);
}

#[tokio::test]
async fn an_image_whose_bucket_stops_halfway_ends_in_time() {
    let proxy = Proxy::start(0, format!("127.0.0.1:{}", s3::server().port)).await;
    let place = Place::bucket_at(proxy.port);
    let app = TestApp::with(|config| place.configure(config)).await;
    let member = app.member().await;
    let snack = app.post_form(&member, "/snacks", form("새우깡", big_picture())).await.expect(201);
    let image = snack["image"].as_str().expect("a path");
    let whole = fetch(&app, &snack["image"]).await.1;

    let open = async || app.request(Method::GET, image).send().await.expect("a response").bytes_stream();
    let mut reader = open().await;
    let first = reader.try_next().await.expect("bytes").expect("bytes");
    proxy.set_mode(Mode::Hold);
    let started = Instant::now();
    // The buffers of the kernel may hold all of it.
    let rest: Result<Vec<Bytes>, _> = reader.try_collect().await;
    assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
    if let Ok(rest) = rest {
        assert_eq!([&first[..], &rest.concat()].concat(), whole);
    }
    proxy.set_mode(Mode::Pass);
    assert_eq!(fetch(&app, &snack["image"]).await.1, whole);
}

#[tokio::test]
async fn a_server_starts_while_the_bucket_is_away() {
    let database = database::create().await;
    let proxy = Proxy::start(0, format!("127.0.0.1:{}", s3::server().port)).await;
    let place = Place::bucket_at(proxy.port);
    let image = format!("{}.png", Uuid::new_v4());
    place.write(&image, png(8, 8).into()).await;
    for mode in [Mode::Refuse, Mode::Hold] {
        proxy.set_mode(mode);
        let server = place.set(Run::on(&database, &["serve"])).serve().await;
        server.wait_for_log("storage of pictures out of reach").await;
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let get = async || {
            let response = http.get(format!("http://{}/media/{image}", server.address)).send().await;
            response.expect("a response").status()
        };
        assert_eq!(get().await, 503);
        proxy.set_mode(Mode::Pass);
        assert_eq!(get().await, 200);
    }
}

#[tokio::test]
async fn a_bucket_that_does_not_exist_or_denies_access_stops_the_start() {
    let database = database::create().await;
    let server = s3::server();
    let valid = || Place::bucket().set(Run::on(&database, &["serve"]));
    for (variable, run) in [
        ("MEDIA_URL", valid().set("MEDIA_URL", "s3://no-such-bucket/pictures")),
        ("MEDIA_URL", valid().set("AWS_SECRET_ACCESS_KEY", "wrong-secret-of-the-bucket")),
        ("MEDIA_URL", valid().set("AWS_ACCESS_KEY_ID", "AKIAUNKNOWNUNKNOWN00")),
        ("AWS_ENDPOINT", valid().unset("AWS_ALLOW_HTTP")),
    ] {
        let line = run.end().await.expect_failure();
        assert!(line.starts_with(&format!("{variable}: ")), "{line}");
        assert!(!line.contains(&server.secret_key) && !line.contains("wrong-secret"), "{line}");
    }
    drop(valid().serve().await);
}
