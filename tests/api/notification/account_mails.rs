//! Mails with links, for a new password and for invitations, through a real SMTP server.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, header::ACCEPT_LANGUAGE};
use serde_json::{Value, json};
use snack_server::{http::headers::Language, operations::cleanup, outbox::AccountMail};

use crate::support::{
    fixtures::count,
    notification::{link_token, mailing, reset_token},
    smtp::SmtpServer,
    test_app::{TestApp, TestUser},
};

async fn forgot(app: &TestApp, email: &str, language: &str) {
    let request = app.request(Method::POST, "/auth/password/forgot").header(ACCEPT_LANGUAGE, language);
    app.send(request.json(&json!({"email": email}))).await.expect(204);
}

async fn execute(app: &TestApp, sql: &'static str) {
    sqlx::query(sql).execute(app.db()).await.expect("a statement");
}

/// Status and error of the only delivery once it has ended or waits for its second attempt.
async fn ended(app: &TestApp) -> (String, Option<String>) {
    let sql =
        "SELECT status::text, error FROM deliveries WHERE attempts >= 1 AND (error IS NOT NULL OR status <> 'pending')";
    for _ in 0..100_000 {
        if let Some(delivery) = sqlx::query_as(sql).fetch_optional(app.db()).await.expect("Postgres") {
            return delivery;
        }
        tokio::task::yield_now().await;
    }
    panic!("the mail does not end");
}

/// Writes the mail as it is sent later, and wakes the sender.
async fn write(app: &TestApp, mail: &AccountMail<'_>) {
    app.state.outbox.write_account_mail(app.db(), mail).await.expect("a mail");
    app.state.outbox.wake();
}

async fn invite(app: &TestApp, inviter: Option<&TestUser>, expires_at: DateTime<Utc>) -> i64 {
    let sql = "INSERT INTO invitations (email, email_key, member_type, invited_by, expires_at)
        VALUES ('New@snack.example', 'new@snack.example', 'member', $1, $2) RETURNING id";
    let inviter = inviter.map(|inviter| inviter.id);
    sqlx::query_scalar(sql).bind(inviter).bind(expires_at).fetch_one(app.db()).await.expect("an invitation")
}

fn invitation_mail(invitation: i64, language: Language) -> AccountMail<'static> {
    AccountMail { invitation: Some(invitation), email: "New@snack.example", language, address: "203.0.113.9" }
}

fn part<'a>(mail: &'a Value, part: &str) -> &'a str {
    mail[part].as_str().expect("a text")
}

#[tokio::test]
async fn a_mail_for_a_new_password_is_in_the_language_of_the_request_and_goes_to_the_stored_address() {
    let mut smtp = SmtpServer::start(&[]).await;
    let app = mailing(smtp.url()).await;
    let member = app.member().await;
    let sql = "UPDATE users SET email = 'Kim.Snack@snack.example', email_key = 'kim.snack@snack.example', name = '김<b>간식' WHERE id = $1";
    sqlx::query(sql).bind(member.id).execute(app.db()).await.expect("an update");
    for (language, subject, text, footer) in [
        (
            "ko",
            "[간식] 비밀번호 재설정",
            "김<b>간식 님의 비밀번호를 재설정해 달라는 요청을 받았습니다.",
            "요청하지 않으셨다면",
        ),
        ("en", "[Snack] Reset your password", "Hello 김<b>간식,", "Your password is unchanged."),
    ] {
        forgot(&app, " KIM.SNACK@SNACK.EXAMPLE", language).await;
        let mail = smtp.mail().await;
        assert_eq!(mail["recipients"], json!(["Kim.Snack@snack.example"]));
        assert_eq!(mail["headers"]["subject"], subject);
        assert_eq!(mail["headers"]["auto-submitted"], "auto-generated");
        let (plain, html) = (part(&mail, "plain"), part(&mail, "html"));
        assert!(plain.contains(text) && html.contains(&text.replace('<', "&lt;").replace('>', "&gt;")), "{mail}");
        assert!(plain.contains("30") && plain.contains(footer) && html.contains(footer), "{mail}");
        let link = format!("{}app/reset-password?token={}", app.state.config.public_url, reset_token(&mail));
        assert!(plain.contains(&link) && html.contains(&format!("href=\"{link}\"")), "{mail}");
        assert_eq!(plain.matches("http").count(), 1, "{plain}");
    }
    let lasts = "SELECT count(*) FROM link_tokens WHERE expires_at BETWEEN now() + interval '29 minutes' AND now() + interval '30 minutes'";
    assert_eq!(count(app.db(), lasts).await, 2);
}

