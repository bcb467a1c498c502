//! A synchronous standby of PostgreSQL, and the `HAProxy` through which servers reach the primary.

use std::{
    fs,
    io::{Read, Write},
    net::Shutdown,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};

use crate::process::{Process, as_service, children_of, eventually, free_port, send_signal};

/// Time for a standby to be copied and to stream.
const START: Duration = Duration::from_mins(1);

/// A PostgreSQL with its data.
pub struct Node {
    pub folder: PathBuf,
    pub port: u16,
    pub process: Option<Process>,
}

impl Node {
    pub fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username("snack")
            .database("postgres")
            .application_name("faults")
    }

    pub async fn execute(&self, sql: &'static str) {
        let mut db = PgConnection::connect_with(&self.options()).await.expect("PostgreSQL");
        sqlx::raw_sql(sql).execute(&mut db).await.expect("a statement");
    }

    /// Starts PostgreSQL with its default durability: a crash must not lose what was committed.
    pub fn start(&mut self, programs: &Path) {
        let mut command = as_service(&programs.join("postgres"));
        command.arg("-D").arg(&self.folder).args(["-p", &self.port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=300",
            "timezone=UTC",
            "log_min_messages=warning",
        ] {
            command.args(["-c", setting]);
        }
        command.current_dir("/");
        self.process = Some(Process::start(&mut command, &self.folder.with_extension("log")).expect("postgres"));
    }

    /// Kills PostgreSQL and all its processes at once, like a power failure.
    pub fn kill(&mut self) {
        let Some(mut postgres) = self.process.take() else {
            return;
        };
        // Stopped first, so that it starts no further processes meanwhile.
        send_signal("STOP", postgres.pid());
        for child in children_of(postgres.pid()) {
            send_signal("KILL", child);
        }
        postgres.kill();
    }

    /// Stops PostgreSQL and all its processes. Their connections stay open and silent.
    pub fn freeze(&self) {
        let Some(postgres) = &self.process else { return };
        send_signal("STOP", postgres.pid());
        for child in children_of(postgres.pid()) {
            send_signal("STOP", child);
        }
    }
}

/// `HAProxy` before two PostgreSQL, of which it leads to one.
pub struct Address {
    pub port: u16,
    socket: PathBuf,
    _haproxy: Process,
}

impl Address {
    /// Starts `HAProxy`, which leads to the first of `ports`.
    pub async fn start(folder: &Path, ports: [u16; 2]) -> Self {
        let (port, socket) = (free_port(), folder.join("haproxy.sock"));
        let settings = format!(
            "global\n stats socket {} mode 600 level admin\n\
             defaults\n mode tcp\n timeout connect 1s\n timeout client 1h\n timeout server 1h\n\
             timeout client-fin 1s\n timeout server-fin 1s\n\
             frontend address\n bind 127.0.0.1:{port}\n default_backend postgres\n\
             backend postgres\n server {first} 127.0.0.1:{first}\n server {second} 127.0.0.1:{second} disabled\n",
            socket.display(),
            first = ports[0],
            second = ports[1],
        );
        let file = folder.join("haproxy.cfg");
        fs::write(&file, settings).expect("a file");
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&file);
        let haproxy = Process::start(&mut command, &folder.join("haproxy.log")).expect("haproxy");
        let address = Self { port, socket, _haproxy: haproxy };
        let is_up = eventually(START, async || UnixStream::connect(&address.socket).is_ok()).await;
        assert!(is_up, "HAProxy did not start, see {}", folder.display());
        address
    }

    fn command(&self, command: &str) -> String {
        let mut socket = UnixStream::connect(&self.socket).expect("the socket of HAProxy");
        socket.write_all(format!("{command}\n").as_bytes()).expect("a command");
        socket.shutdown(Shutdown::Write).expect("the end of the command");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// Leads new connections to `to`. Those to `from` stay open.
    pub fn lead(&self, from: u16, to: u16) {
        let answer =
            self.command(&format!("set server postgres/{from} state maint; set server postgres/{to} state ready"));
        assert_eq!(answer.trim(), "", "HAProxy");
    }

    /// Closes the connections to `port`.
    pub fn close(&self, port: u16) {
        let answer = self.command(&format!("shutdown sessions server postgres/{port}"));
        assert_eq!(answer.trim(), "", "HAProxy");
    }

    /// Number of open connections to `port`.
    pub fn sessions(&self, port: u16) -> usize {
        let table = self.command("show stat");
        let line = table.lines().find(|line| line.starts_with(&format!("postgres,{port},"))).expect("the server");
        line.split(',').nth(4).and_then(|count| count.parse().ok()).expect("a number")
    }
}

/// A standby of a primary, and the address of both.
pub struct Standby {
    pub node: Node,
    pub address: Address,
}

impl Standby {
    /// Copies `primary` and starts the address.
    pub async fn start(programs: &Path, folder: &Path, primary: &Node) -> Self {
        let node = Node { folder: folder.join("standby"), port: free_port(), process: None };
        let address = Address::start(folder, [primary.port, node.port]).await;
        let mut standby = Self { node, address };
        standby.follow(programs, primary).await;
        standby
    }

    /// Replaces what the standby has with a copy of `primary`, and waits until commits wait for it.
    pub async fn follow(&mut self, programs: &Path, primary: &Node) {
        self.node.kill();
        let _ = fs::remove_dir_all(&self.node.folder);
        fs::create_dir(&self.node.folder).expect("a folder");
        fs::set_permissions(&self.node.folder, fs::Permissions::from_mode(0o700)).expect("permissions");
        if as_service(Path::new("true")).get_program() == "setpriv" {
            let owned = Command::new("chown").arg("postgres:").arg(&self.node.folder).status();
            assert!(owned.is_ok_and(|status| status.success()), "chown");
        }
        let mut copy = as_service(&programs.join("pg_basebackup"));
        copy.args(["--host=127.0.0.1", "--username=snack", "--checkpoint=fast", "--no-sync", "--write-recovery-conf"]);
        copy.arg(format!("--port={}", primary.port)).arg("-D").arg(&self.node.folder).current_dir("/");
        let log = self.node.folder.with_extension("log");
        let mut copy = Process::start(&mut copy, &log).expect("pg_basebackup");
        let copied = copy.end(START).await;
        assert!(copied.is_some_and(|status| status.success()), "pg_basebackup failed, see {}", log.display());
        self.node.start(programs);
        // Without a standby, commits would wait for ever.
        assert!(replication(primary, "streaming", "%").await, "the standby does not stream, see {}", log.display());
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'").await;
        primary.execute("SELECT pg_reload_conf()").await;
        assert!(replication(primary, "streaming", "sync").await, "the standby is not synchronous");
    }

    /// Makes the standby a primary.
    pub async fn promote(&self) {
        self.node.execute("SELECT pg_promote()").await;
    }
}

async fn replication(primary: &Node, state: &str, sync_state: &str) -> bool {
    let question = format!(
        "SELECT EXISTS (SELECT FROM pg_stat_replication
         WHERE application_name = 'walreceiver' AND state = '{state}' AND sync_state LIKE '{sync_state}')"
    );
    let mut db = PgConnection::connect_with(&primary.options()).await.expect("PostgreSQL");
    for _ in 0..6000 {
        let exists = sqlx::query_scalar(AssertSqlSafe(question.clone())).fetch_one(&mut db).await;
        if exists.expect("the replication") {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}
