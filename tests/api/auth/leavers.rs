//! Members who have left: removal and restoration by an admin, and erasure on the command line.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::{
    channel::create_webhook,
    database,
    fixtures::order_body,
    process::Run,
    response::Response,
    test_app::{PASSWORD, TestApp, TestUser},
};

async fn remove(app: &TestApp, admin: &TestUser, id: i64) -> Response {
    app.delete(admin, &format!("/auth/users/{id}")).await
}

async fn restore(app: &TestApp, admin: &TestUser, id: i64) -> Response {
    app.post(admin, &format!("/auth/users/{id}/restore"), json!({})).await
}

async fn sign_in(app: &TestApp, user: &TestUser) -> Response {
    app.post_open("/auth/token", json!({"username": user.email, "password": PASSWORD})).await
}

/// Actions of the audit log about the user, oldest first.
async fn actions(app: &TestApp, id: i64) -> Vec<String> {
    sqlx::query_scalar("SELECT action FROM audit_log WHERE subject = $1 ORDER BY id")
        .bind(id.to_string())
        .fetch_all(app.db())
        .await
        .expect("actions")
}

#[tokio::test]
async fn a_removed_member_leaves_as_by_resigning() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let snack = app.snack(&member, "새우깡").await;
    let order = app.order(&member, &[&snack]).await;
    remove(&app, &admin, member.id).await.expect(204);

    app.get(&member, "/auth/users/profile").await.expect_error(401, "invalid_token");
    let refresh = json!({"refresh": member.refresh});
    app.post_open("/auth/token/refresh", refresh).await.expect_error(401, "invalid_token");
    sign_in(&app, &member).await.expect_error(401, "invalid_credentials");
    let sign_up = json!({"email": member.email, "password": PASSWORD, "name": "다시"});
    app.post_open("/auth/sign-up", sign_up).await.expect_error(409, "email_resigned");
    app.get(&admin, &format!("/orders/{order}")).await.expect(200);
    let users = app.get(&admin, "/auth/users?is_deleted=true").await.expect(200);
    assert_eq!(users["results"][0]["id"], member.id);

    // The second removal changes nothing.
    remove(&app, &admin, member.id).await.expect(204);
    assert_eq!(actions(&app, member.id).await, ["user_removal"]);
    remove(&app, &admin, i64::MAX).await.expect_error(404, "not_found");
    restore(&app, &admin, i64::MAX).await.expect_error(404, "not_found");
}

#[tokio::test]
async fn a_restored_member_signs_in_again_but_tokens_of_before_stay_invalid() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    remove(&app, &admin, member.id).await.expect(204);
    let restored = restore(&app, &admin, member.id).await.expect(200);
    assert_eq!((&restored["is_deleted"], &restored["id"]), (&json!(false), &json!(member.id)));

    app.get(&member, "/auth/users/profile").await.expect_error(401, "invalid_token");
    let refresh = json!({"refresh": member.refresh});
    app.post_open("/auth/token/refresh", refresh).await.expect_error(401, "invalid_token");
    let again = app.sign_in(member.id, &member.email).await;
    app.get(&again, "/auth/users/profile").await.expect(200);
    let refreshed = app.post_open("/auth/token/refresh", json!({"refresh": again.refresh})).await.expect(200);
    let access = refreshed["access"].as_str().expect("access").to_owned();
    app.get(&TestUser { access, ..again.clone() }, "/auth/users/profile").await.expect(200);

    // Of a member who has not left, nothing changes.
    let unchanged = restore(&app, &admin, member.id).await.expect(200);
    assert_eq!(unchanged["is_deleted"], false);
    app.get(&again, "/auth/users/profile").await.expect(200);
    assert_eq!(actions(&app, member.id).await, ["user_removal", "user_restoration"]);

    // Tokens of the time in between stay invalid as well.
    remove(&app, &admin, member.id).await.expect(204);
    restore(&app, &admin, member.id).await.expect(200);
    app.get(&again, "/auth/users/profile").await.expect_error(401, "invalid_token");
}

#[tokio::test]
async fn a_restored_admin_is_a_member() {
    let app = TestApp::start().await;
    let (admin, other) = (app.admin().await, app.admin().await);
    remove(&app, &admin, other.id).await.expect(204);
    assert_eq!(restore(&app, &admin, other.id).await.expect(200)["member_type"], "member");
    let again = app.sign_in(other.id, &other.email).await;
    app.get(&again, "/checks/is_admin").await.expect_error(403, "permission_denied");
}

