//! The binary as a process of its own, with only the environment that a test gives it.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use serde_json::Value;
use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use tokio::{task::spawn_blocking, time::timeout};
use uuid::Uuid;

use super::database::{direct, is_pooled};

/// Key of the tokens of these processes.
pub const SECRET: &str = "a secret of the processes, 32 bytes or more";
/// Time that a process may take for anything a test waits for. Drawing the demo pictures is slow on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(5);

/// Command line and environment of one run.
#[derive(Clone, Debug)]
pub struct Run {
    program: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    input: String,
    folder: PathBuf,
}

impl Run {
    /// The binary with `arguments` and an empty environment.
    pub fn bare(arguments: &[&str]) -> Self {
        Self {
            program: PathBuf::from(env!("CARGO_BIN_EXE_snack-server")),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            variables: Vec::new(),
            input: String::new(),
            folder: PathBuf::from("."),
        }
    }

    /// The binary with valid settings for `database` and a media folder of its own.
    pub fn on(database: &PgConnectOptions, arguments: &[&str]) -> Self {
        let run = if is_pooled() {
            Self::bare(arguments).set("DATABASE_DIRECT_URL", direct(database).to_url_lossy().as_str())
        } else {
            Self::bare(arguments)
        };
        run.set("DATABASE_URL", database.to_url_lossy().as_str())
            .set("REDIS_URL", &std::env::var("REDIS_URL").expect("REDIS_URL"))
            .set("REDIS_PREFIX", &format!("test:{}:", Uuid::new_v4()))
            .set("JWT_SECRET", SECRET)
            .set("HTTP_ADDR", "127.0.0.1:0")
            .set("MEDIA_URL", &format!("file://{}", folder().display()))
            .set("LOG_FORMAT", "json")
    }

    /// Sets or replaces a variable.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self = self.unset(name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn unset(mut self, name: &str) -> Self {
        self.variables.retain(|(other, _)| other != name);
        self
    }

    /// Passes `input` on standard input.
    pub fn with_stdin(mut self, input: &str) -> Self {
        input.clone_into(&mut self.input);
        self
    }

    /// Runs the binary under another name: a link, or a copy on another file system.
    pub fn with_program(mut self, name: PathBuf) -> Self {
        std::fs::hard_link(&self.program, &name)
            .or_else(|_| std::fs::copy(&self.program, &name).map(drop))
            .expect("the binary");
        self.program = name;
        self
    }

    /// Runs another program: the binary of another version.
    pub fn of_program(mut self, program: PathBuf) -> Self {
        self.program = program;
        self
    }

    /// Runs in this working directory.
    pub fn in_folder(mut self, folder: PathBuf) -> Self {
        self.folder = folder;
        self
    }

    pub fn get(&self, name: &str) -> &str {
        let found = self.variables.iter().find(|(other, _)| other == name);
        &found.expect("a variable").1
    }

    fn spawn(&self) -> Child {
        Command::new(&self.program)
            .args(&self.arguments)
            .current_dir(&self.folder)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a process")
    }

    /// Runs to the end.
    pub async fn end(&self) -> Ended {
        let mut child = Guard(self.spawn());
        let mut stdin: ChildStdin = child.0.stdin.take().expect("standard input");
        // The process may end without reading its input.
        let _ = stdin.write_all(self.input.as_bytes());
        drop(stdin);
        let pid = child.0.id();
        let waiting = spawn_blocking(move || {
            let output = read_whole(&mut child.0);
            drop(child);
            output
        });
        let Ok(output) = timeout(TIMEOUT, waiting).await else {
            kill("-KILL", pid);
            panic!("{:?} did not end", self.arguments);
        };
        let Output { status, stdout, stderr } = output.expect("an output");
        Ended {
            code: status.code(),
            stdout: String::from_utf8(stdout).expect("UTF-8"),
            stderr: String::from_utf8(stderr).expect("UTF-8"),
        }
    }

    /// Starts a server and waits until it logs that it serves.
    pub async fn serve(&self) -> Server {
        let mut child = Guard(self.spawn());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (address_sender, address_receiver) = mpsc::channel();
        let stderr = BufReader::new(child.0.stderr.take().expect("standard error"));
        let log_lines = lines.clone();
        let reader = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let event: Value = serde_json::from_str(&line).unwrap_or_default();
                if event["message"] == "server started" {
                    let _ = address_sender.send(event["address"].as_str().unwrap_or_default().to_owned());
                }
                log_lines.lock().expect("the lines").push(line);
            }
        });
        let address = spawn_blocking(move || address_receiver.recv_timeout(TIMEOUT)).await.expect("a thread");
        let Ok(address) = address else {
            panic!("the server did not start: {:?}", lines.lock().expect("the lines"));
        };
        Server { address, child, lines, reader }
    }
}