#[tokio::test]
async fn nobody_who_is_unknown_or_has_left_gets_a_mail() {
    let mut smtp = SmtpServer::start(&[]).await;
    let app = mailing(smtp.url()).await;
    let (member, resigned) = (app.member().await, app.member().await);
    app.delete(&resigned, "/auth/users/resign").await.expect(204);
    for email in ["nobody@snack.example", &resigned.email] {
        forgot(&app, email, "ko").await;
        let (status, error) = ended(&app).await;
        assert_eq!((status.as_str(), error.as_deref()), ("failed", Some("No active user has the email.")), "{email}");
        execute(&app, "DELETE FROM deliveries").await;
    }
    assert_eq!(count(app.db(), "SELECT count(*) FROM link_tokens").await, 0);
    // The first mail that the server gets is this one.
    forgot(&app, &member.email, "ko").await;
    assert_eq!(smtp.mail().await["recipients"], json!([member.email]));
}

#[tokio::test]
async fn a_mail_is_repeated_with_another_token_until_its_link_would_come_too_late() {
    let mut smtp = SmtpServer::start(&[]).await;
    let app = mailing(smtp.url()).await;
    app.member().await;
    execute(&app, "UPDATE users SET email = 'busy@snack.example', email_key = 'busy@snack.example'").await;
    let again = "UPDATE deliveries SET next_attempt_at = now(), error = NULL";
    forgot(&app, "busy@snack.example", "ko").await;
    assert_eq!(ended(&app).await.0, "pending");
    assert_eq!(count(app.db(), "SELECT count(*) FROM link_tokens").await, 1);

    execute(&app, "UPDATE users SET email = 'again@snack.example'").await;
    execute(&app, again).await;
    app.state.outbox.wake();
    let token = reset_token(&smtp.mail().await);
    assert_eq!(count(app.db(), "SELECT count(*) FROM link_tokens").await, 2);
    let body = json!({"token": token, "new_password": "korea-snack-10"});
    app.post_open("/auth/password/reset", body).await.expect(204);
    assert_eq!(count(app.db(), "SELECT count(*) FROM link_tokens").await, 0);

    while ended(&app).await.0 == "pending" {}
    execute(&app, "DELETE FROM deliveries").await;
    execute(&app, "UPDATE users SET email = 'busy@snack.example'").await;
    forgot(&app, "busy@snack.example", "ko").await;
    assert_eq!(ended(&app).await.0, "pending");
    execute(&app, "UPDATE account_mails SET created_at = now() - interval '30 minutes 1 second'").await;
    execute(&app, "UPDATE users SET email = 'again@snack.example'").await;
    execute(&app, again).await;
    app.state.outbox.wake();
    assert_eq!(ended(&app).await, ("failed".to_owned(), Some("It is too late for the mail.".to_owned())));
}

