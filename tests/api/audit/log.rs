//! The audit log: actor, action, subject, address and outcome of what happened.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    database::count_rows,
    process::Run,
    test_app::{PASSWORD, TestApp, TestUser},
};

/// Action, subject and outcome of every entry that `query` finds, newest first.
async fn entries(app: &TestApp, admin: &TestUser, query: &str) -> Vec<(String, String, String)> {
    let page = app.get(admin, &format!("/audit?limit=100{query}")).await.expect(200);
    let text = |row: &Value, key: &str| row[key].as_str().expect("a text").to_owned();
    page.rows().iter().map(|row| (text(row, "action"), text(row, "subject"), text(row, "outcome"))).collect()
}

fn entry(action: &str, subject: &str, outcome: &str) -> (String, String, String) {
    (action.to_owned(), subject.to_owned(), outcome.to_owned())
}

#[tokio::test]
async fn logged_actions_have_an_entry_with_actor_and_address() {
    let app = TestApp::start().await;
    let (admin, kim) = (app.admin().await, app.member().await);
    let snack = app.snack(&kim, "새우깡").await;
    let order = app.order(&kim, &[&snack]).await;
    app.patch(&kim, &format!("/snacks/{snack}"), json!({"desc": "고소해요"})).await.expect(200);
    app.put(&admin, &format!("/snacks/{snack}/status"), json!({"status": "unavailable"})).await.expect(200);
    app.set_status(&admin, &order, "approved").await.expect(200);
    app.put(&admin, &format!("/auth/users/{}", kim.id), json!({"member_type": "admin"})).await.expect(200);
    let change = json!({"current_password": PASSWORD, "new_password": "another-snack-10"});
    app.put(&kim, "/auth/users/password", change).await.expect(204);
    app.delete(&kim, "/auth/users/resign").await.expect(204);

    let id = kim.id.to_string();
    assert_eq!(
        entries(&app, &admin, &format!("&actor={id}")).await,
        [
            entry("resignation", &id, "ok"),
            entry("password_change", &id, "ok"),
            entry("snack_edit", &snack, "ok"),
            entry("sign_in", &kim.email, "ok"),
            entry("sign_up", &kim.email, "ok"),
        ]
    );
    let of_admin = entries(&app, &admin, &format!("&actor={}", admin.id)).await;
    assert_eq!(
        of_admin[..3],
        [
            entry("member_type_change", &format!("{id} admin"), "ok"),
            entry("order_status_change", &format!("{order} approved"), "ok"),
            entry("snack_status_change", &format!("{snack} unavailable"), "ok"),
        ]
    );

    let page = app.get(&admin, "/audit?action=order_status_change").await.expect(200);
    let row = &page.rows()[0];
    assert_eq!(row["actor"]["id"], admin.id);
    assert_eq!(row["address"], "127.0.0.1");
    assert!(row["at"].as_str().is_some_and(|at| at.ends_with('Z')));
}

#[tokio::test]
async fn a_refused_sign_in_has_an_entry_whether_the_account_exists_or_not() {
    let app = TestApp::start().await;
    let (admin, kim) = (app.admin().await, app.member().await);
    for email in [kim.email.as_str(), "nobody@snack.example"] {
        let sign_in_as = json!({"username": email, "password": "a-guess-that-is-wrong"});
        app.post_open("/auth/token", sign_in_as).await.expect_error(401, "invalid_credentials");
    }
    let page = app.get(&admin, "/audit?action=sign_in&limit=2").await.expect(200);
    assert_eq!(page.column("subject"), ["nobody@snack.example", kim.email.as_str()]);
    assert_eq!(page.column("outcome"), ["invalid_credentials", "invalid_credentials"]);
    assert_eq!(page.rows()[0]["actor"], Value::Null);
    assert_eq!(page.rows()[1]["actor"]["id"], kim.id);
    assert!(!page.to_string().contains("a-guess-that-is-wrong"));
}

