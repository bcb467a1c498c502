//! A PostgreSQL that responds and is degraded: read-only, without disk space, with rows deleted or locked by hand.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use reqwest::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    faults::{SHOWS_WITHIN, wait_until_healthy},
    fixtures::{Snack, TestUser},
    process::{as_service, eventually, time_limit},
    rounds::Round,
};

/// Duration of the lock.
const LOCKED: Duration = Duration::from_secs(5);
/// Time within which a reaction that the lock does not concern gets its response.
const UNAFFECTED_WITHIN: Duration = time_limit(Duration::from_millis(1500));
/// Number of additional users who react to the deleted or locked rows.
const EXTRA_USERS: i64 = 6;
/// Size of the disk that is filled, in MiB.
const DISK: usize = 64;

async fn execute(db: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(db).await.expect("a statement");
}

/// Makes PostgreSQL read-only: the servers report that they are not ready, and recover by themselves.
pub async fn make_read_only(round: &mut Round<'_>) {
    let mut db = round.stack.connect().await;
    round.set_faulty(true);
    execute(&mut db, "ALTER SYSTEM SET default_transaction_read_only = on".to_owned()).await;
    execute(&mut db, "SELECT pg_reload_conf()".to_owned()).await;
    for at in 0..round.stack.servers.len() {
        if !eventually(SHOWS_WITHIN, async || !round.stack.servers[at].is_ready().await).await {
            round.add_violation("ready stays green while PostgreSQL is read-only");
        }
    }
    round.load(300..1500).await;
    execute(&mut db, "ALTER SYSTEM RESET default_transaction_read_only".to_owned()).await;
    execute(&mut db, "SELECT pg_reload_conf()".to_owned()).await;
    wait_until_healthy(round).await;
    round.set_faulty(false);
}

