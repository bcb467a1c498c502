//! Backup and restore: every row and image is as it was, the server goes on, and a load in between does no harm.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use axum::body::Bytes;
use futures_util::future::{join, join_all};
use image::ImageFormat;
use reqwest::Method;
use serde_json::{Value, json};
use snack_server::operations::backup::catalog::LEFT_OUT;
use sqlx::{Connection, PgConnection, migrate::Migrator, postgres::PgConnectOptions};
use tokio::time::timeout;

use crate::support::{
    counter_snapshot::{CounterProbe, key},
    database::{self, count_rows, lead_to},
    event_stream::EventStream,
    images::{encoded, fetch, form, patch_form, picture},
    media::Place,
    process::Run,
    test_app::{PASSWORD, TestApp, TestUser},
};

/// A backup of `database` and `media` to `to`.
pub fn backup(database: &PgConnectOptions, media: &Place, to: &Place) -> Run {
    command(database, media, &["backup", "--to", &to.argument()], to)
}

pub fn restore(database: &PgConnectOptions, media: &Place, from: &Place) -> Run {
    command(database, media, &["restore", "--from", &from.argument()], from)
}

fn command(database: &PgConnectOptions, media: &Place, arguments: &[&str], other: &Place) -> Run {
    // The place of the backup may be in the bucket when that of the pictures is not.
    other.set(Run::on(database, arguments)).set("MEDIA_URL", media.url.as_str())
}

/// The names of all tables of a database.
async fn tables(connection: &mut PgConnection) -> Vec<String> {
    let names = sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1");
    names.fetch_all(connection).await.expect("the tables")
}

/// All rows of all tables, as text, except for those that a restore writes itself.
async fn rows(database: &PgConnectOptions) -> BTreeMap<String, Vec<String>> {
    let mut connection = PgConnection::connect_with(database).await.expect("Postgres");
    let mut all = BTreeMap::new();
    for table in tables(&mut connection).await {
        if LEFT_OUT.iter().any(|(name, _)| *name == table) {
            continue;
        }
        let sql = sqlx::AssertSqlSafe(format!("SELECT t::text FROM {table} AS t ORDER BY t::text COLLATE \"C\""));
        all.insert(table, sqlx::query_scalar(sql).fetch_all(&mut connection).await.expect("rows"));
    }
    all
}

fn png(width: u32) -> Vec<u8> {
    encoded(&picture(width, 20), ImageFormat::Png)
}

