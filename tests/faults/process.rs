//! Processes of the harness: finding, starting, signalling and ending them.

use std::{
    fs::{self, File},
    io::{self, Read},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// Interval at which a condition is checked.
const POLL: Duration = Duration::from_millis(10);

/// A time limit, three times as long for an unoptimised build.
pub const fn time_limit(time: Duration) -> Duration {
    if cfg!(debug_assertions) { time.saturating_mul(3) } else { time }
}

/// Waits until `condition` holds, and returns false when it does not within `patience`.
pub async fn eventually<F: Future<Output = bool>>(patience: Duration, mut condition: impl FnMut() -> F) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if condition().await {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        sleep(POLL).await;
    }
}

/// Sends `signal` to the process `pid`, which may have ended already.
pub fn send_signal(signal: &str, pid: u32) {
    let _ = Command::new("kill").args(["-s", signal, &pid.to_string()]).stderr(Stdio::null()).status();
}

/// A free port below the kernel's ephemeral range, so that no other process takes it between a stop and the next start.
pub fn free_port() -> u16 {
    let mut random = [0; 2];
    loop {
        File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random)).expect("randomness");
        let port = 20_000 + u16::from_le_bytes(random) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Checks that PostgreSQL and Redis are installed.
pub fn has_stores() -> bool {
    postgres_programs().is_some() && is_installed("redis-server")
}

/// Tells whether `program` is on the `PATH`.
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).exists())
}

/// The folder of PostgreSQL's programs.
pub fn postgres_programs() -> Option<PathBuf> {
    let named = Command::new("pg_config").arg("--bindir").output().ok();
    let named = named.and_then(|output| String::from_utf8(output.stdout).ok()).map(|text| PathBuf::from(text.trim()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    named
        .into_iter()
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("postgres").exists() && folder.join("initdb").exists())
}

/// A command of a store. PostgreSQL refuses to run as root.
pub fn as_service(program: &Path) -> Command {
    let is_root = fs::metadata("/proc/self").is_ok_and(|owner| std::os::unix::fs::MetadataExt::uid(&owner) == 0);
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
    command
}

/// The processes whose parent is `pid`.
pub fn children_of(pid: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| {
            let child: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()?;
            (parent == pid).then_some(child)
        })
        .collect()
}

/// A process that is killed on drop.
pub struct Process(Child);

impl Process {
    /// Starts `command`, which appends its output to `log`.
    pub fn start(command: &mut Command, log: &Path) -> io::Result<Self> {
        let log = File::options().append(true).create(true).open(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Self(command.spawn()?))
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Kills it and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// The exit status, or nothing while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }

    /// The exit status, or nothing when it does not end within `patience`.
    pub async fn end(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            let ended = self.ended();
            if ended.is_some() || Instant::now() >= deadline {
                return ended;
            }
            sleep(POLL).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
