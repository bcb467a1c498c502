//! Sign-in through an identity provider (OpenID Connect).

mod codes;
mod forged_callbacks;
mod id_tokens;
mod members;
mod outages;
mod sign_in;

use snack_server::config::Config;

use crate::support::{
    forging_provider::ForgingProvider,
    oidc::{OidcProvider, use_provider},
    test_app::TestApp,
};

/// A server with a real provider.
async fn with_provider(change: impl FnOnce(&mut Config)) -> (TestApp, OidcProvider) {
    let provider = OidcProvider::start(&[]).await;
    let app = TestApp::with(|config| {
        use_provider(config, &provider.issuer);
        change(config);
    })
    .await;
    (app, provider)
}

/// A server with a provider that says what a test makes it say.
async fn with_forging_provider(change: impl FnOnce(&mut Config)) -> (TestApp, ForgingProvider) {
    let provider = ForgingProvider::start().await;
    let app = TestApp::with(|config| {
        use_provider(config, &provider.issuer);
        change(config);
    })
    .await;
    (app, provider)
}

/// Outcomes of an operation in the audit log with their subjects, the oldest first.
async fn audit(app: &TestApp, action: &str) -> Vec<(String, String)> {
    sqlx::query_as("SELECT subject, outcome FROM audit_log WHERE action = $1 ORDER BY id")
        .bind(action)
        .fetch_all(app.db())
        .await
        .expect("the audit log")
}

/// Number of users.
async fn users(app: &TestApp) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(app.db()).await.expect("a count")
}