/// A row in every table, with text that a careless format would change.
pub async fn fill(app: &TestApp) -> (TestUser, TestUser) {
    let (member, admin) = (app.member().await, app.admin().await);
    let mut snacks = Vec::new();
    for at in 0..6 {
        let snack = app.post_form(&member, "/snacks", form(&format!("간식 {at}"), png(20 + at))).await.expect(201);
        app.add_reactions(&snack.uid(), 2 + i32::try_from(at).expect("small"), 2).await;
        snacks.push(snack.uid());
    }
    app.flush().await;
    // Not yet counted.
    app.add_reactions(&snacks[0], 3, 0).await;
    sqlx::raw_sql("DELETE FROM snack_reactions WHERE snack_id = (SELECT max(snack_id) FROM snack_reactions)")
        .execute(app.db())
        .await
        .expect("reactions that are gone");
    for (snack, statuses) in snacks[1..].iter().zip([
        &["approved", "ordered", "shipping", "completed"][..],
        &["approved", "ordered"],
        &["approved"],
        &["canceled"],
        &[],
    ]) {
        let lines = json!([{"uid": snack, "quantity": 2}]);
        let body = json!({"snacks": lines, "note": "메모\t\\. \\N \"'\n둘째 줄\\"});
        let request = app.request(Method::POST, "/orders").bearer_auth(&member.access);
        let order = app.send(request.header("Idempotency-Key", snack).json(&body)).await.expect(201).uid();
        app.put(&admin, &format!("/orders/{order}/follow"), Value::Null).await.expect(204);
        for status in statuses {
            app.set_status(&admin, &order, status).await.expect(200);
        }
    }
    // What an API test would need mail servers and receivers for.
    sqlx::raw_sql(
        "INSERT INTO channels (kind, name, url, secret, events, language)
             VALUES ('webhook', 'a\\b', 'https://hooks.example/\t', 'whsec_x', '{order.created,\"a,b\",\"\"}', 'ko');
         INSERT INTO account_mails (email, language, address) VALUES ('새@snack.example', 'ko', '::1');
         INSERT INTO deliveries (channel_id, event, payload, next_attempt_at)
             SELECT id, 'order.created', '{ \"a\":  1.10 }', now() + interval '1 day' FROM channels;
         INSERT INTO deliveries (notification_id, event) SELECT min(id), 'order.created' FROM notifications;
         INSERT INTO deliveries (account_mail_id, event) SELECT id, 'password' FROM account_mails;
         INSERT INTO budget_limits VALUES ('2026-11-01', 'KRW', true, 500000), ('2026-12-01', 'USD', false, NULL);
         INSERT INTO budget_alerts VALUES ('2026-11-01', 'KRW', 80);
         INSERT INTO invitations (email, email_key, member_type, expires_at) VALUES ('b@c.example', 'b@c.example', 'member', 'infinity');
         INSERT INTO link_tokens (hash, invitation_id, expires_at) SELECT sha256('\\x00ff'), id, now() FROM invitations;
         INSERT INTO sign_in_codes (hash, user_id, expires_at) SELECT sha256('a'), min(id), now() FROM users;
         INSERT INTO daily_rollup (starts_at, ends_at, order_count, canceled_count) VALUES ('2026-01-01Z', '2026-01-02Z', 1, 0);
         INSERT INTO daily_rollup_sums VALUES ('2026-01-01Z', 'USD', false, 3, 0.1);
         UPDATE users SET is_deleted = true, password_hash = NULL, erased_at = clock_timestamp() WHERE name = 'crowd'
             AND id = (SELECT max(id) FROM users);",
    )
    .execute(app.db())
    .await
    .expect("rows");
    (member, admin)
}

