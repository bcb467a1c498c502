//! Ownership: every endpoint of the OpenAPI document as a stranger calls it, with a request that is valid otherwise. It
//! is rejected or changes only the stranger's own rows.

use std::fmt::Write;

use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use snack_server::{audit::Actor, auth::users};
use uuid::Uuid;

use crate::support::{
    endpoints::{Access, Endpoint, endpoints, valid_body},
    fixtures::count,
    response::Response,
    test_app::{TestApp, TestUser},
};

/// Tables that endpoints change, and the owner of each row.
const TABLES: &[(&str, &str)] = &[
    ("users", "t.id"),
    ("sessions", "t.user_id"),
    ("refresh_tokens", "(SELECT user_id FROM sessions WHERE sessions.id = t.session_id)"),
    ("snacks", "t.registered_by"),
    ("snack_reactions", "t.user_id"),
    ("orders", "t.user_id"),
    ("purchases", "(SELECT user_id FROM orders WHERE orders.id = t.order_id)"),
    ("order_history", "(SELECT user_id FROM orders WHERE orders.id = t.order_id)"),
    ("order_follows", "t.user_id"),
    // Of the company.
    ("budget_limits", "NULL::bigint"),
    ("channels", "NULL::bigint"),
    ("deliveries", "NULL::bigint"),
    ("idempotency_keys", "t.user_id"),
    ("invitations", "t.invited_by"),
    ("link_tokens", "t.user_id"),
    ("sign_in_codes", "t.user_id"),
    ("account_mails", "NULL::bigint"),
];

/// A digest of every row, or of the rows of `whose`, one line for each table.
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

/// A snack of `owner` that they like and have ordered, a second snack that can be ordered, a user to promote with a session, an invitation, and a
/// channel with a delivery.
struct Resources {
    snack: String,
    order: String,
    free: String,
    user: i64,
    session: Uuid,
    invitation: i64,
    channel: i64,
    delivery: i64,
}

impl Resources {
    async fn create(app: &TestApp, owner: &TestUser, name: &str) -> Self {
        let snack = app.snack(owner, &format!("{name} 하나")).await;
        let order = app.order(owner, &[&snack]).await;
        let free = app.snack(owner, &format!("{name} 둘")).await;
        app.post(owner, &format!("/snacks/{snack}/reaction"), json!({"type": "like"})).await.expect(200);
        if name.ends_with("/arrival") {
            for status in ["approved", "ordered"] {
                let sql = "UPDATE orders SET status = $2::text::order_status, estimated_arrival_time = now() WHERE uid = $1::text::uuid";
                sqlx::query(sql).bind(&order).bind(status).execute(app.db()).await.expect("an update");
            }
        }
        let user = app.users(1).await.remove(0).id;
        if name.ends_with("/restore") {
            users::resign(app.db(), &Actor::local(), user).await.expect("a resignation");
        }
        let session = Uuid::new_v4();
        let sql = "WITH session AS (INSERT INTO sessions (id, user_id) VALUES ($1, $2))
            INSERT INTO refresh_tokens (jti, session_id, expires_at) VALUES ($1, $1, now() + interval '1 hour')";
        sqlx::query(sql).bind(session).bind(user).execute(app.db()).await.expect("a session");
        let sql = "INSERT INTO invitations (email, email_key, member_type, expires_at)
            VALUES ($1, $1, 'admin', now() + interval '7 days') RETURNING id";
        let invitation = sqlx::query_scalar(sql)
            .bind(format!("{session}@snack.example"))
            .fetch_one(app.db())
            .await
            .expect("an invitation");
        // An address that nothing is sent to.
        let sql = "WITH channel AS (
                INSERT INTO channels (kind, name, url, events, language, is_enabled)
                VALUES ('slack', $1, 'https://127.0.0.1/hook', '{order.created}', 'ko', false) RETURNING id)
            INSERT INTO deliveries (channel_id, event, payload, status, next_attempt_at, finished_at)
            SELECT id, 'order.created', '{}', 'delivered', NULL, now() FROM channel RETURNING channel_id, id";
        let (channel, delivery) = sqlx::query_as(sql).bind(name).fetch_one(app.db()).await.expect("a delivery");
        Self { snack, order, free, user, session, invitation, channel, delivery }
    }

    /// The path of the endpoint for these resources.
    fn path(&self, endpoint: &Endpoint) -> String {
        endpoint.with(match endpoint.path.split('/').nth(1) {
            Some("auth") if endpoint.path.contains("/sessions/") => return endpoint.with(&self.session.to_string()),
            Some("auth") if endpoint.path.contains("/invitations/") => {
                return endpoint.with(&self.invitation.to_string());
            }
            Some("auth") => return endpoint.with(&self.user.to_string()),
            Some("channels") => {
                let path = endpoint.path.replace("{delivery}", &self.delivery.to_string());
                return path.replace("{id}", &self.channel.to_string());
            }
            Some("snacks") => &self.snack,
            Some("order" | "orders") => &self.order,
            Some("budgets") => "2030-01",
            _ if endpoint.path.contains('{') => "0191e3a0-0000-7000-8000-000000000000.png",
            _ => "",
        })
    }

    /// A body that succeeds for a permitted user. The second snack is ordered because nobody has ordered it yet.
    fn body(&self, endpoint: &Endpoint) -> Option<Value> {
        let mut body = endpoint.takes_json().then(|| valid_body(&endpoint.name(), &self.free))?;
        match endpoint.name().as_str() {
            "PUT /auth/users/{id}" | "PATCH /auth/users/{id}" => body["member_type"] = json!("admin"),
            "POST /snacks" | "PATCH /snacks/{uid}" => {
                body["name"] = json!(format!("{} {}", endpoint.method, self.snack))
            }
            _ => {}
        }
        Some(body)
    }

    async fn send(
        &self,
        app: &TestApp,
        endpoint: &Endpoint,
        user: Option<&TestUser>,
        body: Option<&Value>,
    ) -> Response {
        let request = app.request(endpoint.method.clone(), &self.path(endpoint));
        let request = user.into_iter().fold(request, |request, user| request.bearer_auth(&user.access));
        if endpoint.takes_body() && !endpoint.takes_json() {
            let file = Part::text(format!("name,price\n{} 가져옴,1500", self.snack));
            return app.send(request.multipart(Form::new().part("file", file))).await;
        }
        app.send(body.into_iter().fold(request, reqwest::RequestBuilder::json)).await
    }
}