#[tokio::test]
async fn a_stranger_cannot_fill_the_log_with_one_long_email() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let sign_in_as = json!({"username": "김".repeat(20_000), "password": "a-guess-that-is-wrong"});
    app.post_open("/auth/token", sign_in_as).await.expect_error(401, "invalid_credentials");
    assert_eq!(entries(&app, &admin, "&action=sign_in").await[0].1, "(not an email)");
}

#[tokio::test]
async fn a_stolen_refresh_token_that_comes_again_has_an_entry() {
    let app = TestApp::with(|config| config.refresh_token_grace = std::time::Duration::ZERO).await;
    let (admin, kim) = (app.admin().await, app.member().await);
    let body = json!({"refresh": kim.refresh});
    app.post_open("/auth/token/refresh", body.clone()).await.expect(200);
    app.post_open("/auth/token/refresh", body).await.expect_error(401, "invalid_token");
    assert_eq!(
        entries(&app, &admin, "&action=refresh_token_reuse").await,
        [entry("refresh_token_reuse", &kim.id.to_string(), "ok")]
    );
}

#[tokio::test]
async fn what_a_rule_rejected_has_no_entry_of_success() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.delete(&admin, "/auth/users/resign").await.expect_error(409, "last_admin");
    let snack = app.snack(&admin, "새우깡").await;
    let order = app.order(&admin, &[&snack]).await;
    app.set_status(&admin, &order, "completed").await.expect_error(409, "invalid_transition");
    assert_eq!(entries(&app, &admin, "&action=resignation").await, []);
    assert_eq!(entries(&app, &admin, "&action=order_status_change").await, []);
}

#[tokio::test]
async fn the_log_is_an_admins_list_like_any_other() {
    let app = TestApp::start().await;
    let (admin, kim) = (app.admin().await, app.member().await);
    app.get(&kim, "/audit").await.expect_error(403, "permission_denied");
    app.send(app.request(Method::GET, "/audit")).await.expect_error(401, "not_authenticated");
    for failed_sign_in in
        ["action=theft", "actor=kim", "from=2024-1-1", "cursor=x", "limit=0", "from=2024-02-02&to=2024-02-01"]
    {
        app.get(&admin, &format!("/audit?{failed_sign_in}")).await.expect_error(400, "invalid_request");
    }
    assert_eq!(entries(&app, &admin, "&to=2020-01-01").await, []);
    assert_eq!(entries(&app, &admin, "&actor=999999").await, []);

    let all = app.get(&admin, "/audit?limit=100").await.expect(200).column("id");
    assert_eq!(all.len(), 4);
    let mut walked = Vec::new();
    let mut path = "/audit?limit=1".to_owned();
    loop {
        let page = app.get(&admin, &path).await.expect(200);
        walked.extend(page.column("id"));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/audit?limit=1&cursor={cursor}");
    }
    assert_eq!(walked, all);
}

#[tokio::test]
async fn a_rate_limited_request_is_logged_and_not_stored() {
    let database = crate::support::database::create().await;
    let run = Run::on(&database, &["serve"]).set("LIMIT_SIGN_IN_ACCOUNT", "1/1h").set("RUST_LOG", "info");
    let server = run.serve().await;
    let client = reqwest::Client::new();
    for expected in [401, 429, 429] {
        let body = json!({"username": "kim@snack.example", "password": "a-secret-guess-7"});
        let url = format!("http://{}/auth/token", server.address);
        assert_eq!(client.post(url).json(&body).send().await.expect("a response").status(), expected);
    }
    server.signal("-TERM");
    let (_, lines, _) = server.wait().await;
    let logged = |outcome: &str| {
        let valid = |line: &&String| {
            ["audit", "sign_in", "kim@snack.example", "127.0.0.1", outcome].iter().all(|part| line.contains(part))
        };
        lines.iter().filter(valid).count()
    };
    assert_eq!((logged("invalid_credentials"), logged("too_many_requests")), (1, 2), "{lines:#?}");
    assert!(lines.iter().all(|line| !line.contains("a-secret-guess-7")));
    assert_eq!(count_rows(&database, "audit_log").await, 1);
}

