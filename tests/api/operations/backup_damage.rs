//! Backups that must not be restored, and databases that must not be restored into.

use std::path::{Path, PathBuf};

use image::ImageFormat;
use serde_json::{Value, json};
use snack_server::operations::backup::archive::digest;
use sqlx::postgres::PgConnectOptions;

use super::backup::{backup, folders, manifest, restore};
use crate::support::{
    database::{self, count_rows},
    images::{encoded, form, picture},
    media::Place,
    process::{Run, folder},
    test_app::TestApp,
};

/// A small backup, and an empty database and storage.
struct Setup {
    archive: Place,
    folder: String,
    database: PgConnectOptions,
    media: Place,
}

impl Setup {
    async fn new() -> Self {
        let (media, archive) = (Place::folder(), Place::folder());
        let app = TestApp::with(|config| media.configure(config)).await;
        let file = encoded(&picture(20, 20), ImageFormat::Png);
        let snack = app.post_form(&app.member().await, "/snacks", form("새우깡", file)).await.expect(201);
        app.add_reactions(&snack.uid(), 2, 1).await;
        backup(&app.state.config.database, &media, &archive).end().await.expect_success();
        let folder = folders(&archive).remove(0);
        Self { archive, folder, database: database::create_empty().await, media: Place::folder() }
    }

    fn restore(&self) -> Run {
        restore(&self.database, &self.media, &self.archive)
    }

    /// A refused restore that has left no rows.
    async fn expect_refusal(&self) -> String {
        let line = self.restore().end().await.expect_failure();
        if count_rows(&self.database, "pg_class WHERE relname = 'users'").await > 0 {
            for table in ["users", "snacks", "snack_reactions", "reaction_dirty"] {
                assert_eq!(count_rows(&self.database, table).await, 0, "{table}: {line}");
            }
        }
        line
    }

    fn path(&self, file: &str) -> PathBuf {
        Path::new(&self.folder).join(file)
    }

    /// Changes the manifest together with its checksum.
    fn change_manifest(&self, change: impl FnOnce(&mut Value)) {
        let mut manifest = manifest(&self.folder);
        change(&mut manifest);
        let bytes = serde_json::to_vec(&manifest).expect("JSON");
        let sha256 = digest(&bytes).sha256;
        std::fs::write(self.path("manifest.json"), bytes).expect("a file");
        std::fs::write(self.path("manifest.sha256"), format!("{sha256}  manifest.json\n")).expect("a file");
    }
}

/// A change of a manifest.
type Change = fn(&mut Value);

/// All files below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test]
async fn a_file_that_was_changed_cut_or_lost_is_refused_and_leaves_the_database_empty() {
    let setup = Setup::new().await;
    let files = files(Path::new(&setup.folder));
    let has = |start: &str| files.iter().any(|file| file.starts_with(setup.path(start)));
    assert!(has("tables/users") && has("pictures") && has("pictures.sha256") && has("manifest.json"), "{files:?}");
    for file in files {
        let content = std::fs::read(&file).expect("a file");
        // A wrong checksum of the manifest is told as that of the manifest.
        let short = file.strip_prefix(&setup.folder).expect("a file of the backup").display().to_string();
        let told = if short == "manifest.sha256" { "manifest." } else { &short };
        std::fs::remove_file(&file).expect("a file");
        let line = setup.expect_refusal().await;
        assert!(line.contains(&short) || line.contains("no complete backup"), "{short} is missing: {line}");
        if !content.is_empty() {
            let mut changed = content.clone();
            changed[content.len() / 2] ^= 1;
            for damaged in [&changed[..], &content[..content.len() - 1]] {
                std::fs::write(&file, damaged).expect("a file");
                let line = setup.expect_refusal().await;
                assert!(line.starts_with("restore: ") && line.contains(told), "{short}: {line}");
            }
        }
        std::fs::write(&file, &content).expect("a file");
    }
    setup.restore().end().await.expect_success();
    assert_eq!(count_rows(&setup.database, "snack_reactions").await, 3);
}