#[tokio::test]
async fn of_admins_who_all_remove_each_other_at_once_one_stays() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    for _ in 0..5 {
        let admins = [app.admin().await, app.admin().await, app.admin().await];
        sqlx::query("UPDATE users SET is_deleted = true WHERE NOT id = ANY($1)")
            .bind(admins.iter().map(|admin| admin.id).collect::<Vec<_>>())
            .execute(app.db())
            .await
            .expect("an update");
        let removals = [(0, 1, &app), (1, 2, &replica), (2, 0, &app), (0, 2, &replica)];
        let attempts = removals.map(|(by, of, server)| remove(server, &admins[by], admins[of].id));
        let attempts = join_all(attempts).await;
        let active: i64 =
            sqlx::query_scalar("SELECT count(*) FROM users WHERE member_type = 'admin' AND NOT is_deleted")
                .fetch_one(app.db())
                .await
                .expect("a count");
        assert!(active >= 1, "{attempts:?}");
    }
    let admin = app.admin().await;
    sqlx::query("UPDATE users SET is_deleted = true WHERE id <> $1")
        .bind(admin.id)
        .execute(app.db())
        .await
        .expect("an update");
    remove(&app, &admin, admin.id).await.expect_error(409, "last_admin");
}

/// All rows of all tables, as text.
async fn dump(db: &PgPool) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
    )
    .fetch_all(db)
    .await
    .expect("tables");
    assert!(tables.len() > 20, "{tables:?}");
    let mut rows = Vec::new();
    for table in tables {
        let sql = AssertSqlSafe(format!("SELECT '{table}: ' || row::text FROM {table} AS row"));
        rows.extend(sqlx::query_scalar::<_, String>(sql).fetch_all(db).await.expect("rows"));
    }
    rows
}

/// Rows that have one of `texts`, whatever the case.
async fn rows_with(db: &PgPool, texts: &[&str]) -> Vec<String> {
    let mut rows = dump(db).await;
    rows.retain(|row| texts.iter().any(|text| row.to_lowercase().contains(&text.to_lowercase())));
    rows
}

/// Orders, reactions and sums as an admin sees them, without the names and emails of users.
async fn office(app: &TestApp, admin: &TestUser) -> Vec<Value> {
    let paths = ["/orders", "/snacks?status=all", "/statistics/summary", "/statistics/orders?year=2026", "/budgets"];
    let mut office = Vec::new();
    for path in paths {
        let mut body = app.get(admin, path).await.expect(200).0;
        remove_names_and_emails(&mut body);
        office.push(body);
    }
    office
}

fn remove_names_and_emails(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("id") {
                fields.remove("name");
                fields.remove("email");
            }
            fields.values_mut().for_each(remove_names_and_emails);
        }
        Value::Array(values) => values.iter_mut().for_each(remove_names_and_emails),
        _ => {}
    }
}

