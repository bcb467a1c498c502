//! How the server is put together: router, layers, start-up and shutdown, each in its order.

pub mod connections;
pub mod listener;
pub mod state;
pub mod web;

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{from_fn, from_fn_with_state},
    response::IntoResponse,
};
use sqlx::{
    Connection, Executor, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{Layer, ServiceBuilder};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
    normalize_path::NormalizePathLayer,
    set_header::SetResponseHeaderLayer,
};
use utoipa_axum::router::OpenApiRouter;

use self::{
    connections::ConnectionLimits,
    state::{AppState, Shared},
};
use crate::{
    auth::{self, limits::Limits, password::Passwords, token::Keys, user_cache::Standings},
    config::{Config, SettingError},
    db::{
        batcher::Batches,
        comparison_keys,
        watchdog::{self, Pulse},
    },
    error::ApiError,
    http::{self, body_budget::BodyBudget, middleware, openapi, problem::write_problems},
    operations, order,
    reaction::{self, counters::Counters, flush},
    snack::{self, image_worker::Sandbox, storage::Media},
    statistics,
};

/// Measured with 6 and with 16, at 16 and 64 connections of clients: no difference beyond the noise, because requests that come
/// together share a connection. What is left over is room for those that take long, such as statistics of years.
const POOL: u32 = 16;
/// How long a request waits for a connection; what lasts longer is an outage.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection may have been idle before it has to prove that it is alive.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// How long a connection may take to prove it. A new one costs less than waiting for longer.
const LIFE_SIGN: Duration = Duration::from_millis(500);
/// How many batches of readers of the same thing are under way at once.
const READ_BATCHES: usize = 2;
/// How many batches of reactions are written at once. Two of them lock the same snacks and users for their foreign keys, of which
/// Postgres has to keep account: one alone did half as many reactions again at 16 connections.
const REACTION_BATCHES: usize = 1;
/// Number of reactions that wait for a lock at once, each with a connection: a quarter of the pool.
const LOCKED_REACTIONS: usize = 4;
/// How many clients are connected at once.
const CONNECTIONS: usize = 4096;
/// Time for which a client may read nothing of a response before its connection is closed.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);
/// How many requests are under way at once; a further one is told to come back, so that these do not all become slow.
const REQUESTS: usize = 2048;
/// The most that the bodies of all requests under way take together, in bytes.
const REQUEST_BYTES: usize = 64 * 1024 * 1024;
/// The most that the large responses which clients have yet to read take together, in bytes.
const RESPONSE_BYTES: usize = 64 * 1024 * 1024;
/// How long a stop waits for requests that are under way.
const DRAIN: Duration = Duration::from_secs(10);

/// The calls and their document.
fn calls() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::base())
        .merge(auth::router())
        .merge(snack::router())
        .merge(reaction::router())
        .merge(order::router())
        .merge(statistics::router())
        .merge(operations::router())
}

/// The document of every call.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    openapi::finish(calls().merge(snack::media_router()).into_openapi())
}

/// The router with everything around it.
pub fn router(state: &AppState) -> Router {
    let (calls, _) = calls().split_for_parts();
    let (media, _) = snack::media_router().split_for_parts();
    let responses = BodyBudget::new(RESPONSE_BYTES);
    let pages = calls
        .route_layer(from_fn_with_state(responses, middleware::count_response_bytes))
        .merge(openapi::router(document(), &state.config.public_url))
        .merge(web::router(state.config.web.as_deref()))
        .route_layer(from_fn(middleware::name_route))
        .with_state(state.clone());
    // Every path works with and without a trailing slash, but for pictures, whose paths are taken to the letter.
    let slashless = NormalizePathLayer::trim_trailing_slash().layer(pages);
    let paths =
        media.route_layer(from_fn(middleware::name_route)).with_state(state.clone()).fallback_service(slashless);
    surround(paths, state)
}