#[tokio::test]
async fn an_invitation_says_who_invites_and_where_to_in_its_language() {
    let mut smtp = SmtpServer::start(&[]).await;
    let app = mailing(smtp.url()).await;
    let admin = app.admin().await;
    execute(&app, "UPDATE users SET name = '김<b>관리'").await;
    let expires_at: DateTime<Utc> = "2099-12-03T06:30:00Z".parse().expect("a time");
    for (inviter, language, subject, until) in [
        (Some(&admin), Language::Korean, "[간식] 김<b>관리 님이 간식 주문에 초대했습니다", "12월 3일 15:30까지"),
        (Some(&admin), Language::English, "[Snack] 김<b>관리 invites you to order snacks", "until 3 December, 15:30"),
        (None, Language::Korean, "[간식] 간식 주문에 초대합니다", "12월 3일 15:30까지"),
        (None, Language::English, "[Snack] You are invited to order snacks", "until 3 December, 15:30"),
    ] {
        let invitation = invite(&app, inviter, expires_at).await;
        write(&app, &invitation_mail(invitation, language)).await;
        let mail = smtp.mail().await;
        assert_eq!(
            (&mail["recipients"], &mail["headers"]["subject"]),
            (&json!(["New@snack.example"]), &json!(subject))
        );
        let server = app.state.config.public_url.as_str().trim_end_matches('/');
        let (plain, html) = (part(&mail, "plain"), part(&mail, "html"));
        assert!(
            plain.lines().next().is_some_and(|line| line.ends_with(&format!(": {server}")))
                && plain.contains(until)
                && !html.contains("<b>"),
            "{mail}"
        );
        let token = link_token(&mail, "/app/sign-up?invitation=");
        assert!(plain.contains(&format!("{server}/app/sign-up?invitation={token}")), "{mail}");

        let stored = "SELECT count(*) FROM link_tokens JOIN invitations AS i ON i.id = invitation_id
            WHERE link_tokens.expires_at = i.expires_at AND user_id IS NULL";
        assert_eq!(count(app.db(), stored).await, 1);
        let body = json!({"token": token, "new_password": "korea-snack-10"});
        app.post_open("/auth/password/reset", body).await.expect_error(400, "invalid_reset_token");
        // Withdrawn: its mail, delivery and token are gone.
        execute(&app, "DELETE FROM invitations").await;
        for sql in [
            "SELECT count(*) FROM account_mails",
            "SELECT count(*) FROM deliveries",
            "SELECT count(*) FROM link_tokens",
        ] {
            assert_eq!(count(app.db(), sql).await, 0, "{sql}");
        }
    }
}

#[tokio::test]
async fn an_invitation_that_is_no_longer_open_is_not_mailed() {
    let smtp = SmtpServer::start(&[]).await;
    let app = mailing(smtp.url()).await;
    // Not an admin any more.
    let inviter = app.member().await;
    let invitation = invite(&app, Some(&inviter), Utc::now() + TimeDelta::days(7)).await;
    write(&app, &invitation_mail(invitation, Language::Korean)).await;
    assert_eq!(ended(&app).await, ("failed".to_owned(), Some("The invitation is no longer open.".to_owned())));
    assert_eq!(count(app.db(), "SELECT count(*) FROM link_tokens").await, 0);
}

#[tokio::test]
async fn typed_emails_are_not_kept() {
    // A server that sends its mails nowhere.
    let app = mailing("smtp://127.0.0.1:1".to_owned()).await;
    let member = app.member().await;
    forgot(&app, "nobody@snack.example", "ko").await;
    assert_eq!(ended(&app).await.0, "failed");
    forgot(&app, &member.email, "ko").await;
    let invitation = invite(&app, None, Utc::now() + TimeDelta::days(7)).await;
    write(&app, &invitation_mail(invitation, Language::Korean)).await;
    while count(app.db(), "SELECT count(*) FROM deliveries WHERE attempts > 0 AND error IS NOT NULL").await < 3 {
        tokio::task::yield_now().await;
    }
    let clean = async |age: &'static str| {
        sqlx::query("UPDATE account_mails SET created_at = now() - $1::interval")
            .bind(age)
            .execute(app.db())
            .await
            .expect("an update");
        assert!(cleanup::remove_expired(app.db()).await.expect("a cleaning"));
        let sql = "SELECT email FROM account_mails ORDER BY id";
        sqlx::query_scalar::<_, String>(sql).fetch_all(app.db()).await.expect("emails")
    };
    assert_eq!(clean("59 minutes").await, ["nobody@snack.example", &member.email, "New@snack.example"]);
    assert_eq!(clean("61 minutes").await, ["New@snack.example"], "an invitation that is still to be sent stays");
    assert_eq!(count(app.db(), "SELECT count(*) FROM deliveries").await, 1);
    execute(&app, "UPDATE deliveries SET status = 'failed', next_attempt_at = NULL, finished_at = now()").await;
    assert_eq!(clean("61 minutes").await, Vec::<String>::new());
    assert_eq!(count(app.db(), "SELECT count(*) FROM invitations").await, 1);
}
