//! The state of the server. Handlers take the part of their noun by axum's `FromRef`.

use std::sync::Arc;

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

/// Cheap to clone.
#[derive(Clone, FromRef)]
pub struct AppState {
    #[from_ref(skip)]
    pub config: Arc<Config>,
    pub db: PgPool,
    /// Time zone of the office.
    pub timezone: Tz,
    #[from_ref(skip)]
    pub watchdog: Arc<DbWatchdog>,
    pub auth: Arc<AuthState>,
    pub oidc: Arc<OidcState>,
    pub reactions: Arc<ReactionState>,
    pub snacks: Arc<SnackState>,
    pub orders: Arc<OrderState>,
    pub operations: Arc<OperationsState>,
    pub live: Arc<LiveState>,
    #[from_ref(skip)]
    pub changes: Arc<Changes>,
    #[from_ref(skip)]
    pub relay: Arc<Relay>,
    pub outbox: Arc<Outbox>,
    pub channels: Arc<ChannelState>,
    /// Tasks that the shutdown waits for.
    #[from_ref(skip)]
    pub tasks: TaskTracker,
    /// Cancelled when the server is to stop. Shared, because a clone of the token locks a mutex, and each request clones the state.
    #[from_ref(skip)]
    pub stop: Arc<CancellationToken>,
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
        Ok(Self {
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
            stop: Arc::new(stop),
        })
    }
}
