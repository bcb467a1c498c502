//! Mails of notifications, through a real SMTP server.

use reqwest::{Method, header::ACCEPT_LANGUAGE};
use serde_json::json;
use sqlx::FromRow;

use crate::support::{
    fixtures::order_with_status,
    notification::mailing,
    smtp::SmtpServer,
    test_app::{TestApp, TestUser},
};

async fn want_mails(app: &TestApp, user: &TestUser, language: &str) {
    let request = app.request(Method::PUT, "/notifications/preferences").bearer_auth(&user.access);
    app.send(request.header(ACCEPT_LANGUAGE, language).json(&json!({"email": "all"}))).await.expect(200);
}

/// Gives the user an address whose local part decides what the SMTP server does.
async fn rename(app: &TestApp, user: &TestUser, email: &str) {
    let sql = "UPDATE users SET email = $2, email_key = $2 WHERE id = $1";
    sqlx::query(sql).bind(user.id).bind(email).execute(app.db()).await.expect("an update");
}

#[derive(Debug, FromRow)]
struct Delivery {
    status: String,
    attempts: i32,
    error: Option<String>,
    /// Seconds until the next attempt.
    wait: Option<f64>,
}

/// Waits until the only mail has had `attempts` and is not under way.
async fn ended(app: &TestApp, attempts: i32) -> Delivery {
    let sql = "SELECT status::text, attempts, error, extract(epoch FROM next_attempt_at - now())::float8 AS wait FROM deliveries
        WHERE attempts >= $1 AND (error IS NOT NULL OR status <> 'pending')";
    for _ in 0..100_000 {
        if let Some(delivery) = sqlx::query_as(sql).bind(attempts).fetch_optional(app.db()).await.expect("Postgres") {
            return delivery;
        }
        tokio::task::yield_now().await;
    }
    panic!("the mail does not end");
}

async fn due_now(app: &TestApp) {
    sqlx::query("UPDATE deliveries SET next_attempt_at = now(), error = NULL")
        .execute(app.db())
        .await
        .expect("an update");
}

#[tokio::test]
async fn a_mail_is_written_in_the_language_of_its_reader() {
    let mut smtp = SmtpServer::start(&[]).await;
    let app = mailing(format!("smtp://127.0.0.1:{}", smtp.port)).await;
    let admin = app.admin().await;
    let (korean, english) = (app.member().await, app.member().await);
    want_mails(&app, &korean, "ko").await;
    want_mails(&app, &english, "en").await;
    for member in [&korean, &english] {
        let snack = app.snack(member, &format!("새우<b>깡 {}", member.id)).await;
        let order = app.order(member, &[&snack]).await;
        let body = json!({"status": "canceled", "reason": "품절"});
        app.put(&admin, &format!("/orders/{order}/status"), body).await.expect(200);
        let mail = smtp.mail().await;
        assert_eq!((&mail["sender"], &mail["recipients"]), (&json!("snack@office.example"), &json!([member.email])));
        let headers = &mail["headers"];
        assert_eq!(headers["from"], "간식 서버 <snack@office.example>");
        assert_eq!(headers["auto-submitted"], "auto-generated");
        assert!(headers["message-id"].as_str().is_some_and(|id| id.ends_with("@office.example>")), "{headers}");
        let (subject, line) = if member.id == korean.id {
            ("[간식] 주문이 취소되었습니다: ", "주문 보기: ")
        } else {
            ("[Snack] Order canceled: ", "Show the order: ")
        };
        let text = |part: &str| mail[part].as_str().expect("a text").to_owned();
        assert!(headers["subject"].as_str().is_some_and(|found| found.starts_with(subject)), "{headers}");
        let link = format!("{}app/orders/{order}", app.state.config.public_url);
        assert!(text("plain").contains(&format!("{line}{link}")) && text("plain").contains("품절"), "{mail}");
        assert!(text("plain").contains("새우<b>깡") && text("html").contains("새우&lt;b&gt;깡"), "{mail}");
        assert!(text("html").contains(&format!("href=\"{link}\"")), "{mail}");
    }
}