#[tokio::test]
async fn what_is_typed_as_the_user_name_is_kept_only_where_it_is_an_email() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    sqlx::query("INSERT INTO users (email, email_key, name, name_key, password_hash) SELECT 'lee@intranet', 'lee@intranet', 'lee', 'lee', password_hash FROM users WHERE id = $1")
        .bind(admin.id)
        .execute(app.db())
        .await
        .expect("a user");
    let table = [
        ("korea-snack-9", "(not an email)"),
        ("P@ssw0rd", "(not an email)"),
        ("korea@snack-9", "(not an email)"),
        ("p@ssw0rd.2026", "(not an email)"),
        ("my secret@snack.example", "(not an email)"),
        ("LEE@intranet", "LEE@intranet"),
        (" nobody@snack.example ", "nobody@snack.example"),
        (admin.email.as_str(), admin.email.as_str()),
    ];
    for (typed, kept) in table {
        let sign_in_as = json!({"username": typed, "password": "a-guess-that-is-wrong"});
        app.post_open("/auth/token", sign_in_as).await.expect_error(401, "invalid_credentials");
        assert_eq!(
            entries(&app, &admin, "&action=sign_in").await[0],
            entry("sign_in", kept, "invalid_credentials"),
            "{typed}"
        );
    }
}

#[tokio::test]
async fn a_password_in_the_user_names_place_is_in_no_log_line() {
    let database = crate::support::database::create().await;
    let run = Run::on(&database, &["serve"]).set("LIMIT_SIGN_IN_ACCOUNT", "1/1h").set("RUST_LOG", "info");
    let server = run.serve().await;
    let client = reqwest::Client::new();
    for expected in [401, 429] {
        let body = json!({"username": "my-Secret-7", "password": "kim@snack.example"});
        let url = format!("http://{}/auth/token", server.address);
        assert_eq!(client.post(url).json(&body).send().await.expect("a response").status(), expected);
    }
    server.signal("-TERM");
    let (_, lines, _) = server.wait().await;
    assert_eq!(lines.iter().filter(|line| line.contains("(not an email)")).count(), 2, "{lines:#?}");
    assert!(lines.iter().all(|line| !line.to_lowercase().contains("my-secret-7")), "{lines:#?}");
}

/// Makes every insert into the log fail, or restores it.
async fn set_log_broken(app: &TestApp, broken: bool) {
    let sql = if broken {
        "CREATE FUNCTION refuse_entries() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no entries'; END $$;
         CREATE TRIGGER refuse_entries BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse_entries()"
    } else {
        "DROP FUNCTION refuse_entries CASCADE"
    };
    sqlx::raw_sql(sql).execute(app.db()).await.expect("a trigger");
}