/// The users of these tests.
struct Setup {
    app: TestApp,
    admin: TestUser,
    owner: TestUser,
    stranger: TestUser,
}

impl Setup {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let (admin, owner, stranger) = (app.admin().await, app.member().await, app.member().await);
        // The stranger owns rows too, so that an endpoint that empties a table is noticed.
        app.snack(&stranger, "남의 것").await;
        Self { app, admin, owner, stranger }
    }

    async fn endpoints(&self, which: &[Access]) -> Vec<Endpoint> {
        let all = endpoints(&self.app).await;
        let chosen: Vec<Endpoint> = all.into_iter().filter(|endpoint| which.contains(&endpoint.access())).collect();
        assert!(!chosen.is_empty());
        chosen
    }
}

#[tokio::test]
async fn endpoints_for_owners_and_admins_are_refused_to_a_stranger_and_change_nothing() {
    let setup = Setup::new().await;
    let Setup { app, admin, owner, stranger } = &setup;
    let mut rejected = 0;
    for endpoint in setup.endpoints(&[Access::OwnersAndAdmins, Access::Admins]).await {
        let name = endpoint.name();
        let resources = Resources::create(app, owner, &name).await;
        let body = resources.body(&endpoint);
        let before = digest(app, None).await;
        // Owning the resource does not replace the admin role.
        let strangers: &[&TestUser] =
            if endpoint.access() == Access::Admins { &[stranger, owner] } else { &[stranger] };
        for user in strangers {
            resources.send(app, &endpoint, Some(user), body.as_ref()).await.expect_error(403, "permission_denied");
            assert_eq!(digest(app, None).await, before, "{name}");
            rejected += 1;
        }
        // The same request succeeds for the permitted user, so it was valid.
        let permitted: &TestUser = if endpoint.access() == Access::Admins { admin } else { owner };
        let response = resources.send(app, &endpoint, Some(permitted), body.as_ref()).await;
        assert!(response.status.is_success(), "{name}: {} {}", response.status, response.text);
        // A delivery that is retried ends at once, because its channel is disabled.
        while count(app.db(), "SELECT count(*) FROM deliveries WHERE status = 'pending'").await > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(digest(app, None).await == before, endpoint.method == Method::GET, "{name}");
    }
    assert_eq!(rejected, 54);
}

/// `body` with every field that could name another user or ask for more rights. A sign-in with two user names is
/// rejected.
fn with_foreign_fields(body: Option<Value>, victim: &TestUser) -> Option<Value> {
    let mut body = body?;
    let is_sign_in = body.get("username").is_some();
    let foreign = json!({
        "id": victim.id, "user_id": victim.id, "user": {"id": victim.id}, "owner": victim.id, "actor": victim.id,
        "registered_by": {"id": victim.id}, "email": victim.email, "member_type": "admin", "is_deleted": false,
        "is_admin": true, "status": "completed", "uid": "0191e3a0-0000-7000-8000-000000000000",
        "like_reaction_count": 1000, "blocks": false,
    });
    for (name, value) in
        foreign.as_object().expect("an object").iter().filter(|(name, _)| !is_sign_in || *name != "email")
    {
        let fields = body.as_object_mut().expect("an object");
        fields.entry(name.clone()).or_insert_with(|| value.clone());
    }
    Some(body)
}