#[tokio::test]
async fn a_mail_server_may_want_a_password() {
    let mut smtp = SmtpServer::start(&["login"]).await;
    let app = mailing(format!("smtp://snack:p%40ss%2Fword@127.0.0.1:{}", smtp.port)).await;
    let (admin, member) = (app.admin().await, app.member().await);
    want_mails(&app, &admin, "ko").await;
    order_with_status(&app, &member, "created").await;
    assert_eq!(smtp.mail().await["recipients"], json!([admin.email]));

    let app = mailing(format!("smtp://snack:wrong@127.0.0.1:{}", smtp.port)).await;
    let (admin, member) = (app.admin().await, app.member().await);
    want_mails(&app, &admin, "ko").await;
    order_with_status(&app, &member, "created").await;
    let delivery = ended(&app, 1).await;
    assert!(delivery.error.is_some_and(|error| !error.contains("wrong")), "the password is not shown");
}

#[tokio::test]
async fn a_refused_mail_is_repeated_unless_it_is_refused_for_good() {
    let smtp = SmtpServer::start(&[]).await;
    let url = format!("smtp://127.0.0.1:{}", smtp.port);
    let cases = [
        ("unknown@office.example", "failed", "550"),
        ("busy@office.example", "pending", "451"),
        ("silent@office.example", "pending", "time"),
    ];
    for (email, status, error) in cases {
        let app = mailing(url.clone()).await;
        let (admin, member) = (app.admin().await, app.member().await);
        want_mails(&app, &admin, "ko").await;
        rename(&app, &admin, email).await;
        order_with_status(&app, &member, "created").await;
        let delivery = ended(&app, 1).await;
        assert_eq!((delivery.status.as_str(), delivery.attempts), (status, 1), "{email}");
        assert!(delivery.error.as_deref().is_some_and(|found| found.contains(error)), "{email}: {delivery:?}");
        assert_eq!(delivery.wait.is_some_and(|wait| wait <= 5.0), status == "pending", "{delivery:?}");
        if email.starts_with("busy") {
            rename(&app, &admin, "again@office.example").await;
            due_now(&app).await;
            let delivery = ended(&app, 2).await;
            assert_eq!((delivery.status.as_str(), delivery.attempts), ("delivered", 2));
        }
    }
}

#[tokio::test]
async fn a_mail_server_that_is_down_or_without_tls_is_tried_again() {
    let smtp = SmtpServer::start(&[]).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = listener.local_addr().expect("an address").port();
    drop(listener);
    for url in [format!("smtp://127.0.0.1:{closed}"), format!("smtp://127.0.0.1:{}?tls=required", smtp.port)] {
        let app = mailing(url).await;
        let (admin, member) = (app.admin().await, app.member().await);
        want_mails(&app, &admin, "ko").await;
        order_with_status(&app, &member, "created").await;
        let delivery = ended(&app, 1).await;
        assert_eq!((delivery.status.as_str(), delivery.attempts), ("pending", 1), "{delivery:?}");
        // Orders do not wait for the mail server.
        order_with_status(&app, &member, "created").await;
    }
}

#[tokio::test]
async fn those_who_turned_mails_off_or_left_in_the_meantime_get_none() {
    let smtp = SmtpServer::start(&[]).await;
    let app = mailing(format!("smtp://127.0.0.1:{}", smtp.port)).await;
    let member = app.member().await;
    for change in
        ["UPDATE users SET is_mailed = false WHERE id = $1", "UPDATE users SET is_deleted = true WHERE id = $1"]
    {
        let admin = app.admin().await;
        want_mails(&app, &admin, "ko").await;
        rename(&app, &admin, "busy@office.example").await;
        order_with_status(&app, &member, "created").await;
        assert_eq!(ended(&app, 1).await.status, "pending");
        sqlx::query(change).bind(admin.id).execute(app.db()).await.expect("an update");
        rename(&app, &admin, &admin.email).await;
        due_now(&app).await;
        assert_eq!(ended(&app, 2).await.status, "failed");
        sqlx::query("DELETE FROM deliveries").execute(app.db()).await.expect("a deletion");
    }
}