/// `paths` with everything around them that every answer goes through.
pub fn surround(paths: Router, state: &AppState) -> Router {
    let set = |name: HeaderName, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    let (places, tasks, pulse) = (Semaphore::new(REQUESTS), state.tasks.clone(), Arc::clone(&state.pulse));
    let gate = middleware::Gate { places, tasks, pulse };
    let is_https = state.config.public_url.scheme() == "https";
    // From the outside in.
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(Arc::from(state.config.trusted_proxies.as_slice()), middleware::observe))
        .layer(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set(header::X_FRAME_OPTIONS, "DENY"))
        .layer(set(header::REFERRER_POLICY, "no-referrer"))
        // Answers are data. The few pages say for themselves what they need.
        .layer(set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
        // Answers hold tokens and what members do. Files that anyone may read say for themselves how long they keep.
        .layer(set(header::CACHE_CONTROL, "no-store"))
        // Not for subdomains and not for preload lists: other services of the company may still be on plain http.
        .option_layer(is_https.then(|| set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000")))
        .option_layer(cors(&state.config))
        .layer(from_fn(write_problems))
        .layer(from_fn(middleware::require_host))
        .layer(CatchPanicLayer::custom(|_| ApiError::internal("a handler panicked").into_response()))
        .layer(from_fn_with_state(Arc::new(gate), middleware::admit))
        .layer(from_fn_with_state(BodyBudget::new(REQUEST_BYTES), middleware::count_request_bytes))
        .layer(DefaultBodyLimit::max(http::body::LIMIT));
    paths.layer(layers)
}

fn cors(config: &Config) -> Option<CorsLayer> {
    if config.cors_allowed_origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(config.cors_allowed_origins.clone()))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            HeaderName::from_static("idempotency-key"),
            middleware::X_REQUEST_ID,
        ])
        .expose_headers([header::ETAG, header::LOCATION, header::RETRY_AFTER, middleware::X_REQUEST_ID])
        .max_age(Duration::from_hours(1));
    Some(layer)
}

/// What keeps the server from starting.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl From<ApiError> for StartError {
    fn from(error: ApiError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Connects to Postgres and brings the schema up to date. Several servers may do so at once: one migrates, the others wait.
///
/// # Errors
/// When Postgres cannot be reached with these settings, or a migration fails.
pub async fn connect(options: &PgConnectOptions) -> Result<PgPool, StartError> {
    let options = options.clone().application_name("snack-server").options([
        // A transaction that nobody goes on with must not hold its locks for ever.
        ("idle_in_transaction_session_timeout", "10s"),
        ("statement_timeout", "60s"),
        ("lock_timeout", "10s"),
        // What is asked for often is in memory, where going through an index costs little more than reading on.
        ("random_page_cost", "1.1"),
        // Compiling a statement takes longer than any of these runs.
        ("jit", "off"),
    ]);
    // Tried once outside of the pool, which would tell a refusal as a time-out.
    let reached = timeout(Duration::from_secs(5), PgConnection::connect_with(&options)).await;
    let wrong =
        |error: &dyn std::fmt::Display| SettingError::new("DATABASE_URL", format_args!("cannot connect: {error}"));
    reached
        .map_err(|elapsed| wrong(&elapsed))?
        .map_err(|error| wrong(&error))?
        .close()
        .await
        .map_err(|error| wrong(&error))?;

    let pool = PgPoolOptions::new()
        .max_connections(POOL)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for < TRUSTED_IDLE {
                    return Ok(true);
                }
                Ok(matches!(timeout(LIFE_SIGN, connection.ping()).await, Ok(Ok(()))))
            })
        })
        .after_release(|connection, _| {
            // One that was given up half-way may never answer again, or may be inside a transaction of which sqlx does not
            // know: there the two times differ. Asked in one message, because each message of a prepared one has its own.
            // One that is read-only may stay so after the database is not.
            Box::pin(async move {
                let is_usable = async {
                    if !watchdog::are_connections_suspect() {
                        return connection.ping().await.map(|()| true);
                    }
                    let row = connection.fetch_one(sqlx::raw_sql(
                        "SELECT now() = statement_timestamp() AND NOT current_setting('transaction_read_only')::bool",
                    ));
                    row.await?.try_get(0)
                };
                Ok(matches!(timeout(LIFE_SIGN, is_usable).await, Ok(Ok(true))))
            })
        })
        .connect_lazy_with(options);
    migrate(&pool).await?;
    Ok(pool)
}

async fn migrate(pool: &PgPool) -> Result<(), StartError> {
    // On a connection of its own: a migration may take longer than requests may, and waits for another server's.
    let mut connection = pool.acquire().await.map_err(|error| StartError::Failed(error.to_string()))?.detach();
    let run = async {
        sqlx::raw_sql("SET statement_timeout = 0; SET lock_timeout = 0").execute(&mut connection).await?;
        sqlx::migrate!().run(&mut connection).await?;
        connection.close().await
    };
    run.await.map_err(|error: sqlx::Error| StartError::Failed(format!("a migration failed: {error}")))
}

