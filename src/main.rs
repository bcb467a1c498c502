//! The command line.

use std::{
    io::{IsTerminal, Read},
    process::ExitCode,
    time::Duration,
};

use chrono::Utc;
use clap::{Parser, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use snack_server::{
    app::{healthcheck::healthcheck, listener::allow_connections, router, server, state::AppState},
    audit::Actor,
    auth::{
        links::Links,
        password::{hash_blocking, is_personal},
        password_reset, rules, sessions,
        sign_up::{self, NewUser},
        users::{self, MemberType},
    },
    config::{Config, Environment, Log, LogFormat, SettingError},
    db::{
        connect,
        locks::{Lock, wait_for_lock},
    },
    demo,
    domain::text::tidy,
    error::{ApiError, Code, StartError, chain},
    operations::{
        backup::{self, BackupError},
        erasure,
    },
    snack::{image_worker, storage::Storage},
    telemetry::{self, Traces},
};
use sqlx::PgPool;
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

/// Time that threads of the runtime have to end with the process.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Takes less CPU for a request than the allocator of the C library; bench/tried.md has figures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The office snack-ordering server.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Office(OfficeCommand),
    /// Prepare a picture from standard input for storage. The server runs this for each upload.
    #[command(hide = true)]
    PreparePicture,
}