/// A file system of [`DISK`] MiB, unmounted on drop.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None without the right to mount.
    fn mount(folder: &Path) -> Option<Self> {
        let path = folder.join("small-disk");
        std::fs::create_dir_all(&path).ok()?;
        let size = format!("size={DISK}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path).status();
        if !mounted.is_ok_and(|status| status.success()) {
            return None;
        }
        let disk = Self(path);
        let owned = Command::new("chown").arg("postgres:").arg(&disk.0).status();
        owned.is_ok_and(|status| status.success()).then_some(disk)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// Fills the disk on which PostgreSQL keeps orders, reactions and the audit log.
pub async fn fill_disk(round: &mut Round<'_>) {
    let Some(disk) = SmallDisk::mount(&round.stack.folder) else {
        println!("  disk-full: nothing can be mounted here, so nothing was tried");
        return;
    };
    let tables = ["orders", "order_history", "audit_log", "snack_reactions", "reaction_dirty"];
    let mut db = round.stack.connect().await;
    execute(&mut db, format!("CREATE TABLESPACE small LOCATION '{}'", disk.0.display())).await;
    for table in tables {
        execute(&mut db, format!("ALTER TABLE {table} SET TABLESPACE small")).await;
    }
    round.set_faulty(true);
    let filler = disk.0.join("ballast");
    // dd fails when the disk is full, which is intended here.
    let _ = as_service(Path::new("dd"))
        .args(["if=/dev/zero", "bs=64k", "status=none"])
        .arg(format!("of={}", filler.display()))
        .stderr(std::process::Stdio::null())
        .status();
    // Free space inside the tables would hide for a while that the disk is full.
    let room = "INSERT INTO audit_log (action, subject, address, outcome)
                SELECT 'sign_in', repeat('x', 250), 'local', 'ok' FROM generate_series(1, 100000)";
    let full = sqlx::query(room).execute(&mut db).await;
    let code = full.err().and_then(|error| Some(error.as_database_error()?.code()?.into_owned()));
    if code.as_deref() != Some("53100") {
        round.add_violation(format!("the disk is not full: {code:?}"));
    }
    round.load(500..2000).await;
    let removed = as_service(Path::new("rm")).arg(&filler).status();
    assert!(removed.is_ok_and(|status| status.success()), "the ballast");
    wait_until_healthy(round).await;
    round.set_faulty(false);
    for table in tables {
        execute(&mut db, format!("ALTER TABLE {table} SET TABLESPACE pg_default")).await;
    }
    execute(&mut db, "DROP TABLESPACE small".to_owned()).await;
}

/// Statuses of responses, with their durations.
type Responses = Vec<(u16, Duration)>;

/// Makes each of `users` react to `snack` again and again until `until`.
fn react(round: &Round<'_>, users: &[TestUser], snack: &Snack, until: Instant) -> JoinSet<Responses> {
    let mut tasks = JoinSet::new();
    for user in users {
        let (http, access) = (round.state.http.clone(), user.access.clone());
        let url = format!("{}/snacks/{}/reaction", round.state.urls[0], snack.uid);
        tasks.spawn(async move {
            let mut responses = Responses::new();
            while Instant::now() < until {
                for method in [Method::POST, Method::DELETE] {
                    let started = Instant::now();
                    let request = http.request(method, &url).bearer_auth(&access).json(&json!({"type": "like"}));
                    if let Ok(response) = request.send().await {
                        responses.push((response.status().as_u16(), started.elapsed()));
                    }
                }
            }
            responses
        });
    }
    tasks
}

/// Tries to delete members and a snack by hand while they are in use, which the database refuses. No client is affected, which
/// their records show.
pub async fn delete_rows(round: &mut Round<'_>) {
    let mut db = round.stack.connect().await;
    let (users, snack) = round.fixtures.extra_users(&mut db, EXTRA_USERS).await;
    let reactions = react(round, &users, &snack, Instant::now() + Duration::from_secs(2));
    for sql in
        [format!("DELETE FROM users WHERE id = {}", users[0].id), format!("DELETE FROM snacks WHERE id = {}", snack.id)]
    {
        round.load(200..500).await;
        let refused = sqlx::query(sqlx::AssertSqlSafe(sql.clone())).execute(&mut db).await;
        let code = refused.err().and_then(|error| Some(error.as_database_error()?.code()?.into_owned()));
        if code.as_deref() != Some("23001") {
            round.add_violation(format!("{sql}: {code:?}"));
        }
    }
    for (status, _) in reactions.join_all().await.concat() {
        if status != 200 {
            round.add_violation(format!("a reaction got {status}"));
        }
    }
}

/// Locks reactions by hand for seconds. Changes of them get 503, and all others go on as before.
pub async fn lock_row(round: &mut Round<'_>) {
    let mut db = round.stack.connect().await;
    let (users, locked) = round.fixtures.extra_users(&mut db, EXTRA_USERS).await;
    let (others, free) = round.fixtures.extra_users(&mut db, EXTRA_USERS).await;
    let ids: Vec<i64> = users.iter().map(|user| user.id).collect();
    sqlx::query("INSERT INTO snack_reactions SELECT $1, unnest($2::bigint[]), 'hate'")
        .bind(locked.id)
        .bind(ids)
        .execute(&mut db)
        .await
        .expect("reactions");
    let mut lock = db.begin().await.expect("a transaction");
    sqlx::query("SELECT FROM snack_reactions WHERE snack_id = $1 FOR UPDATE")
        .bind(locked.id)
        .execute(&mut *lock)
        .await
        .expect("a lock");
    let until = Instant::now() + LOCKED;
    let blocked = react(round, &users, &locked, until);
    let unaffected = react(round, &others, &free, until);
    let unaffected = unaffected.join_all().await.concat();
    lock.rollback().await.expect("the end of the lock");
    let blocked = blocked.join_all().await.concat();
    execute(&mut db, format!("DELETE FROM snack_reactions WHERE snack_id = {}", locked.id)).await;
    let slowest = unaffected.iter().map(|(_, took)| *took).max().unwrap_or_default();
    if unaffected.len() < 50 || slowest > UNAFFECTED_WITHIN {
        round.add_violation(format!("{} reactions to another snack, the slowest in {slowest:?}", unaffected.len()));
    }
    if let Some((status, _)) = unaffected.iter().find(|(status, _)| *status != 200) {
        round.add_violation(format!("a reaction to another snack got {status}"));
    }
    if blocked.iter().any(|(status, _)| ![200, 404, 409, 503].contains(status))
        || blocked.iter().all(|(s, _)| *s != 503)
    {
        round.add_violation(format!("reactions to the locked snack got {blocked:?}"));
    }
}
