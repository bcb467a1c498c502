//! Kinds of faults, what they run on, and their number of rounds.

use std::fmt;

use crate::{process::is_installed, proxy::Mode};

/// The stores and the proxies of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One PostgreSQL and one Redis, each behind a proxy of the harness.
    Single,
    /// A Redis Cluster of three masters and three replicas.
    RedisCluster,
    /// A PostgreSQL with a synchronous standby, behind `HAProxy`.
    Standby,
    /// Three servers behind `HAProxy`.
    Balanced,
}

impl Topology {
    /// Tells whether this machine has the programs. PostgreSQL and Redis are checked before.
    pub fn is_installed(self) -> bool {
        matches!(self, Self::Single | Self::RedisCluster) || is_installed("haproxy")
    }
}

/// The fault of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SIGKILL of the only server.
    ServerKill,
    /// SIGKILL of Redis, which restarts empty, with its data, or with earlier data.
    RedisKill,
    /// SIGKILL of PostgreSQL, or of one of its processes.
    PostgresKill,
    /// SIGTERM of the only server under 200 requests a second.
    Stop,
    /// SIGTERM twice. The second one ends the server at once, without responses.
    SecondSignal,
    /// Two or three servers, and SIGKILL of one.
    Replicas,
    /// Redis behind a faulty proxy.
    Redis(Mode),
    /// PostgreSQL behind a faulty proxy.
    Postgres(Mode),
    /// Clients that disconnect before the response.
    HangUp,
    /// Clients that never finish their headers or bodies.
    SlowClients,
    /// Timing of failed sign-ins, and many sign-ins at once.
    SignIn,
    /// PostgreSQL that is read-only for a while, as during a failover.
    ReadOnly,
    /// PostgreSQL without disk space for a while.
    DiskFull,
    /// A member and a snack that somebody tries to delete by hand while they are in use.
    DeletedRows,
    /// Rows that are locked by hand for seconds.
    LockedRow,
    /// Clients that send requests and do not read.
    SlowReaders,
    /// Requests that are made to take memory.
    MemoryCeiling,
    /// SIGKILL or SIGSTOP of a master of the Redis Cluster, whose replica takes over.
    /// Some replicas lag, and some masters lose their data.
    ClusterFailover,
    /// A primary PostgreSQL that is killed, silent or read-only, and its standby that is promoted.
    DatabaseFailover,
    /// SIGKILL of one of three servers.
    BalancedKill,
    /// SIGSTOP of one of three servers, and SIGCONT after a while.
    BalancedFreeze,
    /// SIGTERM of one of three servers.
    BalancedDrain,
}

/// Kinds on one PostgreSQL and one Redis (`make faults`), in the order in which they run.
pub const FAULTS: &[Kind] = &[
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

/// Kinds on larger installations (`make scale`), in the order in which they run.
pub const SCALE: &[Kind] =
    &[Kind::ClusterFailover, Kind::DatabaseFailover, Kind::BalancedKill, Kind::BalancedFreeze, Kind::BalancedDrain];

impl Kind {
    pub const fn topology(self) -> Topology {
        match self {
            Self::ClusterFailover => Topology::RedisCluster,
            Self::DatabaseFailover => Topology::Standby,
            Self::BalancedKill | Self::BalancedFreeze | Self::BalancedDrain => Topology::Balanced,
            _ => Topology::Single,
        }
    }

    /// Rounds in a full run.
    pub const fn full(self) -> usize {
        match self {
            Self::ServerKill | Self::RedisKill => 100,
            Self::PostgresKill | Self::Stop => 50,
            Self::Replicas
            | Self::Redis(_)
            | Self::Postgres(_)
            | Self::ClusterFailover
            | Self::DatabaseFailover
            | Self::BalancedKill => 30,
            Self::HangUp
            | Self::ReadOnly
            | Self::DiskFull
            | Self::DeletedRows
            | Self::LockedRow
            | Self::BalancedFreeze
            | Self::BalancedDrain => 10,
            Self::SecondSignal => 5,
            Self::SlowClients | Self::SignIn | Self::SlowReaders | Self::MemoryCeiling => 1,
        }
    }

    /// Rounds in a short run.
    pub const fn short(self) -> usize {
        match self {
            Self::ServerKill | Self::PostgresKill | Self::Stop => 2,
            Self::RedisKill => 3,
            _ => 1,
        }
    }

    /// Servers in the round numbered `index`.
    pub const fn servers(self, index: usize) -> usize {
        match self {
            Self::Replicas => 2 + index % 2,
            Self::BalancedKill | Self::BalancedFreeze | Self::BalancedDrain => 3,
            Self::ClusterFailover | Self::DatabaseFailover => 2,
            // Several flush tasks while a store is unreachable.
            Self::Redis(_) | Self::Postgres(_) | Self::RedisKill | Self::PostgresKill => 1 + (index % 3) / 2,
            _ => 1,
        }
    }

    /// True when PostgreSQL is unreachable for a while, so that 503 is an expected response.
    pub const fn hits_postgres(self) -> bool {
        matches!(
            self,
            Self::PostgresKill | Self::Postgres(_) | Self::ReadOnly | Self::DiskFull | Self::DatabaseFailover
        )
    }

    /// True when a server is killed or frozen, so that responses are lost.
    pub const fn loses_responses(self) -> bool {
        matches!(
            self,
            Self::ServerKill | Self::SecondSignal | Self::Replicas | Self::BalancedKill | Self::BalancedFreeze
        )
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
            Self::ClusterFailover => "cluster-failover".to_owned(),
            Self::DatabaseFailover => "database-failover".to_owned(),
            Self::BalancedKill => "balanced-kill".to_owned(),
            Self::BalancedFreeze => "balanced-freeze".to_owned(),
            Self::BalancedDrain => "balanced-drain".to_owned(),
        })
    }
}
