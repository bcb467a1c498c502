//! A provider that is down, slow or hostile. Sign-in with a password goes on.

use std::time::{Duration, Instant};

use super::{audit, with_forging_provider, with_provider};
use crate::support::{
    forging_provider::ForgingProvider,
    oidc::{Browser, code, expect_denied, use_provider},
    receiver::Answer,
    test_app::TestApp,
};

/// Time within which a browser is told that the provider is down.
const LIMIT: Duration = Duration::from_secs(3);

fn outages(issuer: &str) -> [Answer; 6] {
    [
        Answer::Silence,
        Answer::Endless(200),
        Answer::Large(200, 64 * 1024 * 1024),
        Answer::Redirect(format!("{issuer}/elsewhere")),
        Answer::Status(500),
        Answer::Status(200),
    ]
}

#[tokio::test]
async fn a_provider_that_does_not_work_is_unavailable_at_once() {
    let provider = ForgingProvider::start().await;
    for answer in outages(&provider.issuer) {
        let app = TestApp::with(|config| use_provider(config, &provider.issuer)).await;
        let member = app.member().await;
        provider.answer(Some(answer.clone()));
        let started = Instant::now();
        let mut browser = Browser::default();
        expect_denied(&browser.start(&app, "").await, "oidc_unavailable");
        assert!(started.elapsed() < LIMIT, "{answer:?} took {:?}", started.elapsed());
        assert_eq!(browser.flow_cookie(), None);
        app.sign_in(member.id, &member.email).await;
        // It is asked again at the next sign-in.
        provider.answer(None);
        let callback = provider.prepare(&app, &mut browser, |_| {}).await;
        code(&browser.follow(&app, &callback).await);
    }
}

#[tokio::test]
async fn many_browsers_at_once_are_told_in_time() {
    let (app, provider) = with_forging_provider(|_| {}).await;
    provider.answer(Some(Answer::Silence));
    let started = Instant::now();
    let pages = futures_util::future::join_all((0..20).map(|_| async { Browser::default().start(&app, "").await }));
    for page in pages.await {
        expect_denied(&page, "oidc_unavailable");
    }
    assert!(started.elapsed() < LIMIT, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_provider_that_stops_in_the_middle_is_unavailable() {
    let (app, provider) = with_forging_provider(|_| {}).await;
    for answer in outages(&provider.issuer).into_iter().take(3) {
        let mut browser = Browser::default();
        let callback = provider.prepare(&app, &mut browser, |_| {}).await;
        provider.answer(Some(answer));
        expect_denied(&browser.follow(&app, &callback).await, "oidc_unavailable");
        provider.answer(None);
    }
    // Nobody was denied.
    assert_eq!(audit(&app, "oidc_sign_in").await, []);
}

#[tokio::test]
async fn a_provider_that_is_gone_is_unavailable() {
    let (app, mut provider) = with_provider(|_| {}).await;
    let member = app.member().await;
    provider.add_account(&member.email, "김간식").await;
    let mut browser = Browser::default();
    let url = browser.start(&app, "").await;
    let callback = browser.authorize(url, &member.email).await;
    provider.stop().await;
    expect_denied(&browser.follow(&app, &callback).await, "oidc_unavailable");
    let restarted = app.replica().await;
    expect_denied(&browser.start(&restarted, "").await, "oidc_unavailable");
    app.sign_in(member.id, &member.email).await;
}
