//! The kinds of rounds, and how many of each are played.

use std::fmt;

use crate::proxy::Mode;

/// What goes wrong in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SIGKILL of the only server.
    ServerKill,
    /// SIGKILL of Redis, which comes back empty, or with what it knew, or with what it knew earlier.
    RedisKill,
    /// SIGKILL of PostgreSQL, wholly or of one of its processes.
    PostgresKill,
    /// SIGTERM of the only server under 200 requests a second.
    Stop,
    /// SIGTERM twice, of which the second ends the server at once, and with it answers.
    SecondSignal,
    /// Two or three servers at once, and SIGKILL of one.
    Replicas,
    /// Redis behind a proxy that misbehaves.
    Redis(Mode),
    /// PostgreSQL behind a proxy that misbehaves.
    Postgres(Mode),
    /// Clients that hang up before the answer.
    HangUp,
    /// Clients that never get done with their headers or bodies.
    SlowClients,
    /// Refused sign-ins, held against the clock, and a crowd that signs in.
    SignIn,
    /// PostgreSQL that takes no writes for a while, as around a failover.
    ReadOnly,
    /// No room on PostgreSQL's disk for a while.
    DiskFull,
    /// A member and a snack that are deleted by hand while they are in use.
    DeletedRows,
    /// A row that somebody else locks for seconds.
    LockedRow,
    /// Clients that ask and do not read.
    SlowReaders,
    /// Requests made to take memory: the server has to stay below a ceiling.
    MemoryCeiling,
}

/// All of them, in the order in which they are played.
pub const ALL: &[Kind] = &[
    Kind::ServerKill,
    Kind::RedisKill,
    Kind::PostgresKill,
    Kind::Stop,
    Kind::SecondSignal,
    Kind::Replicas,
    Kind::Redis(Mode::Refuse),
    Kind::Redis(Mode::Reset),
    Kind::Redis(Mode::BlackHole),
    Kind::Redis(Mode::Delay),
    Kind::Postgres(Mode::Refuse),
    Kind::Postgres(Mode::Reset),
    Kind::Postgres(Mode::BlackHole),
    Kind::Postgres(Mode::Delay),
    Kind::HangUp,
    Kind::SlowClients,
    Kind::SignIn,
    Kind::ReadOnly,
    Kind::DiskFull,
    Kind::DeletedRows,
    Kind::LockedRow,
    Kind::SlowReaders,
    Kind::MemoryCeiling,
];

impl Kind {
    /// How many rounds a full run has of it.
    pub const fn full(self) -> usize {
        match self {
            Self::ServerKill | Self::RedisKill => 100,
            Self::PostgresKill | Self::Stop => 50,
            Self::Replicas | Self::Redis(_) | Self::Postgres(_) => 30,
            Self::HangUp | Self::ReadOnly | Self::DiskFull | Self::DeletedRows | Self::LockedRow => 10,
            Self::SecondSignal => 5,
            Self::SlowClients | Self::SignIn | Self::SlowReaders | Self::MemoryCeiling => 1,
        }
    }

    /// How many a short run has.
    pub const fn short(self) -> usize {
        match self {
            Self::ServerKill | Self::PostgresKill | Self::Stop => 2,
            Self::RedisKill => 3,
            _ => 1,
        }
    }

    /// How many servers play in the round numbered `index`.
    pub const fn servers(self, index: usize) -> usize {
        match self {
            Self::Replicas => 2 + index % 2,
            // Several flushers at once while a store is away.
            Self::Redis(_) | Self::Postgres(_) | Self::RedisKill | Self::PostgresKill => 1 + (index % 3) / 2,
            _ => 1,
        }
    }

    /// Whether PostgreSQL goes out of reach, so that a 503 is a fair answer.
    pub const fn hits_postgres(self) -> bool {
        matches!(self, Self::PostgresKill | Self::Postgres(_) | Self::ReadOnly | Self::DiskFull)
    }

    /// Whether a server dies, and with it answers.
    pub const fn kills_servers(self) -> bool {
        matches!(self, Self::ServerKill | Self::SecondSignal | Self::Replicas)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxied = |store, mode: &Mode| match mode {
            Mode::Pass => format!("{store}-pass"),
            Mode::Refuse => format!("{store}-refuse"),
            Mode::Reset => format!("{store}-reset"),
            Mode::Hold | Mode::BlackHole => format!("{store}-black-hole"),
            Mode::HoldResponses => format!("{store}-hold-responses"),
            Mode::Exhausted => format!("{store}-exhausted"),
            Mode::Delay => format!("{store}-delay"),
        };
        f.pad(&match self {
            Self::ServerKill => "server-kill".to_owned(),
            Self::RedisKill => "redis-kill".to_owned(),
            Self::PostgresKill => "postgres-kill".to_owned(),
            Self::Stop => "server-stop".to_owned(),
            Self::SecondSignal => "second-signal".to_owned(),
            Self::Replicas => "replica-kill".to_owned(),
            Self::Redis(mode) => proxied("redis", mode),
            Self::Postgres(mode) => proxied("postgres", mode),
            Self::HangUp => "hang-up".to_owned(),
            Self::SlowClients => "slow-clients".to_owned(),
            Self::SignIn => "sign-in".to_owned(),
            Self::ReadOnly => "read-only".to_owned(),
            Self::DiskFull => "disk-full".to_owned(),
            Self::DeletedRows => "deleted-rows".to_owned(),
            Self::LockedRow => "locked-row".to_owned(),
            Self::SlowReaders => "slow-readers".to_owned(),
            Self::MemoryCeiling => "memory-ceiling".to_owned(),
        })
    }
}