/// Brings the comparison forms of stored rows up to date. [`serve_on`] does so; a command that looks rows up by them has to.
///
/// # Errors
/// Postgres out of reach.
pub async fn update_keys(pool: &PgPool) -> Result<(), StartError> {
    let run = comparison_keys::run(pool).await;
    run.map_err(|error| StartError::Failed(format!("comparison forms could not be brought up to date: {error}")))
}

/// What handlers share, from the settings and a pool that is connected.
///
/// # Errors
/// When a store cannot be opened.
pub fn state(config: Config, db: PgPool) -> Result<AppState, StartError> {
    let counters = Counters::new(&config).map_err(|error| SettingError::new("REDIS_URL", error))?;
    Ok(AppState::new(Shared {
        media: Media::open(&config.media_url)?,
        limits: Limits::new(&config),
        keys: Keys::new(&config),
        passwords: Passwords::new()?,
        pictures: Sandbox::new(config.program.clone()),
        standings: Standings::default(),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
        metrics: operations::recorder()?,
        pulse: Arc::new(Pulse::new(config.database.clone())),
        snack_pages: Batches::new(READ_BATCHES),
        snacks: Batches::new(READ_BATCHES),
        order_pages: Batches::new(READ_BATCHES),
        reactions: Batches::new(REACTION_BATCHES),
        locked_reactions: Semaphore::new(LOCKED_REACTIONS),
        counters,
        db,
        config,
    }))
}

/// Serves until `state.stop`, then stops in order: no new connections, what was accepted is answered, the last flush, the
/// pool.
///
/// # Errors
/// When the address is taken, or the flusher died.
pub async fn serve(state: AppState) -> Result<(), StartError> {
    let listener = TcpListener::bind(state.config.http_addr)
        .await
        .map_err(|error| SettingError::new("HTTP_ADDR", format_args!("{}: {error}", state.config.http_addr)))?;
    serve_on(state, listener).await
}

/// [`serve`] on a listener of the caller's.
///
/// # Errors
/// As [`serve`].
pub async fn serve_on(state: AppState, listener: TcpListener) -> Result<(), StartError> {
    let address = listener.local_addr().map_err(|error: io::Error| StartError::Failed(error.to_string()))?;
    if state.config.web.is_none() {
        tracing::info!("the web app is not built (no web/dist): /app/ leads to the documents instead");
    }
    update_keys(&state.db).await?;
    tracing::info!(%address, "serving");
    let router = router(&state);
    let stop = state.stop.clone();

    state.pulse.connect().await;
    let listening = tokio::spawn({
        let state = state.clone();
        async move { state.standings.listen(&state.db).await }
    });
    let cleaning = tokio::spawn(operations::clean(state.clone(), stop.clone()));
    let counting = tokio::spawn(statistics::daily_rollup::run(state.clone(), stop.clone()));
    // Told to stop only after the last request has been answered.
    let last_flush = CancellationToken::new();
    let mut flushing = tokio::spawn(flush::run(state.clone(), last_flush.clone()));

    let limits = ConnectionLimits {
        total: CONNECTIONS,
        per_address: state.config.limit_connections_address,
        write_deadline: WRITE_DEADLINE,
        trusted_proxies: state.config.trusted_proxies.clone(),
    };
    let serving = tokio::spawn(listener::serve(listener, router, limits, stop.clone()));
    let died = tokio::select! {
        () = stop.cancelled() => None,
        end = &mut flushing => Some(format!("the flusher died: {end:?}")),
    };
    stop.cancel();

    tracing::info!("stopping");
    state.tasks.close();
    let drained = timeout(DRAIN, async {
        let _ = serving.await;
        state.tasks.wait().await;
    });
    if drained.await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
    listening.abort();
    cleaning.abort();
    counting.abort();
    if let Some(reason) = died {
        return Err(StartError::Failed(reason));
    }
    last_flush.cancel();
    let _ = flushing.await;
    state.db.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Asks the server at `HTTP_ADDR` whether it is ready.
///
/// # Errors
/// When it is not, or does not answer.
pub async fn healthcheck(mut address: std::net::SocketAddr) -> Result<(), StartError> {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    let failed = |error: &dyn std::fmt::Display| StartError::Failed(format!("not ready: {error}"));
    let request =
        reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build().map_err(|e| failed(&e))?;
    let answer = request.get(format!("http://{address}/health/ready")).send().await.map_err(|e| failed(&e))?;
    if answer.status() == StatusCode::OK { Ok(()) } else { Err(failed(&answer.status())) }
}