#[tokio::test]
async fn a_restored_server_has_every_row_and_image_and_goes_on() {
    for place in [Place::folder as fn() -> Place, Place::bucket] {
        let (media, archive) = (place(), place());
        let app = TestApp::with(|config| media.configure(config)).await;
        let (member, admin) = fill(&app).await;
        let former = (rows(&app.state.config.database).await, media.files().await);
        for (table, rows) in &former.0 {
            assert!(!rows.is_empty(), "{table} has no rows to be compared");
        }
        let printed = backup(&app.state.config.database, &media, &archive).end().await.expect_success();
        assert!(printed.starts_with(&archive.argument()) && printed.contains(" 12 pictures, "), "{printed}");
        let last_ids: (i64, i64) = sqlx::query_as("SELECT (SELECT max(id) FROM orders), (SELECT max(id) FROM users)")
            .fetch_one(app.db())
            .await
            .expect("ids");
        // Redis goes on to later counts, which must not win afterwards.
        let probe = CounterProbe::open(&app).await;
        for _ in 0..3 {
            app.reconcile().await;
            app.add_reactions(&app.snack(&member, &format!("뒤의 간식 {}", fastrand::u32(..))).await, 1, 0).await;
        }
        let snacks = app.get(&member, "/snacks").await.expect(200).column("uid");
        for snack in &snacks {
            app.add_reactions(snack.as_str().expect("a uid"), 1, 1).await;
        }
        app.reconcile().await;
        let redis = probe.save().await;
        let prefix = app.state.config.redis_prefix.clone();
        app.stop().await;

        let (database, media) = (database::create_empty().await, place());
        let restored = restore(&database, &media, &archive).end().await.expect_success();
        assert_eq!(restored, printed);
        let now = rows(&database).await;
        assert!(now.keys().eq(former.0.keys()));
        for (table, rows) in now {
            assert_eq!(rows, former.0[&table], "{table}");
        }
        assert!(media.files().await == former.1, "other images");
        // Redis rejects counts with an older epoch than its own.
        let epochs = redis.iter().filter(|(name, _)| name.ends_with(":epoch")).map(|(_, epoch)| epoch.parse::<i64>());
        let highest = epochs.map(|epoch| epoch.expect("a number")).max().expect("an epoch");
        assert_eq!(count_rows(&database, &format!("counter_epochs WHERE last_value > {highest}")).await, 1);
        let unanalyzed = "pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples < 0";
        assert_eq!(count_rows(&database, unanalyzed).await, 0);
        assert_eq!(count_rows(&database, "pg_trigger WHERE tgenabled <> 'O'").await, 0);

        let app = TestApp::with(|config| {
            lead_to(config, &database);
            config.redis_prefix = prefix;
            media.configure(config);
        })
        .await;
        probe.restore(&redis).await;
        probe.converge(&app).await;
        let member = app.sign_in(member.id, &member.email).await;
        let admin = app.sign_in(admin.id, &admin.email).await;
        let mut events = EventStream::open(&app, &member).await;
        let snack = app.post_form(&member, "/snacks", form("새 간식", png(30))).await.expect(201);
        fetch(&app, &snack["image"]).await;
        assert_eq!(events.next().await.expect("an event").data["uid"], snack["uid"]);
        app.post(&member, &format!("/snacks/{}/reaction", snack.uid()), json!({"type": "like"})).await.expect(200);
        let order = app.order(&member, &[&snack.uid()]).await;
        app.set_status(&admin, &order, "approved").await.expect(200);
        app.set_status(&admin, &order, "completed").await.expect_error(409, "invalid_transition");
        // Ids that were given out after the backup are not given out again.
        let new = app.member().await;
        assert!(new.id > last_ids.1 + 1000, "{} {last_ids:?}", new.id);
        assert_eq!(count_rows(&database, &format!("orders WHERE id > {} + 1000", last_ids.0)).await, 1);
        probe.converge(&app).await;
        let like = probe.get(&snack.uid(), "like_count").await;
        assert_eq!(like.as_deref(), Some("1"), "{}", key(&snack.uid(), "like_count"));
    }
}

/// Members who order, rate and upload, until `is_over`. Counts the changes.
async fn work(app: &TestApp, users: &[TestUser], admin: &TestUser, is_over: &AtomicBool, changes: &AtomicUsize) {
    join_all(users.iter().enumerate().map(async |(at, user)| {
        let snack = app.post_form(user, "/snacks", form(&format!("일 {at}"), png(20))).await.expect(201).uid();
        for step in 0.. {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            patch_form(app, user, &format!("/snacks/{snack}"), png(10 + step % 50)).await.expect(200);
            changes.fetch_add(1, Ordering::Relaxed);
            let kind = ["like", "hate"][step as usize % 2];
            app.post(user, &format!("/snacks/{snack}/reaction"), json!({"type": kind})).await.expect(200);
            let order = app.order(user, &[&snack]).await;
            changes.fetch_add(1, Ordering::Relaxed);
            app.set_status(admin, &order, "canceled").await.expect(200);
            changes.fetch_add(1, Ordering::Relaxed);
        }
    }))
    .await;
}

