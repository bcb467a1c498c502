//! Order of errors: 401, 403 for a role, 400, 404, 403 for what belongs to another user, 412, 409.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::{
    endpoints::{Access, NO_UID, endpoints},
    response::Response,
    test_app::{TestApp, TestUser},
};

#[tokio::test]
async fn a_missing_role_is_reported_before_an_invalid_request() {
    let app = TestApp::start().await;
    let (member, admin) = (app.member().await, app.admin().await);
    for endpoint in endpoints(&app).await.iter().filter(|endpoint| endpoint.needs_token()) {
        if endpoint.path == "/auth/users/resign" {
            continue;
        }
        let path = format!("{}?limit=0&ordering=x&year=x", endpoint.with("%FF"));
        let send = |user: &TestUser| app.request(endpoint.method.clone(), &path).bearer_auth(&user.access);
        let response = app.send(send(&member)).await;
        assert_eq!(response.status == 403, endpoint.access() == Access::Admins, "{}", endpoint.name());
        if endpoint.access() == Access::Admins {
            response.expect_error(403, "permission_denied");
        }
        let response = app.send(send(&admin)).await;
        assert!(![401, 403].contains(&response.status.as_u16()), "{}", endpoint.name());
    }
}

/// A server with an order and a snack of `owner`.
struct Setup {
    app: TestApp,
    admin: TestUser,
    owner: TestUser,
    other: TestUser,
    snack: String,
    order: String,
}

impl Setup {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let (admin, owner, other) = (app.admin().await, app.member().await, app.member().await);
        let snack = app.snack(&owner, "새우깡").await;
        let order = app.order(&owner, &[&snack]).await;
        Self { app, admin, owner, other, snack, order }
    }

    /// Sends `body` with an If-Match that has never matched.
    async fn put_if(&self, user: &TestUser, path: &str, body: Value) -> Response {
        let request = self
            .app
            .request(Method::PUT, path)
            .bearer_auth(&user.access)
            .header(header::IF_MATCH, "\"never\"")
            .json(&body);
        self.app.send(request).await
    }

    fn line(&self) -> Value {
        json!({"snacks": [{"uid": self.snack, "quantity": 1}]})
    }
}

#[tokio::test]
async fn an_invalid_request_is_reported_before_a_missing_resource() {
    let Setup { app, admin, .. } = Setup::new().await;
    for uid in [NO_UID, "nonsense", "%FF"] {
        let invalid = [
            (Method::PATCH, format!("/snacks/{uid}"), json!({"name": " "})),
            (Method::PUT, format!("/snacks/{uid}/status"), json!({})),
            (Method::PUT, format!("/orders/{uid}"), json!({"snacks": []})),
            (Method::PATCH, format!("/orders/{uid}/status"), json!({})),
            (Method::PUT, format!("/order/{uid}"), json!({})),
            (Method::PUT, format!("/auth/users/{uid}"), json!({})),
        ];
        for (method, path, body) in invalid {
            let request = |body: &Value| app.request(method.clone(), &path).bearer_auth(&admin.access).json(body);
            app.send(request(&body)).await.expect_error(400, "validation_failed");
            app.send(request(&json!([]))).await.expect_error(400, "invalid_request");
        }
        app.post(&admin, &format!("/snacks/{uid}/reaction"), json!({"type": "adore"}))
            .await
            .expect_error(400, "invalid_request");
        let unknown = json!({"snacks": [{"uid": NO_UID, "quantity": 1}]});
        app.put(&admin, &format!("/orders/{uid}"), unknown).await.expect_error(400, "unknown_snack");
    }
}

#[tokio::test]
async fn an_invalid_request_is_reported_before_another_owner() {
    let setup = Setup::new().await;
    let (app, other) = (&setup.app, &setup.other);
    app.patch(other, &format!("/snacks/{}", setup.snack), json!({"name": " "}))
        .await
        .expect_error(400, "validation_failed");
    let unknown = json!({"snacks": [{"uid": NO_UID, "quantity": 1}]});
    app.put(other, &format!("/orders/{}", setup.order), unknown).await.expect_error(400, "unknown_snack");
}

#[tokio::test]
async fn what_is_somebody_elses_is_refused_and_what_is_not_there_is_not_found() {
    let setup = Setup::new().await;
    let (app, other) = (&setup.app, &setup.other);
    let price = json!({"price": "2000"});
    for uid in [NO_UID, "nonsense", "%FF"] {
        app.patch(other, &format!("/snacks/{uid}"), price.clone()).await.expect_error(404, "not_found");
        setup.put_if(other, &format!("/orders/{uid}"), setup.line()).await.expect_error(404, "not_found");
    }
    app.patch(other, &format!("/snacks/{}", setup.snack), price).await.expect_error(403, "permission_denied");
    app.put(other, &format!("/orders/{}", setup.order), setup.line()).await.expect_error(403, "permission_denied");
}

#[tokio::test]
async fn another_owner_is_reported_before_a_condition_and_a_conflict() {
    let setup = Setup::new().await;
    let (app, other) = (&setup.app, &setup.other);
    let path = format!("/orders/{}", setup.order);
    setup.put_if(other, &path, setup.line()).await.expect_error(403, "permission_denied");
    app.snack(&setup.owner, "초코파이").await;
    app.patch(other, &format!("/snacks/{}", setup.snack), json!({"name": "초코파이"}))
        .await
        .expect_error(403, "permission_denied");
    app.set_status(&setup.admin, &setup.order, "approved").await.expect(200);
    app.put(other, &path, setup.line()).await.expect_error(403, "permission_denied");
}

#[tokio::test]
async fn a_failed_condition_is_reported_before_a_conflict() {
    let setup = Setup::new().await;
    let (admin, owner) = (&setup.admin, &setup.owner);
    let path = format!("/orders/{}", setup.order);
    setup.app.set_status(admin, &setup.order, "canceled").await.expect(200);
    setup.put_if(owner, &path, setup.line()).await.expect_error(412, "precondition_failed");
    setup.app.put(owner, &path, setup.line()).await.expect_error(409, "order_not_editable");
    let approve = json!({"status": "approved"});
    setup.put_if(admin, &format!("{path}/status"), approve.clone()).await.expect_error(412, "precondition_failed");
    setup.app.put(admin, &format!("{path}/status"), approve).await.expect_error(409, "invalid_transition");
}

#[tokio::test]
async fn a_missing_resource_is_reported_before_a_condition_and_a_conflict() {
    let setup = Setup::new().await;
    for uid in [NO_UID, "nonsense"] {
        setup
            .put_if(&setup.admin, &format!("/orders/{uid}/status"), json!({"status": "approved"}))
            .await
            .expect_error(404, "not_found");
        // The snack is in an open order, which would be a conflict if the order existed.
        setup.app.put(&setup.owner, &format!("/orders/{uid}"), setup.line()).await.expect_error(404, "not_found");
    }
}
