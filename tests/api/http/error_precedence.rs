//! Who is refused what, and in which order: 401, 403 for a role, 400, 404, 403 for what is somebody else's, 412, 409.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::{
    endpoints::{For, NO_UID, calls},
    response::Answer,
    test_app::{Person, TestApp},
};

#[tokio::test]
async fn a_member_is_refused_what_admins_do_before_the_request_is_looked_at() {
    let app = TestApp::start().await;
    let (member, admin) = (app.member().await, app.admin().await);
    for call in calls(&app).await.iter().filter(|call| call.needs_token()) {
        if call.path == "/auth/users/resign" {
            continue;
        }
        let path = format!("{}?limit=0&ordering=x&year=x", call.with("%FF"));
        let ask = |who: &Person| app.request(call.method.clone(), &path).bearer_auth(&who.access);
        let answer = app.send(ask(&member)).await;
        assert_eq!(answer.status == 403, call.is_for() == For::Admins, "{}", call.name());
        if call.is_for() == For::Admins {
            answer.refused(403, "permission_denied");
        }
        let answer = app.send(ask(&admin)).await;
        assert!(![401, 403].contains(&answer.status.as_u16()), "{}", call.name());
    }
}

/// A server with an order and a snack of `owner`'s.
struct Office {
    app: TestApp,
    admin: Person,
    owner: Person,
    other: Person,
    snack: String,
    order: String,
}

impl Office {
    async fn open() -> Self {
        let app = TestApp::start().await;
        let (admin, owner, other) = (app.admin().await, app.member().await, app.member().await);
        let snack = app.snack(&owner, "새우깡").await;
        let order = app.order(&owner, &[&snack]).await;
        Self { app, admin, owner, other, snack, order }
    }

    /// Sends `body` on the condition that the resource is still in a state that it never had.
    async fn put_if(&self, who: &Person, path: &str, body: Value) -> Answer {
        let request = self
            .app
            .request(Method::PUT, path)
            .bearer_auth(&who.access)
            .header(header::IF_MATCH, "\"never\"")
            .json(&body);
        self.app.send(request).await
    }

    fn line(&self) -> Value {
        json!({"snacks": [{"uid": self.snack, "quantity": 1}]})
    }
}

#[tokio::test]
async fn a_bad_request_is_told_before_that_there_is_nothing() {
    let Office { app, admin, .. } = Office::open().await;
    for uid in [NO_UID, "nonsense", "%FF"] {
        let broken = [
            (Method::PATCH, format!("/snacks/{uid}"), json!({"name": " "})),
            (Method::PUT, format!("/snacks/{uid}/status"), json!({})),
            (Method::PUT, format!("/orders/{uid}"), json!({"snacks": []})),
            (Method::PATCH, format!("/orders/{uid}/status"), json!({})),
            (Method::PUT, format!("/order/{uid}"), json!({})),
            (Method::PUT, format!("/auth/users/{uid}"), json!({})),
        ];
        for (method, path, body) in broken {
            let request = |body: &Value| app.request(method.clone(), &path).bearer_auth(&admin.access).json(body);
            app.send(request(&body)).await.refused(400, "validation_failed");
            app.send(request(&json!([]))).await.refused(400, "invalid_request");
        }
        app.post(&admin, &format!("/snacks/{uid}/reaction"), json!({"type": "adore"}))
            .await
            .refused(400, "invalid_request");
        let unknown = json!({"snacks": [{"uid": NO_UID, "quantity": 1}]});
        app.put(&admin, &format!("/orders/{uid}"), unknown).await.refused(400, "unknown_snack");
    }
}

#[tokio::test]
async fn a_bad_request_is_told_before_that_it_is_somebody_elses() {
    let office = Office::open().await;
    let (app, other) = (&office.app, &office.other);
    app.patch(other, &format!("/snacks/{}", office.snack), json!({"name": " "}))
        .await
        .refused(400, "validation_failed");
    let unknown = json!({"snacks": [{"uid": NO_UID, "quantity": 1}]});
    app.put(other, &format!("/orders/{}", office.order), unknown).await.refused(400, "unknown_snack");
}

#[tokio::test]
async fn what_is_somebody_elses_is_refused_and_what_is_not_there_is_not_found() {
    let office = Office::open().await;
    let (app, other) = (&office.app, &office.other);
    let price = json!({"price": "2000"});
    for uid in [NO_UID, "nonsense", "%FF"] {
        app.patch(other, &format!("/snacks/{uid}"), price.clone()).await.refused(404, "not_found");
        office.put_if(other, &format!("/orders/{uid}"), office.line()).await.refused(404, "not_found");
    }
    app.patch(other, &format!("/snacks/{}", office.snack), price).await.refused(403, "permission_denied");
    app.put(other, &format!("/orders/{}", office.order), office.line()).await.refused(403, "permission_denied");
}

#[tokio::test]
async fn what_is_somebody_elses_is_told_before_a_condition_and_a_conflict() {
    let office = Office::open().await;
    let (app, other) = (&office.app, &office.other);
    let path = format!("/orders/{}", office.order);
    office.put_if(other, &path, office.line()).await.refused(403, "permission_denied");
    app.snack(&office.owner, "초코파이").await;
    app.patch(other, &format!("/snacks/{}", office.snack), json!({"name": "초코파이"}))
        .await
        .refused(403, "permission_denied");
    app.go(&office.admin, &office.order, "approved").await.expect(200);
    app.put(other, &path, office.line()).await.refused(403, "permission_denied");
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_told_before_a_conflict() {
    let office = Office::open().await;
    let (admin, owner) = (&office.admin, &office.owner);
    let path = format!("/orders/{}", office.order);
    office.app.go(admin, &office.order, "canceled").await.expect(200);
    office.put_if(owner, &path, office.line()).await.refused(412, "precondition_failed");
    office.app.put(owner, &path, office.line()).await.refused(409, "order_not_editable");
    let approve = json!({"status": "approved"});
    office.put_if(admin, &format!("{path}/status"), approve.clone()).await.refused(412, "precondition_failed");
    office.app.put(admin, &format!("{path}/status"), approve).await.refused(409, "invalid_transition");
}

#[tokio::test]
async fn what_is_not_there_is_told_before_a_condition_and_a_conflict() {
    let office = Office::open().await;
    for uid in [NO_UID, "nonsense"] {
        office
            .put_if(&office.admin, &format!("/orders/{uid}/status"), json!({"status": "approved"}))
            .await
            .refused(404, "not_found");
        // The snack is in an open order: a conflict, were there an order to put it into.
        office.app.put(&office.owner, &format!("/orders/{uid}"), office.line()).await.refused(404, "not_found");
    }
}