#[tokio::test]
async fn a_backup_under_load_is_that_of_one_moment() {
    let (media, archive) = (Place::folder(), Place::folder());
    let app = TestApp::with(|config| media.configure(config)).await;
    let (_, admin) = fill(&app).await;
    let users = app.users(4).await;
    let (is_over, changes) = (AtomicBool::new(false), AtomicUsize::new(0));
    let backups = async {
        let mut during = 0;
        for _ in 0..3 {
            let before = changes.load(Ordering::Relaxed);
            while changes.load(Ordering::Relaxed) < before + 2 * users.len() {
                tokio::task::yield_now().await;
            }
            let before = changes.load(Ordering::Relaxed);
            backup(&app.state.config.database, &media, &archive).end().await.expect_success();
            during += changes.load(Ordering::Relaxed) - before;
        }
        is_over.store(true, Ordering::Relaxed);
        println!("{during} changes during three backups");
        assert!(during > 0, "nobody worked during the backups");
    };
    join(work(&app, &users, &admin, &is_over, &changes), backups).await;
    app.stop().await;

    let folders = folders(&archive);
    assert_eq!(folders.len(), 3);
    for folder in folders {
        // A backup of what was restored has the same files.
        let (database, media, again) = (database::create_empty().await, Place::folder(), Place::folder());
        let from = Run::on(&database, &["restore", "--from", &folder]).set("MEDIA_URL", media.url.as_str());
        from.end().await.expect_success();
        backup(&database, &media, &again).end().await.expect_success();
        let (one, other) = (manifest(&folder), manifest(&self::folders(&again)[0]));
        assert_eq!(one["tables"], other["tables"]);
        assert_eq!(one["pictures"], other["pictures"]);
        // The moment is one: rows that are written together are there together.
        for torn in [
            "orders WHERE NOT EXISTS (SELECT FROM purchases WHERE order_id = orders.id)",
            "orders WHERE status <> (SELECT to_status FROM order_history WHERE order_id = orders.id ORDER BY id DESC LIMIT 1)",
            "orders WHERE version <> (SELECT count(*) FROM order_history WHERE order_id = orders.id)",
        ] {
            assert_eq!(count_rows(&database, torn).await, 0, "{torn}");
        }
        let app = TestApp::with(|config| {
            lead_to(config, &database);
            media.configure(config);
        })
        .await;
        CounterProbe::open(&app).await.converge(&app).await;
        let named: Vec<String> =
            sqlx::query_scalar("SELECT unnest(ARRAY[image, thumbnail]) FROM snacks WHERE image IS NOT NULL")
                .fetch_all(app.db())
                .await
                .expect("names");
        let files: BTreeSet<String> = media.names().await.into_iter().collect();
        assert_eq!(named.into_iter().collect::<BTreeSet<_>>(), files);
        for name in files {
            fetch(&app, &format!("/media/{name}").into()).await;
        }
    }
}

/// The paths of the backups in a folder, oldest first.
pub fn folders(archive: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(archive.argument()).expect("a folder");
    let mut paths: Vec<String> = entries.map(|entry| entry.expect("an entry").path().display().to_string()).collect();
    paths.sort();
    paths
}

pub fn manifest(folder: &str) -> Value {
    let text = std::fs::read_to_string(Path::new(folder).join("manifest.json")).expect("a manifest");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn every_table_and_sequence_is_in_a_backup_or_named_as_left_out() {
    let (media, archive) = (Place::folder(), Place::folder());
    let app = TestApp::with(|config| media.configure(config)).await;
    backup(&app.state.config.database, &media, &archive).end().await.expect_success();
    let manifest = manifest(&folders(&archive)[0]);
    let mut connection = PgConnection::connect_with(&app.state.config.database).await.expect("Postgres");
    let expected: BTreeSet<String> = tables(&mut connection).await.into_iter().collect();
    let saved = manifest["tables"].as_object().expect("tables").keys().cloned();
    let known: BTreeSet<String> = saved.chain(LEFT_OUT.map(|(name, _)| name.to_owned())).collect();
    assert_eq!(known, expected);
    let sequences = manifest["sequences"].as_object().expect("sequences").len();
    assert_eq!(i64::try_from(sequences), Ok(count_rows(&app.state.config.database, "pg_sequences").await));
    // Every column that is stored and not computed.
    for (table, file) in manifest["tables"].as_object().expect("tables") {
        let columns = file["columns"].as_array().expect("columns").len();
        let stored = format!(
            "information_schema.columns WHERE table_schema = 'public' AND table_name = '{table}' AND is_generated = 'NEVER'"
        );
        assert_eq!(i64::try_from(columns), Ok(count_rows(&app.state.config.database, &stored).await), "{table}");
    }
}

#[tokio::test]
async fn only_the_owner_may_read_the_files_of_a_backup() {
    let (media, archive) = (Place::folder(), Place::folder());
    let app = TestApp::with(|config| media.configure(config)).await;
    app.post_form(&app.member().await, "/snacks", form("새우깡", png(20))).await.expect(201);
    backup(&app.state.config.database, &media, &archive).end().await.expect_success();
    let mut folders = vec![std::path::PathBuf::from(archive.argument())];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(folder.metadata().expect("a folder").permissions().mode() & 0o777, 0o700, "{folder:?}");
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(path.metadata().expect("a file").permissions().mode() & 0o777, 0o600, "{path:?}");
                files += 1;
            }
        }
    }
    assert!(files > 10, "{files}");
}