#[tokio::test]
async fn what_cannot_be_entered_in_the_log_is_not_done() {
    let app = TestApp::with(|config| config.refresh_token_grace = std::time::Duration::ZERO).await;
    let (admin, kim) = (app.admin().await, app.member().await);
    let snack = app.snack(&kim, "새우깡").await;
    let order = app.order(&kim, &[&snack]).await;
    let token_pair = app.post_open("/auth/token/refresh", json!({"refresh": kim.refresh})).await.expect(200);
    let state = async || -> Vec<String> {
        let mut rows = Vec::new();
        for table in ["users", "sessions", "refresh_tokens", "snacks", "orders", "order_history", "audit_log"] {
            let sql = sqlx::AssertSqlSafe(format!("SELECT '{table} ' || row_to_json({table}) FROM {table} ORDER BY 1"));
            rows.extend(sqlx::query_scalar::<_, String>(sql).fetch_all(app.db()).await.expect("rows"));
        }
        rows
    };
    let before = state().await;

    set_log_broken(&app, true).await;
    let new = json!({"email": "lee@snack.example", "password": PASSWORD, "name": "이과자"});
    let right = json!({"username": kim.email, "password": PASSWORD});
    let failed_sign_in = json!({"username": kim.email, "password": "a-guess-that-is-wrong"});
    let change = json!({"current_password": PASSWORD, "new_password": "another-snack-10"});
    let failed_change = json!({"current_password": "a-guess-that-is-wrong", "new_password": "another-snack-10"});
    let responses = [
        app.post_open("/auth/sign-up", new.clone()).await,
        app.post_open("/auth/token", right.clone()).await,
        app.post_open("/auth/token", failed_sign_in).await,
        app.post_open("/auth/token/refresh", json!({"refresh": kim.refresh})).await,
        app.put(&kim, "/auth/users/password", change).await,
        app.put(&kim, "/auth/users/password", failed_change).await,
        app.put(&admin, &format!("/auth/users/{}", kim.id), json!({"member_type": "admin"})).await,
        app.delete(&kim, "/auth/users/resign").await,
        app.patch(&kim, &format!("/snacks/{snack}"), json!({"desc": "고소해요"})).await,
        app.put(&admin, &format!("/snacks/{snack}/status"), json!({"status": "unavailable"})).await,
        app.set_status(&admin, &order, "approved").await,
    ];
    for response in responses {
        response.expect_error(500, "internal_error");
    }
    set_log_broken(&app, false).await;
    assert_eq!(state().await, before);

    app.post_open("/auth/sign-up", new).await.expect(201);
    app.post_open("/auth/token", right).await.expect(200);
    app.post_open("/auth/token/refresh", json!({"refresh": token_pair["refresh"]})).await.expect(200);
}

#[tokio::test]
async fn an_access_line_names_the_user_and_the_client() {
    let database = crate::support::database::create().await;
    let run = Run::on(&database, &["serve"]).set("RUST_LOG", "info").set("TRUSTED_PROXIES", "127.0.0.0/8");
    let server = run.serve().await;
    let client = reqwest::Client::new();
    let url = |path: &str| format!("http://{}{path}", server.address);
    let new = json!({"email": "lee@snack.example", "password": PASSWORD, "name": "이과자"});
    let user: Value =
        client.post(url("/auth/sign-up")).json(&new).send().await.expect("one").json().await.expect("one");
    let credentials = json!({"username": "lee@snack.example", "password": PASSWORD});
    let tokens: Value =
        client.post(url("/auth/token")).json(&credentials).send().await.expect("one").json().await.expect("one");
    let forwarded = "198.51.100.1, 203.0.113.9";
    for (method, path, status) in [(Method::GET, "/auth/users/profile", 200), (Method::GET, "/auth/users", 403)] {
        let request = client.request(method, url(path)).bearer_auth(tokens["access"].as_str().expect("a token"));
        assert_eq!(request.header("X-Forwarded-For", forwarded).send().await.expect("one").status(), status);
    }
    let request = client.get(url("/snacks")).header("X-Forwarded-For", "203.0.113.10");
    assert_eq!(request.send().await.expect("one").status(), 401);
    server.signal("-TERM");
    let (_, lines, _) = server.wait().await;

    let line = |path: &str| -> Value {
        let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut lines = lines.filter(|line| line["message"] == "request completed" && line["path"] == path);
        lines.next().expect("an access line")
    };
    for path in ["/auth/users/profile", "/auth/users"] {
        let line = line(path);
        assert_eq!((&line["user"], &line["address"]), (&user["id"], &json!("203.0.113.9")), "{line}");
    }
    let line = line("/snacks");
    assert_eq!((&line["user"], &line["address"]), (&Value::Null, &json!("203.0.113.10")), "{line}");
}