#[tokio::test]
async fn endpoints_for_everybody_change_nothing_of_others_and_give_no_rights() {
    let setup = Setup::new().await;
    let Setup { app, admin, owner, .. } = &setup;
    let mut checked = 0;
    for endpoint in setup.endpoints(&[Access::Public, Access::SignedIn, Access::OwnAccount]).await {
        let name = endpoint.name();
        let resources = Resources::create(app, owner, &name).await;
        // One stranger for each endpoint, because some endpoints end a session or an account.
        let stranger = app.member().await;
        let others = [admin.id, owner.id, resources.user, setup.stranger.id];
        let before = digest(app, Some(&others)).await;
        let user = (endpoint.access() != Access::Public).then_some(&stranger);
        let body = with_foreign_fields(resources.body(&endpoint), owner);
        let with_foreign_query =
            Endpoint { path: format!("{}?user_id={}&id={}", endpoint.path, owner.id, owner.id), ..endpoint.clone() };
        let response = resources.send(app, &with_foreign_query, user, body.as_ref()).await;
        match name.as_str() {
            // There is no identity provider, no picture of that name, no such account or token, and no reaction of the stranger's own.
            "GET /media/{path}" | "GET /auth/oidc/login" | "GET /auth/oidc/callback" => {
                assert_eq!(response.status, 404, "{name}");
            }
            "POST /auth/oidc/token" | "POST /auth/token" | "POST /auth/token/refresh" => {
                assert_eq!(response.status, 401, "{name}")
            }
            "DELETE /auth/sessions/{id}" => drop(response.expect_error(404, "not_found")),
            "POST /auth/password/reset" => drop(response.expect_error(400, "invalid_reset_token")),
            "DELETE /snacks/{uid}/reaction" => drop(response.expect_error(404, "reaction_not_found")),
            _ => assert!(response.status.is_success(), "{name}: {} {}", response.status, response.text),
        }
        assert_eq!(digest(app, Some(&others)).await, before, "{name}");
        checked += 1;
    }
    assert_eq!(checked, 45);
    let admins: Vec<i64> = sqlx::query_scalar("SELECT id FROM users WHERE member_type = 'admin'")
        .fetch_all(app.db())
        .await
        .expect("the admins");
    assert_eq!(admins, [admin.id]);
    // What strangers registered and ordered belongs to them, not to the user they named, and has the initial status.
    let registered = "SELECT count(*) FROM snacks WHERE name LIKE 'POST %' AND registered_by <> $1
        AND like_reaction_count = 0 AND status = 'available'";
    let registered: i64 = sqlx::query_scalar(registered).bind(owner.id).fetch_one(app.db()).await.expect("a count");
    let orders = "SELECT count(*) FROM orders WHERE user_id <> $1 AND status = 'created'";
    let orders: i64 = sqlx::query_scalar(orders).bind(owner.id).fetch_one(app.db()).await.expect("a count");
    assert_eq!((registered, orders), (1, 2));
    // The owner's password is unchanged.
    app.sign_in(owner.id, &owner.email).await;
}

#[tokio::test]
async fn a_slash_another_case_or_another_method_does_not_bypass_a_permission() {
    let Setup { app, owner, stranger, .. } = &Setup::new().await;
    let resources = Resources::create(app, owner, "새우깡").await;
    let before = digest(app, None).await;
    for endpoint in endpoints(app)
        .await
        .iter()
        .filter(|endpoint| matches!(endpoint.access(), Access::OwnersAndAdmins | Access::Admins))
    {
        let path = resources.path(endpoint);
        let body = resources.body(endpoint);
        let upper = path.to_uppercase();
        let percent_encoded = path.replacen("/s", "/%73", 1).replacen("/a", "/%61", 1);
        for (method, path) in [
            (endpoint.method.clone(), format!("{path}/")),
            (endpoint.method.clone(), format!("{path}//")),
            (endpoint.method.clone(), format!("{path}/.")),
            (endpoint.method.clone(), upper),
            (endpoint.method.clone(), percent_encoded),
            (Method::POST, path.clone()),
            (Method::HEAD, path.clone()),
            (Method::DELETE, path),
        ] {
            let request = app.request(method.clone(), &path).bearer_auth(&stranger.access);
            let request = request.header("X-HTTP-Method-Override", endpoint.method.as_str());
            let request = request.header("X-Original-URL", path.clone()).header("X-User-Id", owner.id.to_string());
            app.send(body.iter().fold(request, reqwest::RequestBuilder::json)).await;
            assert_eq!(digest(app, None).await, before, "{method} {path}");
        }
    }
}