fn read_whole(child: &mut Child) -> Output {
    let mut stdout = child.stdout.take().expect("standard output");
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut stdout, &mut bytes).expect("standard output");
        bytes
    });
    let mut stderr = Vec::new();
    std::io::Read::read_to_end(&mut child.stderr.take().expect("standard error"), &mut stderr).expect("standard error");
    Output { status: child.wait().expect("an end"), stdout: reader.join().expect("standard output"), stderr }
}

/// The path of a temporary folder, which does not exist yet.
pub fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("snack-{}", Uuid::new_v4()))
}

/// Bytes in the kernel's buffers of all connections from and to `port`, which is written `:1F90`.
fn unread_bytes(port: &str) -> u64 {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the connections");
    let connections = table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, remote) = (columns.next()?, columns.next()?);
        let queues = columns.nth(1)?.split_once(':')?;
        (local.ends_with(port) || remote.ends_with(port)).then_some(queues)
    });
    let bytes = |queue| u64::from_str_radix(queue, 16).expect("a number");
    connections.map(|(sent, received)| bytes(sent) + bytes(received)).sum()
}

fn kill(signal: &str, pid: u32) {
    let killed = Command::new("kill").args([signal, &pid.to_string()]).status();
    assert!(killed.expect("kill").success());
}

/// A process that is killed on drop.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Exit code and output of a run.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Standard output of a successful run.
    #[track_caller]
    pub fn expect_success(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""));
        self.stdout
    }

    /// The only line on standard error of a failed run.
    #[track_caller]
    pub fn expect_failure(self) -> String {
        assert!(self.code.is_some_and(|code| code != 0), "{self:?}");
        assert_eq!(self.stdout, "", "{}", self.stderr);
        let line = self.stderr.strip_suffix('\n').expect("a line");
        assert!(!line.is_empty() && !line.contains(['\n', '\r']), "{line:?}");
        line.to_owned()
    }
}

/// A running server.
pub struct Server {
    /// Address that it listens on: `127.0.0.1:12345`.
    pub address: String,
    child: Guard,
    lines: Arc<Mutex<Vec<String>>>,
    reader: std::thread::JoinHandle<()>,
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// A memory figure of the process in MiB: `VmRSS` is what it holds, `VmHWM` the most that it has held.
    pub fn memory(&self, figure: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix(figure)).expect("the figure");
        line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<u64>().expect("kibibytes") / 1024
    }

    pub fn resident(&self) -> u64 {
        self.memory("VmRSS")
    }

    /// Waits until the server has read every byte that clients have sent to it. A write returns as soon as the bytes
    /// are in the kernel's buffers, which hold megabytes.
    pub async fn has_read_all(&self) {
        let (_, port) = self.address.rsplit_once(':').expect("a port");
        let port = format!(":{:04X}", port.parse::<u16>().expect("a number"));
        let reading = async {
            while unread_bytes(&port) > 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(TIMEOUT, reading).await.expect("a server that reads");
    }

    /// Sends a signal, and does not wait.
    pub fn signal(&self, signal: &str) {
        kill(signal, self.pid());
    }

    /// Waits until SIGSTOP has stopped the server.
    pub async fn wait_until_stopped(&self) {
        let is_stopped = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
            status.lines().any(|line| line.starts_with("State:\tT"))
        };
        let waiting = async {
            while !is_stopped() {
                tokio::task::yield_now().await;
            }
        };
        timeout(TIMEOUT, waiting).await.expect("a stopped process");
    }

    /// Waits until the server has logged `message`.
    pub async fn wait_for_log(&self, message: &str) {
        let waiting = async {
            while !self.lines.lock().expect("the lines").iter().any(|line| line.contains(message)) {
                tokio::task::yield_now().await;
            }
        };
        timeout(TIMEOUT, waiting).await.expect(message);
    }

    /// Waits for its end, and returns the exit code, the lines on standard error, and standard output.
    pub async fn wait(self) -> (Option<i32>, Vec<String>, String) {
        let Self { mut child, lines, reader, .. } = self;
        let waiting = spawn_blocking(move || {
            let mut address_sender = String::new();
            let mut stdout = child.0.stdout.take().expect("standard output");
            std::io::Read::read_to_string(&mut stdout, &mut address_sender).expect("standard output");
            let code = child.0.wait().expect("an end").code();
            reader.join().expect("standard error");
            (code, address_sender)
        });
        let (code, address_sender) = timeout(TIMEOUT, waiting).await.expect("an end in time").expect("an end");
        let lines = std::mem::take(&mut *lines.lock().expect("the lines"));
        (code, lines, address_sender)
    }
}
