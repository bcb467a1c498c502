//! The state of the server. Handlers take the part of their noun by axum's `FromRef`.

use std::{ops::Deref, sync::Arc};

use axum::extract::FromRef;
use chrono_tz::Tz;
use sqlx::PgPool;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::state::AuthState,
    changes::{Changes, relay::Relay},
    channel::state::ChannelState,
    config::{Config, SettingError},
    db::watchdog::DbWatchdog,
    error::StartError,
    live::state::LiveState,
    oidc::state::OidcState,
    operations::state::OperationsState,
    order::state::OrderState,
    outbox::Outbox,
    reaction::{counters::Counters, state::ReactionState},
    redis_client::RedisClient,
    snack::{state::SnackState, storage::Storage},
};

/// Shared by all clones, because every request clones it.
#[derive(Clone)]
pub struct AppState(Arc<AppParts>);

pub struct AppParts {
    pub config: Arc<Config>,
    pub db: PgPool,
    /// Time zone of the office.
    pub timezone: Tz,
    pub watchdog: Arc<DbWatchdog>,
    pub auth: Arc<AuthState>,
    pub oidc: Arc<OidcState>,
    pub reactions: Arc<ReactionState>,
    pub snacks: Arc<SnackState>,
    pub orders: Arc<OrderState>,
    pub operations: Arc<OperationsState>,
    pub live: Arc<LiveState>,
    pub changes: Arc<Changes>,
    pub relay: Arc<Relay>,
    pub outbox: Arc<Outbox>,
    pub channels: Arc<ChannelState>,
    /// Tasks that the shutdown waits for.
    pub tasks: TaskTracker,
    /// Cancelled when the server is to stop.
    pub stop: CancellationToken,
}

impl Deref for AppState {
    type Target = AppParts;

    fn deref(&self) -> &AppParts {
        &self.0
    }
}

/// Parts that handlers take by `State`.
macro_rules! parts {
    ($($name:ident: $type:ty,)*) => {
        $(impl FromRef<AppState> for $type {
            fn from_ref(state: &AppState) -> Self {
                state.$name.clone()
            }
        })*
    };
}

parts! {
    db: PgPool,
    timezone: Tz,
    auth: Arc<AuthState>,
    oidc: Arc<OidcState>,
    reactions: Arc<ReactionState>,
    snacks: Arc<SnackState>,
    orders: Arc<OrderState>,
    operations: Arc<OperationsState>,
    live: Arc<LiveState>,
    outbox: Arc<Outbox>,
    channels: Arc<ChannelState>,
}

impl AppState {
    /// Connects to nothing.
    ///
    /// # Errors
    /// A setting is wrong, or the media folder cannot be created.
    pub fn new(config: Config, db: PgPool) -> Result<Self, StartError> {
        let redis = RedisClient::new(&config.redis_url).map_err(|error| SettingError::new("REDIS_URL", error))?;
        let redis = Arc::new(redis);
        let counters = Arc::new(Counters::new(Arc::clone(&redis), &config.redis_prefix));
        let watchdog = Arc::new(DbWatchdog::new(config.database.clone()));
        let stop = CancellationToken::new();
        let changes = Arc::new(Changes::default());
        let outbox = Arc::new(Outbox::new(Arc::clone(&changes), config.timezone, config.mail.is_some()));
        let relay = Relay::new(redis, &config.redis_prefix, Arc::clone(&changes));
        let auth = Arc::new(AuthState::new(&config, db.clone(), Arc::clone(&outbox))?);
        let reactions =
            ReactionState::new(db.clone(), Arc::clone(&counters), Arc::clone(&changes), Arc::clone(&watchdog));
        let snacks = Arc::new(SnackState::new(
            &config,
            db.clone(),
            Storage::open(&config.media_url, &config.aws)?,
            Arc::clone(&counters),
            Arc::clone(&changes),
            Arc::clone(&watchdog),
        ));
        let live = LiveState::new(
            db.clone(),
            Arc::clone(&watchdog),
            Arc::clone(&auth),
            Arc::clone(&snacks),
            Arc::clone(&changes),
            stop.clone(),
        );
        Ok(Self(Arc::new(AppParts {
            timezone: config.timezone,
            oidc: Arc::new(OidcState::new(&config, Arc::clone(&auth))?),
            auth,
            reactions: Arc::new(reactions),
            snacks,
            orders: Arc::new(OrderState::new(db.clone(), Arc::clone(&watchdog))),
            operations: Arc::new(OperationsState::new(db.clone(), counters, stop.clone())?),
            channels: Arc::new(ChannelState::new(&config, db.clone(), Arc::clone(&outbox))?),
            live: Arc::new(live),
            changes,
            relay: Arc::new(relay),
            outbox,
            tasks: TaskTracker::new(),
            watchdog,
            db,
            config: Arc::new(config),
            stop,
        })))
    }
}
