//! A `PgBouncer` of a test's own, before the Postgres of the tests.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::timeout;

use super::{database, process};

/// A running `PgBouncer` in session mode, killed on drop.
pub struct PgBouncer {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl PgBouncer {
    /// Starts a `PgBouncer` before the server of `database`, which it opens for the role of `database`. It ignores these startup
    /// parameters. None, with a line on standard error, when it is not installed.
    pub async fn start(database: &PgConnectOptions, ignored: &str) -> Option<Self> {
        let Some(program) = program() else {
            database::skip("PgBouncer is not installed; scripts/test installs it");
            return None;
        };
        let folder = process::folder();
        fs::create_dir(&folder).expect("a folder");
        let port = free_port();
        let direct = database::direct(database);
        let url = direct.to_url_lossy();
        let settings = format!(
            "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = md5\nauth_file = {}/users\npool_mode = session\nignore_startup_parameters = {ignored}\n\
             default_pool_size = 40\n",
            direct.get_host(),
            direct.get_port(),
            folder.display()
        );
        fs::write(folder.join("settings"), settings).expect("a file");
        let password = url.password().unwrap_or_default();
        fs::write(folder.join("users"), format!("\"{}\" \"{password}\"\n", url.username())).expect("a file");
        // It refuses to run as root.
        let mut command = if fs::metadata("/proc/self").is_ok_and(|owner| owner.uid() == 0) {
            let owned = Command::new("chown").args(["-R", "postgres:"]).arg(&folder).status();
            assert!(owned.is_ok_and(|status| status.success()), "chown");
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        let log = fs::File::create(folder.join("log")).expect("a file");
        command.arg(folder.join("settings")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let bouncer = Self { child: command.spawn().expect("PgBouncer"), folder, port };
        let pooled = bouncer.leading_to(database);
        let starting = async { while PgConnection::connect_with(&pooled).await.is_err() {} };
        let started = timeout(Duration::from_secs(30), starting).await;
        assert!(started.is_ok(), "{}", fs::read_to_string(bouncer.folder.join("log")).unwrap_or_default());
        Some(bouncer)
    }

    /// Options that lead through it to `database`.
    pub fn leading_to(&self, database: &PgConnectOptions) -> PgConnectOptions {
        database.clone().host("127.0.0.1").port(self.port)
    }

    /// Opens `count` connections to Postgres, and keeps them for clients.
    pub async fn fill(&self, database: &PgConnectOptions, count: usize) {
        let pooled = self.leading_to(database);
        let mut clients = Vec::new();
        for _ in 0..count {
            let mut client = PgConnection::connect_with(&pooled).await.expect("a connection");
            client.ping().await.expect("an answer");
            clients.push(client);
        }
        for client in clients {
            client.close().await.expect("the end of a client");
        }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join("pgbouncer")).find(|program| program.exists())
}

/// A free port below those that the kernel assigns by itself.
fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(20_000..32_000);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