#[tokio::test]
async fn erasure_leaves_no_email_name_or_address_and_changes_no_order_reaction_or_sum() {
    const ADDRESS: &str = "203.0.113.77";
    const EMAIL: &str = "Gone.Kim@한국.kr";
    const NAME: &str = "김떠남";
    let database = database::create().await;
    let app = TestApp::with(|config| {
        database::lead_to(config, &database);
        config.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
        config.outbound_allow_private = true;
        config.outbound_allow_http = true;
    })
    .await;
    let (admin, colleague) = (app.admin().await, app.member().await);
    create_webhook(&app, &admin, "http://127.0.0.1:9/").await;

    // The member acts from an address of their own.
    let by = async |method: Method, path: &str, token: Option<&str>, body: Value| {
        let mut request = app.request(method, path).header("x-forwarded-for", ADDRESS).json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        app.send(request.header("idempotency-key", "the-key-of-the-order")).await
    };
    let credentials = |password: &str| json!({"username": EMAIL.to_lowercase(), "password": password});
    by(Method::POST, "/auth/token", None, credentials("before sign-up")).await.expect(401);
    let sign_up = json!({"email": EMAIL, "password": PASSWORD, "name": NAME});
    let user = by(Method::POST, "/auth/sign-up", None, sign_up).await.expect(201)["id"].as_i64().expect("an id");
    by(Method::POST, "/auth/token", None, credentials("wrong password")).await.expect(401);
    let tokens = by(Method::POST, "/auth/token", None, credentials(PASSWORD)).await.expect(200);
    let access = tokens["access"].as_str().expect("access");
    let snack = by(Method::POST, "/snacks", Some(access), json!({"name": "꼬북칩", "price": 1500})).await.expect(201);
    let snack = snack["uid"].as_str().expect("a uid");
    let reaction = json!({"type": "like"});
    by(Method::POST, &format!("/snacks/{snack}/reaction"), Some(access), reaction).await.expect(200);
    let order = by(Method::POST, "/orders", Some(access), order_body(&[(snack, 3)])).await.expect(201);
    app.set_status(&admin, order["uid"].as_str().expect("a uid"), "approved").await.expect(200);
    app.post(&colleague, &format!("/snacks/{snack}/reaction"), json!({"type": "like"})).await.expect(200);
    app.flush().await;
    sqlx::query("INSERT INTO account_mails (email, language, address) VALUES ($1, 'ko', $2)")
        .bind(EMAIL.to_uppercase())
        .bind(ADDRESS)
        .execute(app.db())
        .await
        .expect("a mail");

    let run = async |email: &str| Run::on(&database, &["erase-user", "--email", email]).end().await;
    assert!(run("nobody@snack.example").await.expect_failure().starts_with("--email: there is no user"));
    assert!(run(EMAIL).await.expect_failure().starts_with("--email: this member has not left"));
    by(Method::DELETE, "/auth/users/resign", Some(access), Value::Null).await.expect(204);

    let personal = ["gone.kim@", NAME, ADDRESS];
    for (text, tables) in [
        ("gone.kim@", vec!["users", "audit_log", "account_mails"]),
        (NAME, vec!["users", "deliveries", "idempotency_keys"]),
        (ADDRESS, vec!["audit_log", "sessions", "account_mails"]),
    ] {
        let rows = rows_with(app.db(), &[text]).await;
        for table in tables {
            assert!(rows.iter().any(|row| row.starts_with(table)), "{text} is not in {table}: {rows:#?}");
        }
    }
    let before = office(&app, &admin).await;
    let (orders, reactions) =
        (before[0]["results"].as_array(), before[1]["results"][0]["like_reaction_count"].as_i64());
    assert_eq!((orders.map(Vec::len), reactions), (Some(1), Some(2)));

    run(EMAIL).await.expect_success();
    assert_eq!(rows_with(app.db(), &personal).await, Vec::<String>::new());
    assert_eq!(office(&app, &admin).await, before);
    let order = app.get(&admin, "/orders").await.expect(200);
    assert_eq!(order["results"][0]["user"]["name"], "탈퇴한 회원");
    assert_eq!(actions(&app, user).await, ["resignation", "user_erasure"]);

    // Nothing of the account comes back, and the email is free.
    restore(&app, &admin, user).await.expect_error(409, "user_erased");
    assert!(run(EMAIL).await.expect_failure().starts_with("--email: there is no user"));
    let sign_up = json!({"email": EMAIL, "password": PASSWORD, "name": NAME});
    assert_ne!(app.post_open("/auth/sign-up", sign_up).await.expect(201)["id"], user);
}

#[tokio::test]
async fn two_erased_users_have_placeholders_of_their_own_and_nobody_can_sign_up_with_one() {
    let database = database::create().await;
    let app = TestApp::with(|config| database::lead_to(config, &database)).await;
    let (admin, one, two) = (app.admin().await, app.member().await, app.member().await);
    for user in [&one, &two] {
        remove(&app, &admin, user.id).await.expect(204);
        Run::on(&database, &["erase-user", "--email", &user.email]).end().await.expect_success();
    }
    let users = app.get(&admin, "/auth/users?is_deleted=true&ordering=date_joined").await.expect(200);
    for (user, shown) in [one, two].iter().zip(users["results"].as_array().expect("users")) {
        assert_eq!(shown["id"], user.id);
        assert_eq!(shown["email"], format!("erased-{}@erased.invalid", user.id));
        let sign_up = json!({"email": shown["email"], "password": PASSWORD, "name": "누구"});
        app.post_open("/auth/sign-up", sign_up).await.expect_error(409, "email_resigned");
    }
}
