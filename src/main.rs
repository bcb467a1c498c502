//! The command line.

use std::{
    io::{BufWriter, IsTerminal, Read},
    process::ExitCode,
};

use chrono::Utc;
use clap::{Parser, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use snack_server::{
    app::{self, StartError, listener::allow_connections},
    audit::log::Actor,
    auth::{
        password::{hash_blocking, is_personal},
        users,
    },
    config::{Config, Environment, Log, LogFormat},
    demo,
    http::rules,
    snack::{image_worker, storage::Media},
};
use sqlx::PgPool;
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

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
    /// Make a picture on standard input fit to be stored. The server runs this for each upload.
    #[command(hide = true)]
    PreparePicture,
}

/// What somebody types.
#[derive(Subcommand)]
enum OfficeCommand {
    /// Serve (the default), after applying the migrations.
    Serve,
    /// Apply the migrations.
    Migrate,
    /// Create an admin, or make one of an existing member. The password comes from `SNACK_ADMIN_PASSWORD` or standard input.
    CreateAdmin {
        /// The login id.
        #[arg(long)]
        email: String,
        /// As others see the admin.
        #[arg(long)]
        name: String,
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
        // In a process without any threads.
        Some(Command::PreparePicture) => return image_worker::main(),
        Some(Command::Office(command)) => command,
        None => OfficeCommand::Serve,
    };
    let outcome = Runtime::new()
        .map_err(|error| StartError::Failed(error.to_string()))
        .and_then(|runtime| runtime.block_on(run(command, &Environment::of_process())));
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
        OfficeCommand::DemoData { force } => load_demo_data(environment, force).await,
        OfficeCommand::Openapi => {
            print(&app::document().to_pretty_json().map_err(|error| StartError::Failed(error.to_string()))?);
            Ok(())
        }
        OfficeCommand::Healthcheck => app::healthcheck(environment.http_addr()?).await,
    }
}

/// Connects a command, which has no log, to Postgres, and brings everything there up to date. Its warnings go to standard error.
async fn connect(environment: &Environment) -> Result<PgPool, StartError> {
    let pool = app::connect(&environment.database()?).await?;
    let _log = begin_log(Log { filter: EnvFilter::new("snack_server=warn"), format: LogFormat::Pretty });
    app::update_keys(&pool).await?;
    Ok(pool)
}

/// What a command has to say to whoever typed it.
#[expect(clippy::print_stdout, reason = "the answer of a command, not a log")]
fn print(text: &str) {
    println!("{text}");
}

async fn serve(environment: &Environment) -> Result<(), StartError> {
    let config = Config::read(environment)?;
    let log = environment.log(std::io::stderr().is_terminal())?;
    let pool = app::connect(&config.database).await?;
    let state = app::state(config, pool)?;
    // Writes what is left when it is dropped.
    let _log = begin_log(log);
    allow_connections();

    let stop = state.stop.clone();
    let failed = |error: std::io::Error| StartError::Failed(error.to_string());
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::spawn(async move {
        for _ in 0..2 {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            if stop.is_cancelled() {
                eprintln!("told to stop a second time: ending at once");
                std::process::exit(1);
            }
            stop.cancel();
        }
    });
    app::serve(state).await
}

/// Logs go to standard error, so that standard output stays for answers. A thread of their own writes them, as many lines at
/// once as have come meanwhile: with a call to the system for each line, half of the time of a short request went there.
fn begin_log(Log { filter, format }: Log) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default().lossy(false).finish(BufWriter::new(std::io::stderr()));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match format {
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).init(),
        LogFormat::Pretty => builder.init(),
    }
    guard
}

async fn create_admin(environment: &Environment, email: &str, name: &str) -> Result<(), StartError> {
    let failed = |what: &str| StartError::Failed(what.to_owned());
    rules::email(email).map_err(|_| failed("--email: this is not an email address"))?;
    rules::user_name(name)
        .map_err(|_| failed("--name: must have 1 to 50 characters that can be seen, and no control characters"))?;
    let db = connect(environment).await?;
    if let Some(user) = users::promote(&db, email).await? {
        print(&format!("{} is an admin", user.email));
        return Ok(());
    }
    let password = match environment.admin_password() {
        Some(password) => password,
        None => read_password()?,
    };
    rules::new_password(password.expose_secret())
        .map_err(|_| failed("SNACK_ADMIN_PASSWORD: must have 8 to 128 characters and not be a common one"))?;
    if is_personal(password.expose_secret(), email, name) {
        return Err(failed("SNACK_ADMIN_PASSWORD: must not be made of the email or the name"));
    }
    let hash = hash_blocking(password.expose_secret())?;
    users::create(&db, &Actor::local(), email, name, &hash).await?;
    let user = users::promote(&db, email).await?.ok_or_else(|| failed("the admin was not created"))?;
    print(&format!("{} is an admin", user.email));
    Ok(())
}

fn read_password() -> Result<SecretString, StartError> {
    if std::io::stdin().is_terminal() {
        eprintln!("Password (it will be shown; end with Ctrl-D, or set SNACK_ADMIN_PASSWORD instead):");
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| StartError::Failed(error.to_string()))?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

async fn load_demo_data(environment: &Environment, force: bool) -> Result<(), StartError> {
    let (media, zone) = (environment.media()?, environment.timezone()?);
    let db = connect(environment).await?;
    let outcome = demo::load(&db, &Media::open(&media)?, zone, Utc::now(), force).await;
    let said = match outcome.map_err(|error| StartError::Failed(format!("demo-data: {error}")))? {
        demo::Outcome::Loaded => "The demo data is loaded.",
        demo::Outcome::AlreadyThere => "The demo data is there.",
    };
    print(&format!(
        "{said} For development only, sign in as\n  admin   {}  {}\n  member  {}  {}",
        demo::ADMIN_EMAIL,
        demo::PASSWORD,
        demo::MEMBER_EMAIL,
        demo::PASSWORD
    ));
    Ok(())
}