#[tokio::test]
async fn backups_keep_each_other_and_the_newest_complete_one_is_restored_unless_another_is_named() {
    for place in [Place::folder as fn() -> Place, Place::bucket] {
        let (media, archive) = (place(), place());
        let app = TestApp::with(|config| media.configure(config)).await;
        let member = app.member().await;
        let mut places = Vec::new();
        for name in ["하나", "둘", "셋"] {
            app.snack(&member, name).await;
            let printed = backup(&app.state.config.database, &media, &archive).end().await.expect_success();
            places.push(printed.split(": ").next().expect("a place").to_owned());
        }
        let names = async |from: &str| {
            let (database, media) = (database::create_empty().await, place());
            let run = archive.set(Run::on(&database, &["restore", "--from", from]));
            run.set("MEDIA_URL", media.url.as_str()).end().await.expect_success();
            count_rows(&database, "snacks").await
        };
        assert_eq!(names(&archive.argument()).await, 3);
        assert_eq!(names(&places[0]).await, 1);
        // A backup that was cut off has no manifest. A folder with another name is none.
        let third = places[2].trim_start_matches(&archive.argument()).trim_start_matches('/').to_owned();
        let files = archive.files().await;
        let content = files[&format!("{third}/manifest.json")].clone();
        archive.remove(&format!("{third}/manifest.json")).await;
        archive.write("zzz/manifest.json", content).await;
        assert_eq!(names(&archive.argument()).await, 2);
        let (database, media) = (database::create_empty().await, place());
        let run = archive.set(Run::on(&database, &["restore", "--from", &places[2]]));
        let line = run.set("MEDIA_URL", media.url.as_str()).end().await.expect_failure();
        assert!(line.starts_with("--from: ") && line.contains("no complete backup"), "{line}");
    }
}

#[tokio::test]
async fn a_backup_of_an_older_version_is_migrated_after_its_restore() {
    let migrations =
        Migrator::new(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))).await.expect("migrations");
    let last = migrations.iter().map(|migration| migration.version).max().expect("a migration");
    let old = database::create_empty().await;
    let mut connection = PgConnection::connect_with(&old).await.expect("Postgres");
    // Before the columns of notes and approvals.
    migrations.run_to(7, &mut connection).await.expect("migrations");
    sqlx::raw_sql(
        "INSERT INTO users (email, email_key, name, name_key, password_hash) VALUES ('a@b.example', 'a@b.example', 'a', 'a', 'x');
         INSERT INTO orders (user_id) SELECT id FROM users;
         UPDATE orders SET status = 'approved';
         INSERT INTO order_history (order_id, from_status, to_status, actor_id, at)
             SELECT id, 'created', 'approved', user_id, '2026-01-01Z' FROM orders;",
    )
    .execute(&mut connection)
    .await
    .expect("rows");
    let (media, archive) = (Place::folder(), Place::folder());
    std::fs::create_dir(media.argument()).expect("a folder");
    backup(&old, &media, &archive).end().await.expect_success();

    let new = database::create_empty().await;
    restore(&new, &media, &archive).end().await.expect_success();
    // The later migrations have filled the new column.
    assert_eq!(count_rows(&new, "orders WHERE approved_at = '2026-01-01Z' AND note = ''").await, 1);
    assert_eq!(count_rows(&new, &format!("_sqlx_migrations WHERE version = {last}")).await, 1);
    TestApp::with(|config| lead_to(config, &new)).await;

    // A database that is ahead cannot go back.
    let migrated = database::create().await;
    let line = restore(&migrated, &media, &archive).end().await.expect_failure();
    assert!(line.contains("newer version than the backup"), "{line}");
    assert_eq!(count_rows(&migrated, "users").await, 0);
}

