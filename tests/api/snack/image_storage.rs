//! Storage of images: a full disk, files without a snack, and durability before the response.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use chrono::Utc;
use image::ImageFormat;
use reqwest::Method;
use snack_server::{db::locks::Lock, operations, snack::sweep};
use tokio::time::timeout;
use url::Url;
use uuid::Uuid;

use crate::support::{
    images::{decoded_images, encoded, form, picture, stored_files},
    process::{Run, folder},
    test_app::TestApp,
};

const TIMEOUT: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// A file system in memory that is unmounted on drop.
struct Disk(PathBuf);

impl Disk {
    /// A file system of this size, or none without the right to mount.
    fn of(kibibytes: u32) -> Option<Self> {
        let folder = folder();
        std::fs::create_dir(&folder).expect("a folder");
        let size = format!("size={kibibytes}k");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder).output();
        if mounted.is_ok_and(|output| output.status.success()) { Some(Self(folder)) } else { None }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[tokio::test]
async fn a_full_disk_keeps_neither_picture_nor_thumbnail_of_what_was_refused() {
    let Some(disk) = Disk::of(96) else {
        eprintln!("skipped: a full disk needs the right to mount a tmpfs");
        return;
    };
    let app = TestApp::with(|config| {
        config.media_url = Url::from_directory_path(&disk.0).expect("a folder");
    })
    .await;
    let member = app.member().await;
    // The image and its thumbnail have about the same size: of some uploads only the first fits, of others neither.
    let mut statuses = BTreeSet::new();
    for side in [150, 200, 230, 250, 270, 290, 310, 319] {
        let file = encoded(&picture(side, side), ImageFormat::Jpeg);
        let response = app.post_form(&member, "/snacks", form(&format!("{side}"), file)).await;
        statuses.insert(response.status.as_u16());
        if response.status == 201 {
            let before = stored_files(&app);
            assert_eq!(before.len(), 2);
            decoded_images(&app, &response.expect(201)).await;
            let uid = app.get(&member, "/snacks").await.expect(200).rows()[0]["uid"].clone();
            let path = format!("/snacks/{}", uid.as_str().expect("a uid"));
            app.patch(&member, &path, serde_json::json!({"image": null})).await.expect(200);
        } else {
            response.expect_error(503, "unavailable");
        }
        assert!(stored_files(&app).is_empty(), "a picture of {side} pixels left {:?}", stored_files(&app));
    }
    assert_eq!(statuses, BTreeSet::from([201, 503]), "the sizes do not straddle the disk's");
    // What fits is stored again.
    let small = encoded(&picture(20, 20), ImageFormat::Png);
    let snack = app.post_form(&member, "/snacks", form("작은 사진", small)).await.expect(201);
    decoded_images(&app, &snack).await;
}

/// Creates a file of this age in the store.
fn create_file(folder: &Path, name: &str, age: Duration) {
    let path = folder.join(name);
    std::fs::write(&path, "left over").expect("a file");
    set_age(&path, age);
}

fn set_age(path: &Path, age: Duration) {
    let file = std::fs::File::options().write(true).open(path).expect("a file");
    file.set_modified(SystemTime::now() - age).expect("an age");
}

#[tokio::test]
async fn files_without_a_snack_are_removed_after_a_day_and_no_others() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let folder = app.state.config.media_url.to_file_path().expect("a folder");
    let file = encoded(&picture(30, 20), ImageFormat::Png);
    let snack = app.post_form(&member, "/snacks", form("새우깡", file)).await.expect(201);
    let kept = stored_files(&app);
    for name in &kept {
        set_age(&folder.join(name), 30 * DAY);
    }

    let (old, young) = (DAY + Duration::from_mins(1), Duration::from_mins(24 * 60 - 1));
    let own_name = || Uuid::new_v4().to_string();
    let left_over = [
        format!("{}.jpg", own_name()),
        format!("{}.png", own_name()),
        format!("{}-small.jpg", own_name()),
        format!("{}-small.png", own_name()),
        format!("{}-small.webp", own_name()),
        format!("{}.jpg#1", own_name()),
        format!("{}-small.png#12", own_name()),
    ];
    let foreign_files = [
        "notes.txt".to_owned(),
        "notes.txt#1".to_owned(),
        "cat.jpg".to_owned(),
        format!("{}.gif", own_name()),
        format!("{}.jpg.bak", own_name()),
        format!("{}.jpg#", own_name()),
        format!("{}.jpg#x", own_name()),
        format!("{}.jpg", own_name().to_uppercase()),
        format!("{}.jpg", own_name().replace('-', "")),
        format!("{}-large.jpg", own_name()),
        format!("copy-{}.jpg", own_name()),
    ];
    let fresh = [format!("{}.jpg", own_name()), format!("{}-small.jpg", own_name()), format!("{}.jpg#1", own_name())];
    for name in left_over.iter().chain(&foreign_files) {
        create_file(&folder, name, old);
    }
    for name in &fresh {
        create_file(&folder, name, young);
    }
    std::fs::create_dir(folder.join(format!("{}.png", own_name()))).expect("a folder");

