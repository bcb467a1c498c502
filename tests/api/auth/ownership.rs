//! What belongs to somebody else: every call of the document as a stranger makes it, with a request that is sound in every
//! other respect. It is refused or touches only the stranger's own, and the rows say so.

use std::fmt::Write;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    endpoints::{Call, For, calls, sound_body},
    response::Answer,
    test_app::{Person, TestApp},
};

/// The tables that calls change, and whose each row is.
const TABLES: &[(&str, &str)] = &[
    ("users", "t.id"),
    ("sign_ins", "t.user_id"),
    ("refresh_tokens", "(SELECT user_id FROM sign_ins WHERE sign_ins.id = t.sign_in_id)"),
    ("snacks", "t.registered_by"),
    ("snack_reactions", "t.user_id"),
    ("orders", "t.user_id"),
    ("purchases", "(SELECT user_id FROM orders WHERE orders.id = t.order_id)"),
    ("order_history", "(SELECT user_id FROM orders WHERE orders.id = t.order_id)"),
    ("idempotency_keys", "t.user_id"),
];

/// A digest of every row of everybody, or of `whose` alone, a line for each table.
async fn digest(app: &TestApp, whose: Option<&[i64]>) -> String {
    let mut lines = String::new();
    for (table, owner) in TABLES {
        let sql = format!(
            "SELECT md5(coalesce(string_agg(t::text, '' ORDER BY t::text), ''))
             FROM {table} AS t WHERE $1::bigint[] IS NULL OR {owner} = ANY ($1)"
        );
        let digest: String =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(whose).fetch_one(app.db()).await.expect("a digest");
        writeln!(lines, "{table} {digest}").expect("a line");
    }
    lines
}

/// A snack of `owner`'s that they like and have ordered, another one that can be ordered, and a user to be made an admin.
struct Ground {
    snack: String,
    order: String,
    free: String,
    user: i64,
}

impl Ground {
    async fn lay(app: &TestApp, owner: &Person, name: &str) -> Self {
        let snack = app.snack(owner, &format!("{name} 하나")).await;
        let order = app.order(owner, &[&snack]).await;
        let free = app.snack(owner, &format!("{name} 둘")).await;
        app.post(owner, &format!("/snacks/{snack}/reaction"), json!({"type": "hate"})).await.expect(200);
        let user = app.crowd(1).await.remove(0).id;
        Self { snack, order, free, user }
    }

    /// The path that names what is there.
    fn path(&self, call: &Call) -> String {
        call.with(match call.path.split('/').nth(1) {
            Some("auth") => return call.with(&self.user.to_string()),
            Some("snacks") => &self.snack,
            Some("order" | "orders") => &self.order,
            _ if call.path.contains('{') => "0191e3a0-0000-7000-8000-000000000000.png",
            _ => "",
        })
    }

    /// A body that does the deed where it may be done. The snack that is ordered anew is one that nobody has ordered.
    fn body(&self, call: &Call) -> Option<Value> {
        let mut body = call.takes_body().then(|| sound_body(&call.name(), &self.free))?;
        match call.name().as_str() {
            "PUT /auth/users/{id}" | "PATCH /auth/users/{id}" => body["member_type"] = json!("admin"),
            // The owner hates the snack: it cannot be approved.
            "PUT /orders/{uid}/status" | "PATCH /orders/{uid}/status" | "PUT /order/{uid}" => {
                body["status"] = json!("canceled");
            }
            "POST /snacks" | "PATCH /snacks/{uid}" => body["name"] = json!(format!("{} {}", call.method, self.snack)),
            _ => {}
        }
        Some(body)
    }

    async fn send(&self, app: &TestApp, call: &Call, who: Option<&Person>, body: Option<&Value>) -> Answer {
        let request = app.request(call.method.clone(), &self.path(call));
        let request = who.into_iter().fold(request, |request, who| request.bearer_auth(&who.access));
        app.send(body.into_iter().fold(request, reqwest::RequestBuilder::json)).await
    }
}

/// Whom the calls are made by and done to.
struct Office {
    app: TestApp,
    admin: Person,
    owner: Person,
    stranger: Person,
}

impl Office {
    async fn open() -> Self {
        let app = TestApp::start().await;
        let (admin, owner, stranger) = (app.admin().await, app.member().await, app.member().await);
        // The stranger has something too: a call that empties a table is no better for it.
        app.snack(&stranger, "남의 것").await;
        Self { app, admin, owner, stranger }
    }

    async fn calls(&self, which: &[For]) -> Vec<Call> {
        let all = calls(&self.app).await;
        let chosen: Vec<Call> = all.into_iter().filter(|call| which.contains(&call.is_for())).collect();
        assert!(!chosen.is_empty());
        chosen
    }
}

#[tokio::test]
async fn what_is_for_others_is_refused_to_a_stranger_and_nothing_has_changed() {
    let office = Office::open().await;
    let Office { app, admin, owner, stranger } = &office;
    let mut refused = 0;
    for call in office.calls(&[For::OwnerAndAdmins, For::Admins]).await {
        let name = call.name();
        let ground = Ground::lay(app, owner, &name).await;
        let body = ground.body(&call);
        let before = digest(app, None).await;
        // Owning the resource makes nobody an admin.
        let strangers: &[&Person] = if call.is_for() == For::Admins { &[stranger, owner] } else { &[stranger] };
        for who in strangers {
            ground.send(app, &call, Some(who), body.as_ref()).await.refused(403, "permission_denied");
            assert_eq!(digest(app, None).await, before, "{name}");
            refused += 1;
        }
        // The very same request was sound: it does the deed for those whom it is for.
        let rightful: &Person = if call.is_for() == For::Admins { admin } else { owner };
        ground.send(app, &call, Some(rightful), body.as_ref()).await.expect(200);
        assert_eq!(digest(app, None).await == before, call.method == Method::GET, "{name}");
    }
    assert_eq!(refused, 20);
}