#[tokio::test]
async fn lost_images_are_reported_and_everything_else_is_saved() {
    let (media, archive) = (Place::folder(), Place::folder());
    let app = TestApp::with(|config| media.configure(config)).await;
    let member = app.member().await;
    let kept = app.post_form(&member, "/snacks", form("새우깡", png(20))).await.expect(201);
    let lost = app.post_form(&member, "/snacks", form("감자깡", png(30))).await.expect(201);
    let name = lost["image"].as_str().expect("a path").trim_start_matches("/media/").to_owned();
    media.remove(&name).await;
    let ended = backup(&app.state.config.database, &media, &archive).end().await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.starts_with(&archive.argument()), "{ended:?}");
    assert!(ended.stderr.starts_with("backup: 1 pictures") && ended.stderr.contains(&name), "{ended:?}");

    let (database, media) = (database::create_empty().await, Place::folder());
    restore(&database, &media, &archive).end().await.expect_success();
    assert_eq!(media.names().await.len(), 3);
    let app = TestApp::with(|config| {
        lead_to(config, &database);
        media.configure(config);
    })
    .await;
    fetch(&app, &kept["image"]).await;
    app.send(app.request(Method::GET, &format!("/media/{name}"))).await.expect_error(404, "not_found");
}

#[tokio::test]
async fn time_limits_of_the_role_do_not_cut_a_backup() {
    let (media, archive) = (Place::folder(), Place::folder());
    let app = TestApp::with(|config| media.configure(config)).await;
    let database = app.state.config.database.clone();
    let name = database.get_database().expect("a database");
    let limits = format!(
        "ALTER DATABASE {name} SET statement_timeout = '300ms';
         ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '300ms'"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(limits)).execute(app.db()).await.expect("limits");
    let mut other = app.db().begin().await.expect("a transaction");
    sqlx::raw_sql("LOCK TABLE users").execute(&mut *other).await.expect("a lock");
    let late = async {
        let waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                           AND application_name = 'snack-server backup' AND now() - query_start > interval '1 second')";
        let is_waiting = async {
            while !sqlx::query_scalar::<_, bool>(waiting).fetch_one(app.db()).await.expect("a row") {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_mins(1), is_waiting).await.expect("a backup that waits for a second");
        other.rollback().await.expect("the lock's end");
    };
    let (ended, ()) = join(backup(&database, &media, &archive).end(), late).await;
    ended.expect_success();
}

#[tokio::test]
async fn a_password_of_the_backup_signs_in() {
    let (media, archive) = (Place::folder(), Place::bucket());
    let app = TestApp::with(|config| media.configure(config)).await;
    let member = app.member().await;
    backup(&app.state.config.database, &media, &archive).end().await.expect_success();
    let change = json!({"current_password": PASSWORD, "new_password": "korea-snack-10"});
    app.put(&member, "/auth/users/password", change).await.assert_status_in(&[200, 204], "a change");
    let database = database::create_empty().await;
    restore(&database, &media, &archive).end().await.expect_success();
    let app = TestApp::with(|config| lead_to(config, &database)).await;
    app.sign_in(member.id, &member.email).await;
    app.post_open("/auth/token/refresh", json!({"refresh": member.refresh})).await.expect(200);
    assert_eq!(media.files().await, BTreeMap::<String, Bytes>::new());
}