    let sweep = async |now| sweep::remove_unnamed(app.db(), &app.state.snacks.storage, now).await.expect("a sweep");
    let before = stored_files(&app).len();
    assert_eq!(sweep(Utc::now()).await, left_over.len());
    let now = stored_files(&app);
    assert_eq!(now.len(), before - left_over.len());
    for name in kept.iter().chain(&foreign_files).chain(&fresh) {
        assert!(now.contains(name), "{name} is gone");
    }
    assert_eq!(sweep(Utc::now()).await, 0);
    decoded_images(&app, &snack).await;

    // A little later those are a day old as well.
    assert_eq!(sweep(Utc::now() + Duration::from_mins(2)).await, fresh.len());
    // A file that a snack names stays at any age. One that it no longer names is removed.
    assert_eq!(sweep(Utc::now() + 400 * DAY).await, 0);
    sqlx::query("UPDATE snacks SET image = NULL, thumbnail = NULL").execute(app.db()).await.expect("an update");
    assert_eq!(sweep(Utc::now()).await, kept.len());
}

#[tokio::test]
async fn a_database_without_users_removes_no_files() {
    let app = TestApp::start().await;
    let folder = app.state.config.media_url.to_file_path().expect("a folder");
    create_file(&folder, &format!("{}.jpg", Uuid::new_v4()), 2 * DAY);
    let sweep = async || sweep::remove_unnamed(app.db(), &app.state.snacks.storage, Utc::now()).await.expect("a sweep");
    assert_eq!(sweep().await, 0);
    assert_eq!(stored_files(&app).len(), 1);
    app.member().await;
    // The server's own first sweep may come before this one.
    sweep().await;
    assert!(stored_files(&app).is_empty());
}

#[tokio::test]
async fn a_server_sweeps_by_itself_when_it_is_elected() {
    let app = TestApp::start().await;
    app.member().await;
    let mut other = app.db().begin().await.expect("a transaction");
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(Lock::Cleanup as i64)
        .execute(&mut *other)
        .await
        .expect("a lock");
    assert!(!operations::cleanup::remove_expired(app.db()).await.expect("a cleaning"), "two servers cleaned at once");
    other.rollback().await.expect("the lock's end");
    assert!(operations::cleanup::remove_expired(app.db()).await.expect("a cleaning"));

    let folder = app.state.config.media_url.to_file_path().expect("a folder");
    create_file(&folder, &format!("{}.jpg", Uuid::new_v4()), 2 * DAY);
    // The server sweeps as soon as it has started.
    let _replica = app.replica().await;
    let sweeping = async {
        while !stored_files(&app).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(TIMEOUT, sweeping).await.expect("a sweep");
}

#[tokio::test]
async fn a_picture_is_on_the_disk_before_the_response() {
    let app = TestApp::start().await;
    let member = app.users(1).await.remove(0);
    let server = Run::on(&app.state.config.database, &["serve"]).set("JWT_SECRET", TestApp::SECRET).serve().await;
    let log = folder();
    let tracer = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=fsync,sendto,write,writev", "-s", "12", "-p", &server.pid().to_string(), "-o"])
        .arg(&log)
        .stderr(std::process::Stdio::piped())
        .spawn();
    let Ok(mut tracer) = tracer else {
        eprintln!("skipped: strace is not installed");
        return;
    };
    // strace reports on standard error that it is attached.
    let mut stderr = std::io::BufReader::new(tracer.stderr.take().expect("standard error"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stderr, &mut line).expect("a line");
    if !line.contains("attached") {
        eprintln!("skipped: strace may not attach: {line}");
        return;
    }
    let url = format!("http://{}/snacks", server.address);
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = http.request(Method::POST, url).bearer_auth(&member.access);
    let response = request.multipart(form("새우깡", encoded(&picture(30, 20), ImageFormat::Jpeg))).send().await;
    assert_eq!(response.expect("a response").status(), 201);
    Command::new("kill").args(["-INT", &tracer.id().to_string()]).status().expect("kill");
    tracer.wait().expect("the tracer's end");

    let log = std::fs::read_to_string(&log).expect("a log");
    let (before, _) = log.split_once("\"HTTP/1.1 201\"").expect("a response");
    let starts = |line: &&str| line.contains("fsync(");
    let is_file = |line: &&str| line.contains(".jpg") || line.contains(".webp");
    let files = before.lines().filter(starts).filter(is_file).count();
    let folders = before.lines().filter(starts).filter(|line| !is_file(line)).count();
    let done = before.lines().filter(|line| line.contains("fsync") && line.ends_with("= 0")).count();
    // The image and its thumbnail, and the folder after each.
    assert_eq!((files, folders, done), (2, 2, 4), "{log}");
}
