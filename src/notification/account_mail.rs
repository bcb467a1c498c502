//! Mails with links: for a new password, and invitations. The token is made here, because only its hash is kept.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sqlx::PgPool;
use url::Url;
use uuid::Uuid;

use super::{
    letter::{Footer, Letter, Link, NoLetter},
    text::day,
};
use crate::{
    auth::{
        links::{self, Links, Purpose},
        password_reset::{self, MAILED_LINK_TTL},
    },
    error::Text,
    http::headers::Language,
};

pub struct AccountMails {
    db: PgPool,
    links: Links,
    /// URL of the server as people read it.
    server: String,
    timezone: Tz,
}

impl AccountMails {
    pub fn new(db: PgPool, public_url: &Url, timezone: Tz) -> Self {
        let server = public_url.as_str().trim_end_matches('/').to_owned();
        Self { db, links: Links::new(public_url), server, timezone }
    }

    /// Letter of a mail, with a new token. A repeated attempt has another token; the tokens of earlier attempts stay until they expire, because
    /// one of them may have arrived.
    pub async fn letter(&self, uid: Uuid, id: i64) -> Result<Letter, NoLetter> {
        let mail = sqlx::query!(
            r#"SELECT mail.email, mail.invitation_id, mail.language AS "language: Language", mail.address, mail.created_at,
                mail.created_at < now() - make_interval(secs => $2) AS "is_late!",
                invitation.id AS "invitation?", invitation.email AS "invited?", invitation.expires_at AS "expires_at?",
                inviter.name AS "inviter?"
            FROM account_mails AS mail
            LEFT JOIN open_invitations AS invitation ON invitation.id = mail.invitation_id
            LEFT JOIN users AS inviter ON inviter.id = invitation.invited_by
            WHERE mail.id = $1"#,
            id,
            MAILED_LINK_TTL.as_secs_f64()
        )
        .fetch_optional(&self.db)
        .await?
        .ok_or(NoLetter::Unwanted("The mail was removed."))?;
        let language = mail.language;
        if mail.invitation_id.is_some() && mail.invitation.is_none() {
            return Err(NoLetter::Unwanted("The invitation is no longer open."));
        }
        let (to, texts, token, url) = if let (Some(invitation), Some(invited), Some(expires_at)) =
            (mail.invitation, mail.invited, mail.expires_at)
        {
            let token = links::create(&self.db, Purpose::Invitation(invitation), expires_at).await?;
            let texts = self.invitation(mail.inviter.as_deref(), expires_at);
            let url = self.links.invitation(&token);
            (invited, texts, token, url)
        } else {
            if mail.is_late {
                return Err(NoLetter::Unwanted("It is too late for the mail."));
            }
            let created = password_reset::create_mailed_token(&self.db, &mail.email, &mail.address).await?;
            let user = created.ok_or(NoLetter::Unwanted("No active user has the email."))?;
            let url = self.links.password_reset(&user.token);
            (user.email, password_reset_texts(&user.name), user.token, url)
        };
        Ok(Letter {
            uid,
            created_at: mail.created_at,
            to,
            language,
            subject: language.choose(texts.subject),
            text: language.choose(texts.text),
            link: Link { text: language.choose(texts.link), url, token: Some(token) },
            footer: Footer { text: language.choose(texts.footer), url: None },
        })
    }

    fn invitation(&self, inviter: Option<&str>, expires_at: DateTime<Utc>) -> Texts {
        let server = &self.server;
        let subject = match inviter {
            Some(name) => Text::new(
                format!("{name} 님이 간식 주문에 초대했습니다"),
                format!("{name} invites you to order snacks"),
            ),
            None => Text::new("간식 주문에 초대합니다", "You are invited to order snacks"),
        };
        let day = day(expires_at, self.timezone);
        let time = expires_at.with_timezone(&self.timezone).format("%H:%M");
        let text = Text::new(
            format!(
                "{}: {server}\n아래 링크에서 가입해 주세요. 링크는 {} {time}까지 한 번만 쓸 수 있습니다.",
                subject.ko, day.ko
            ),
            format!("{}: {server}\nSign up with the link below. It works once, until {}, {time}.", subject.en, day.en),
        );
        Texts {
            subject,
            text,
            link: Text::new("가입하기", "Sign up"),
            footer: Text::new(
                "초대받은 이유를 모르겠다면 이 메일을 무시해 주세요.",
                "If you do not know why you were invited, ignore this mail.",
            ),
        }
    }
}

struct Texts {
    subject: Text,
    text: Text,
    link: Text,
    footer: Text,
}

fn password_reset_texts(name: &str) -> Texts {
    Texts {
        subject: Text::new("비밀번호 재설정", "Reset your password"),
        text: Text::new(
            format!(
                "{name} 님의 비밀번호를 재설정해 달라는 요청을 받았습니다.\n\
                 아래 링크에서 새 비밀번호를 정해 주세요. 링크는 30분 동안 한 번만 쓸 수 있습니다."
            ),
            format!(
                "Hello {name},\nSomebody asked to reset the password of your account. \
                 Choose a new password with the link below. It works once, within 30 minutes."
            ),
        ),
        link: Text::new("비밀번호 재설정", "Reset your password"),
        footer: Text::new(
            "요청하지 않으셨다면 이 메일을 무시해 주세요. 비밀번호는 바뀌지 않습니다.",
            "If you did not ask for this, ignore this mail. Your password is unchanged.",
        ),
    }
}