/// `body` with everything in it that could name somebody else or ask for more. Two names to sign in with are refused at once.
fn greedy(body: Option<Value>, victim: &Person) -> Option<Value> {
    let mut body = body?;
    let is_sign_in = body.get("username").is_some();
    let grasp = json!({
        "id": victim.id, "user_id": victim.id, "user": {"id": victim.id}, "owner": victim.id, "actor": victim.id,
        "registered_by": {"id": victim.id}, "email": victim.email, "member_type": "admin", "is_deleted": false,
        "is_admin": true, "status": "completed", "uid": "0191e3a0-0000-7000-8000-000000000000",
        "like_reaction_count": 1000, "blocks": false,
    });
    for (name, value) in
        grasp.as_object().expect("an object").iter().filter(|(name, _)| !is_sign_in || *name != "email")
    {
        let fields = body.as_object_mut().expect("an object");
        fields.entry(name.clone()).or_insert_with(|| value.clone());
    }
    Some(body)
}

#[tokio::test]
async fn what_anybody_may_do_is_done_to_nobody_elses_and_makes_nobody_more_than_they_are() {
    let office = Office::open().await;
    let Office { app, admin, owner, .. } = &office;
    let mut done = 0;
    for call in office.calls(&[For::Anybody, For::Members, For::Oneself]).await {
        let name = call.name();
        let ground = Ground::lay(app, owner, &name).await;
        // A stranger for each: some of the calls end a sign-in or an account.
        let stranger = app.member().await;
        let others = [admin.id, owner.id, ground.user, office.stranger.id];
        let before = digest(app, Some(&others)).await;
        let who = (call.is_for() != For::Anybody).then_some(&stranger);
        let body = greedy(ground.body(&call), owner);
        let greedy_path = Call { path: format!("{}?user_id={}&id={}", call.path, owner.id, owner.id), ..call.clone() };
        let answer = ground.send(app, &greedy_path, who, body.as_ref()).await;
        match name.as_str() {
            // No picture of that name, no account or token, and no reaction of one's own to take back.
            "GET /media/{path}" => assert_eq!(answer.status, 404, "{name}"),
            "POST /auth/token" | "POST /auth/token/refresh" => assert_eq!(answer.status, 401, "{name}"),
            "DELETE /snacks/{uid}/reaction" => drop(answer.refused(404, "reaction_not_found")),
            _ => assert!(answer.status.is_success(), "{name}: {} {}", answer.status, answer.text),
        }
        assert_eq!(digest(app, Some(&others)).await, before, "{name}");
        done += 1;
    }
    assert_eq!(done, 28);
    let admins: Vec<i64> = sqlx::query_scalar("SELECT id FROM users WHERE member_type = 'admin'")
        .fetch_all(app.db())
        .await
        .expect("the admins");
    assert_eq!(admins, [admin.id]);
    // What strangers registered and ordered is theirs, not the one's whom they named, and begins as everything does.
    let begun = "SELECT count(*) FROM snacks WHERE name LIKE 'POST %' AND registered_by <> $1
        AND like_reaction_count = 0 AND status = 'available'";
    let begun: i64 = sqlx::query_scalar(begun).bind(owner.id).fetch_one(app.db()).await.expect("a count");
    let orders = "SELECT count(*) FROM orders WHERE user_id <> $1 AND status = 'created'";
    let orders: i64 = sqlx::query_scalar(orders).bind(owner.id).fetch_one(app.db()).await.expect("a count");
    assert_eq!((begun, orders), (1, 2));
    // The owner's password is the owner's still.
    app.sign_in(owner.id, &owner.email).await;
}

#[tokio::test]
async fn a_slash_a_case_or_another_method_is_no_way_around_a_refusal() {
    let Office { app, owner, stranger, .. } = &Office::open().await;
    let ground = Ground::lay(app, owner, "새우깡").await;
    let before = digest(app, None).await;
    for call in calls(app).await.iter().filter(|call| matches!(call.is_for(), For::OwnerAndAdmins | For::Admins)) {
        let path = ground.path(call);
        let body = ground.body(call);
        let upper = path.to_uppercase();
        let hexed = path.replacen("/s", "/%73", 1).replacen("/a", "/%61", 1);
        for (method, path) in [
            (call.method.clone(), format!("{path}/")),
            (call.method.clone(), format!("{path}//")),
            (call.method.clone(), format!("{path}/.")),
            (call.method.clone(), upper),
            (call.method.clone(), hexed),
            (Method::POST, path.clone()),
            (Method::HEAD, path.clone()),
            (Method::DELETE, path),
        ] {
            let request = app.request(method.clone(), &path).bearer_auth(&stranger.access);
            let request = request.header("X-HTTP-Method-Override", call.method.as_str());
            let request = request.header("X-Original-URL", path.clone()).header("X-User-Id", owner.id.to_string());
            app.send(body.iter().fold(request, reqwest::RequestBuilder::json)).await;
            assert_eq!(digest(app, None).await, before, "{method} {path}");
        }
    }
}