#[derive(Subcommand)]
enum OfficeCommand {
    /// Serve (the default), after applying the migrations.
    Serve,
    /// Apply the migrations.
    Migrate,
    /// Create an admin, or make an existing member one. The password comes from `SNACK_ADMIN_PASSWORD` or standard input.
    CreateAdmin {
        /// Login id.
        #[arg(long)]
        email: String,
        /// Name that other users see.
        #[arg(long)]
        name: String,
    },
    /// Print a link for a new password of a user. It is good for 24 hours, once.
    ResetPassword {
        /// Login id.
        #[arg(long)]
        email: String,
    },
    /// Erase the email, the name and the addresses of a member who has left, for good. Orders and reactions stay.
    EraseUser {
        /// Login id.
        #[arg(long)]
        email: String,
    },
    /// Write all rows and pictures to a new folder in a folder or a bucket.
    Backup {
        /// Folder or `s3://bucket/prefix` of all backups.
        #[arg(long)]
        to: String,
    },
    /// Restore a backup into an empty database.
    Restore {
        /// Folder or `s3://bucket/prefix` of a backup, or that of all backups for the newest one.
        #[arg(long)]
        from: String,
    },
    /// Fill the database with demo data, for development only.
    DemoData {
        /// Even when the database holds other users.
        #[arg(long)]
        force: bool,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Exit 0 when the server at `HTTP_ADDR` is ready.
    Healthcheck,
}

fn main() -> ExitCode {
    let command = match Arguments::parse().command {
        // Before any thread is started.
        Some(Command::PreparePicture) => return image_worker::main(),
        Some(Command::Office(command)) => command,
        None => OfficeCommand::Serve,
    };
    let outcome = Runtime::new().map_err(StartError::failed).and_then(|runtime| {
        let outcome = runtime.block_on(run(command, &Environment::of_process()));
        // A thread may wait for a name that does not resolve.
        runtime.shutdown_timeout(STOP_TIMEOUT);
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: OfficeCommand, environment: &Environment) -> Result<(), StartError> {
    match command {
        OfficeCommand::Serve => serve(environment).await,
        OfficeCommand::Migrate => {
            connect(environment).await?.close().await;
            Ok(())
        }
        OfficeCommand::CreateAdmin { email, name } => create_admin(environment, &email, &name).await,
        OfficeCommand::ResetPassword { email } => print_password_reset_link(environment, &email).await,
        OfficeCommand::EraseUser { email } => erase_user(environment, &email).await,
        OfficeCommand::Backup { to } => back_up(environment, &to).await,
        OfficeCommand::Restore { from } => restore(environment, &from).await,
        OfficeCommand::DemoData { force } => load_demo_data(environment, force).await,
        OfficeCommand::Openapi => {
            print(&router::document().to_pretty_json().map_err(StartError::failed)?);
            Ok(())
        }
        OfficeCommand::Healthcheck => healthcheck(environment.http_addr()?).await,
    }
}

/// Connects a command to Postgres and updates the database. Warnings go to standard error, because a command has no log.
async fn connect(environment: &Environment) -> Result<PgPool, StartError> {
    let pool = connect::connect(&environment.database()?, &environment.database_direct()?).await?;
    let _log = telemetry::begin(Log { filter: EnvFilter::new("snack_server=warn"), format: LogFormat::Pretty }, None)?;
    Ok(pool)
}

#[expect(clippy::print_stdout, reason = "the output of a command, not a log")]
fn print(text: &str) {
    println!("{text}");
}

async fn serve(environment: &Environment) -> Result<(), StartError> {
    let config = Config::read(environment)?;
    let log = environment.log(std::io::stderr().is_terminal())?;
    let traces = environment.otlp_endpoint()?.map(Traces::new).transpose()?;
    let pool = connect::connect(&config.database, &config.database_direct).await?;
    let state = AppState::new(config, pool)?;
    // Flushes the log when it is dropped.
    let _log = telemetry::begin(log, traces.as_ref())?;
    state.snacks.storage.check().await?;
    create_first_admin(environment, &state.config, &state.db).await?;
    allow_connections();

    let stop = state.stop.clone();
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::failed)?;
    tokio::spawn(async move {
        for _ in 0..2 {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            if stop.is_cancelled() {
                eprintln!("second signal, stopping at once");
                std::process::exit(1);
            }
            stop.cancel();
        }
    });
    let served = server::serve(state).await;
    if let Some(traces) = traces {
        traces.shut_down().await;
    }
    served
}

async fn create_admin(environment: &Environment, email: &str, name: &str) -> Result<(), StartError> {
    let failed = |problem: &str| StartError::failed(problem);
    rules::email(email).map_err(|_| failed("--email: not a valid email address"))?;
    rules::user_name(name)
        .map_err(|_| failed("--name: must have 1 to 50 characters, some of them visible, and no control characters"))?;
    let db = connect(environment).await?;
    if let Some(user) = users::promote(&db, email).await? {
        print(&format!("{} is an admin", user.email));
        return Ok(());
    }
    let password = match environment.admin_password() {
        Some(password) => password,
        None => read_password()?,
    };
    let hash = admin_password_hash(&password, email, name)?;
    let new = NewUser { email, name, password_hash: Some(&hash), member_type: MemberType::Admin };
    let mut tx = db.begin().await.map_err(ApiError::from)?;
    let user = sign_up::create(&mut tx, &Actor::local(), &new).await?;
    tx.commit().await.map_err(ApiError::from)?;
    print(&format!("{} is an admin", user.email));
    Ok(())
}

/// Hash of a new admin's password.
fn admin_password_hash(password: &SecretString, email: &str, name: &str) -> Result<String, StartError> {
    let wrong = |problem| StartError::from(SettingError::new("SNACK_ADMIN_PASSWORD", problem));
    rules::new_password(password.expose_secret())
        .map_err(|_| wrong("must have 8 to 128 characters and not be a common one"))?;
    if is_personal(password.expose_secret(), email, name) {
        return Err(wrong("must not be made of the email or the name"));
    }
    Ok(hash_blocking(password.expose_secret())?)
}

/// Creates the admin of `ADMIN_EMAIL` if there is no user.
async fn create_first_admin(environment: &Environment, config: &Config, db: &PgPool) -> Result<(), StartError> {
    const NAME: &str = "관리자";
    let Some(email) = &config.admin_email else { return Ok(()) };
    let mut tx = db.begin().await.map_err(ApiError::from)?;
    // Of several servers that start at once, one creates the admin.
    wait_for_lock(&mut tx, Lock::FirstAdmin).await.map_err(ApiError::from)?;
    if users::exist(&mut *tx).await? {
        return Ok(());
    }
    rules::email(email).map_err(|_| SettingError::new("ADMIN_EMAIL", "is not a valid email"))?;
    let password = environment.admin_password();
    let password = password.ok_or_else(|| SettingError::new("SNACK_ADMIN_PASSWORD", "is required with ADMIN_EMAIL"))?;
    let hash = admin_password_hash(&password, email, NAME)?;
    let new = NewUser { email, name: NAME, password_hash: Some(&hash), member_type: MemberType::Admin };
    let user = sign_up::create(&mut tx, &Actor::local(), &new).await?;
    tx.commit().await.map_err(ApiError::from)?;
    tracing::info!(email = user.email, "first admin created");
    Ok(())
}

async fn print_password_reset_link(environment: &Environment, email: &str) -> Result<(), StartError> {
    let links = Links::new(&environment.public_url()?);
    let db = connect(environment).await?;
    let user = sessions::credentials(&db, &tidy(email)).await?;
    let user = user.ok_or_else(|| StartError::failed("--email: no user has this email"))?;
    let link = password_reset::create_link(&db, &links, &Actor::local(), user.id).await?;
    print(&link.url);
    Ok(())
}

async fn erase_user(environment: &Environment, email: &str) -> Result<(), StartError> {
    let db = connect(environment).await?;
    let erased = erasure::erase(&db, &Actor::local(), email).await;
    let id = erased.map_err(|error| match error.code {
        Code::NotFound => StartError::failed("--email: there is no user with this email"),
        Code::UserActive => {
            StartError::failed("--email: this member has not left; an admin removes members in the list of users")
        }
        _ => StartError::failed(chain(&error)),
    })?;
    print(&format!("user {id} has no email, name or addresses any more"));
    Ok(())
}

/// Error of `command` on one line. That of a setting has its name.
fn backup_failed(command: &str, error: BackupError) -> StartError {
    match error {
        BackupError::Setting(error) => error.into(),
        error => StartError::failed(format!("{command}: {}", chain(&error)).replace(['\n', '\r'], " ")),
    }
}

async fn back_up(environment: &Environment, to: &str) -> Result<(), StartError> {
    let (database, media) = (environment.database_direct()?, environment.media()?);
    let created = backup::create::create(&database, &media, &environment.aws(), to).await;
    let created = created.map_err(|error| backup_failed("backup", error))?;
    print(&format!("{}: {}", created.place, created.content));
    match created.missing_names.first() {
        None => Ok(()),
        Some(first) => Err(StartError::failed(format_args!(
            "backup: {} pictures of snacks are not in MEDIA_URL, such as {first}; the backup has everything else",
            created.missing
        ))),
    }
}

async fn restore(environment: &Environment, from: &str) -> Result<(), StartError> {
    let (database, media) = (environment.database_direct()?, environment.media()?);
    let restored = backup::restore::restore(&database, &media, &environment.aws(), from).await;
    let restored = restored.map_err(|error| backup_failed("restore", error))?;
    print(&format!("{}: {}", restored.place, restored.content));
    Ok(())
}

fn read_password() -> Result<SecretString, StartError> {
    if std::io::stdin().is_terminal() {
        eprintln!("Password (visible while typed; end with Ctrl-D, or set SNACK_ADMIN_PASSWORD instead):");
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(StartError::failed)?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

async fn load_demo_data(environment: &Environment, force: bool) -> Result<(), StartError> {
    let (media, zone) = (environment.media()?, environment.timezone()?);
    let db = connect(environment).await?;
    let outcome = demo::load(&db, &Storage::open(&media, &environment.aws())?, zone, Utc::now(), force).await;
    let message = match outcome.map_err(|error| StartError::failed(format_args!("demo-data: {}", chain(&error))))? {
        demo::Outcome::Loaded => "Demo data loaded.",
        demo::Outcome::AlreadyThere => "Demo data present.",
    };
    print(&format!(
        "{message} For development only, sign in as\n  admin   {}  {}\n  member  {}  {}",
        demo::ADMIN_EMAIL,
        demo::PASSWORD,
        demo::MEMBER_EMAIL,
        demo::PASSWORD
    ));
    Ok(())
}