#[tokio::test]
async fn a_backup_of_another_version_is_refused() {
    let setup = Setup::new().await;
    let original = manifest(&setup.folder);
    let table: [(&str, Change); 7] = [
        ("newer version", |manifest| manifest["format"] = json!(2)),
        ("newer version", |manifest| {
            let migrations = manifest["migrations"].as_array_mut().expect("migrations");
            migrations.push(json!({"version": 9999, "checksum": "00"}));
        }),
        ("unreleased version", |manifest| manifest["migrations"][0]["checksum"] = json!("00")),
        ("without migrations", |manifest| manifest["migrations"] = json!([])),
        ("which this version lacks", |manifest| {
            manifest["tables"]["secrets"] = manifest["tables"]["users"].clone();
        }),
        ("lacks the table users", |manifest| {
            manifest["tables"].as_object_mut().expect("tables").remove("users");
        }),
        ("other sequences", |manifest| manifest["sequences"]["secrets_id_seq"] = json!(1)),
    ];
    for (problem, change) in table {
        setup.change_manifest(change);
        let line = setup.expect_refusal().await;
        assert!(line.starts_with("restore: ") && line.contains(problem), "{problem}: {line}");
        setup.change_manifest(|manifest| *manifest = original.clone());
    }
    setup.restore().end().await.expect_success();
}

#[tokio::test]
async fn a_name_that_leads_out_of_the_storage_is_refused() {
    let setup = Setup::new().await;
    let list = std::fs::read_to_string(setup.path("pictures.sha256")).expect("a list");
    let evil = list.replacen("pictures/", "pictures/../../", 1);
    std::fs::write(setup.path("pictures.sha256"), &evil).expect("a list");
    let sha256 = digest(evil.as_bytes()).sha256;
    setup.change_manifest(|manifest| {
        manifest["pictures"]["sha256"] = json!(sha256);
        manifest["pictures"]["size"] = json!(evil.len());
    });
    let line = setup.expect_refusal().await;
    assert!(line.contains("pictures.sha256 has an invalid line"), "{line}");
}

#[tokio::test]
async fn a_database_with_rows_is_refused_and_stays_as_it_is() {
    let setup = Setup::new().await;
    let app = TestApp::start().await;
    app.member().await;
    let database = app.state.config.database.clone();
    let line = restore(&database, &setup.media, &setup.archive).end().await.expect_failure();
    assert!(line.starts_with("restore: the database is not empty"), "{line}");
    assert_eq!((count_rows(&database, "users").await, count_rows(&database, "snacks").await), (1, 0));
    assert!(!Path::new(&setup.media.argument()).exists(), "pictures were restored");
    // One that was only migrated is empty.
    let migrated = database::create().await;
    restore(&migrated, &setup.media, &setup.archive).end().await.expect_success();
    assert_eq!(count_rows(&migrated, "snacks").await, 1);
    let line = restore(&migrated, &setup.media, &setup.archive).end().await.expect_failure();
    assert!(line.contains("not empty"), "{line}");
}

#[tokio::test]
async fn a_failed_backup_leaves_nothing_and_is_told_on_one_line() {
    let database = database::create().await;
    let (media, archive) = (Place::folder(), Place::folder());
    // Nothing is in the folder of the pictures, because there is none.
    let line = backup(&database, &media, &archive).end().await.expect_failure();
    assert!(line.starts_with("MEDIA_URL: "), "{line}");
    std::fs::create_dir(media.argument()).expect("a folder");
    let unmigrated = database::create_empty().await;
    let line = backup(&unmigrated, &media, &archive).end().await.expect_failure();
    assert_eq!(line, "backup: the database has no tables");
    assert!(folders(&archive).is_empty());

    let file = folder();
    std::fs::write(&file, "a file, not a folder").expect("a file");
    let below = file.join("backups").display().to_string();
    let nowhere = folder().display().to_string();
    for (arguments, start) in [
        (["backup", "--to", &below], "--to: "),
        (["backup", "--to", "s3://"], "--to: "),
        (["restore", "--from", &nowhere], "--from: "),
        (["restore", "--from", &archive.argument()], "--from: "),
    ] {
        let line = Run::on(&database, &arguments).set("MEDIA_URL", media.url.as_str()).end().await.expect_failure();
        assert!(line.starts_with(start), "{line}");
    }
    let wrong = backup(&database, &media, &Place::bucket()).set("AWS_SECRET_ACCESS_KEY", "wrong-secret");
    let line = wrong.end().await.expect_failure();
    assert!(line.starts_with("backup: ") && !line.contains("wrong-secret"), "{line}");
    let gone = backup(&database, &media, &archive).set("DATABASE_URL", "postgres://snack@127.0.0.1:1/snack");
    let line = gone.end().await.expect_failure();
    assert!(line.starts_with("DATABASE_URL: "), "{line}");
}
