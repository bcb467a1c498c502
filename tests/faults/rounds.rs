//! A round: load, a fault, its end, convergence, and the check.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use fastrand::Rng;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    balanced, check,
    client::{RoundState, http},
    cluster_failover, database_failover, degraded_database, exhaustion, faults,
    fixtures::{Baseline, Fixtures},
    kind::Kind,
    process::{eventually, time_limit},
    proxy::{DELAY, Mode},
    record::Record,
    rng,
    stack::{RECONCILE, Stack},
    workload,
};

/// Time after which PostgreSQL ends a transaction whose client is silent (`idle_in_transaction_session_timeout`).
const IDLE_TRANSACTION: Duration = Duration::from_secs(10);
/// Time that a request with a 503 may still wait for a connection and succeed.
const LATE: Duration = Duration::from_millis(2200);

/// Time within which the clients get a few hundred responses without a fault, on a busy machine.
const RESPONSES_WITHIN: Duration = Duration::from_secs(30);

/// The result of a round.
#[derive(Default)]
pub struct Report {
    pub record: Record,
    /// Time to converge after traffic has stopped.
    pub convergence_time: Duration,
    /// Figures without a column in the table.
    pub notes: Vec<String>,
}

/// A running round.
pub struct Round<'a> {
    pub kind: Kind,
    pub index: usize,
    pub stack: &'a mut Stack,
    pub fixtures: Arc<Fixtures>,
    pub rng: Rng,
    pub baseline: Baseline,
    pub state: Arc<RoundState>,
    pub clients: JoinSet<Record>,
    pub violations: Vec<String>,
    pub notes: Vec<String>,
}

impl<'a> Round<'a> {
    /// Reads the baseline and starts the clients.
    pub async fn begin(kind: Kind, index: usize, seed: u64, stack: &'a mut Stack, fixtures: &Arc<Fixtures>) -> Self {
        let mut rng = rng::seeded(seed, &format!("{kind} {index}"));
        stack.connect_directly(kind == Kind::SignIn);
        stack.serve(kind.servers(index)).await;
        let mut db = stack.connect().await;
        let mut baseline = Baseline::read(&mut db).await.expect("the rows");
        let new_sessions = fixtures.create_sessions(&mut db).await;
        let state = Arc::new(RoundState {
            fixtures: Arc::clone(fixtures),
            urls: stack.urls(),
            // Half of the clients in a shutdown open a connection for each request.
            http: http(!matches!(kind, Kind::Stop | Kind::BalancedDrain) || index.is_multiple_of(2)),
            stop: AtomicBool::new(false),
            faulty: AtomicBool::new(false),
            repaired_at: Mutex::new(None),
            response_count: AtomicUsize::new(0),
            may_be_unavailable: kind.hits_postgres(),
            may_stall: kind.hits_postgres() || kind == Kind::BalancedFreeze,
            may_lose_responses: kind.loses_responses(),
            responds_from: Mutex::new(None),
            // About 200 requests a second from 28 clients, or as many as possible.
            think: if kind == Kind::Stop { 270 } else { 30 },
            orders: Mutex::new(std::mem::take(&mut baseline.open_orders)),
            name: format!("{kind}-{index}-{}", uuid::Uuid::new_v4().simple()),
        });
        let clients = match kind {
            Kind::HangUp | Kind::SignIn => JoinSet::new(),
            _ => workload::begin(&state, &baseline, new_sessions, &mut rng),
        };
        Self {
            kind,
            index,
            stack,
            fixtures: Arc::clone(fixtures),
            rng,
            baseline,
            state,
            clients,
            violations: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Lets the clients work for some of `milliseconds`.
    pub async fn load(&mut self, milliseconds: std::ops::Range<usize>) {
        sleep(Duration::from_millis(self.rng.usize(milliseconds.start..milliseconds.end) as u64)).await;
    }

    /// Lets the clients work until this many more of their requests have got a response. A round with hardly any
    /// requests would prove nothing, and on a busy machine they take time.
    pub async fn wait_for_responses(&mut self, count: std::ops::Range<usize>) {
        let until = self.state.response_count.load(Ordering::Relaxed) + self.rng.usize(count.start..count.end);
        let state = Arc::clone(&self.state);
        if !eventually(RESPONSES_WITHIN, async || state.response_count.load(Ordering::Relaxed) >= until).await {
            self.add_violation(format!("fewer than {count:?} answers within {RESPONSES_WITHIN:?}"));
        }
    }

    /// Records the start or the end of the fault.
    pub fn set_faulty(&self, faulty: bool) {
        *self.state.repaired_at.lock().unwrap_or_else(PoisonError::into_inner) = (!faulty).then(Instant::now);
        self.state.faulty.store(faulty, Ordering::Relaxed);
    }

    /// Says that each request that begins from `time` on gets a response, also where responses may be lost.
    pub fn expect_responses_from(&self, time: Instant) {
        *self.state.responds_from.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
    }

    pub fn add_violation(&mut self, description: impl Into<String>) {
        self.violations.push(description.into());
    }

    /// Stops the clients, waits for convergence and checks.
    pub async fn end(mut self) -> Report {
        let clients = std::mem::take(&mut self.clients);
        let record = workload::finish(&self.state, clients).await;
        self.settle(record).await
    }

    /// Waits for convergence and compares `record` with the rows.
    pub async fn settle(mut self, mut record: Record) -> Report {
        if self.kind.hits_postgres() || self.kind == Kind::HangUp {
            // The end of such a request is not visible from outside. Without the wait the next round takes a late write for its own.
            sleep(LATE).await;
        }
        if self.kind == Kind::Postgres(Mode::Delay) {
            // A request that the server has aborted may still be on its way to Postgres, which executes it when it
            // arrives.
            sleep(DELAY).await;
        }
        let patience = time_limit(2 * RECONCILE)
            + match self.kind {
                Kind::Postgres(Mode::BlackHole) => IDLE_TRANSACTION,
                Kind::Postgres(Mode::Delay) | Kind::Redis(Mode::Delay) => DELAY,
                _ => Duration::ZERO,
            };
        let convergence_time = check::wait_for_convergence(self.stack, patience, &mut self.violations).await;
        record.violations.append(&mut self.violations);
        record.violations.extend(check::violations(self.stack, &self.fixtures, &self.baseline, &record).await);
        self.stack.postgres_proxy.reap();
        self.stack.redis_proxy.reap();
        Report { record, convergence_time, notes: self.notes }
    }
}

/// Runs one round.
pub async fn run_round(
    kind: Kind,
    index: usize,
    seed: u64,
    full: bool,
    stack: &mut Stack,
    fixtures: &Arc<Fixtures>,
) -> Report {
    let mut round = Round::begin(kind, index, seed, stack, fixtures).await;
    match kind {
        Kind::HangUp => {
            return crate::misbehaving_clients::disconnect_early(round, if full { 1000 } else { 200 }).await;
        }
        Kind::SlowClients => return crate::misbehaving_clients::send_slowly(round, if full { 500 } else { 20 }).await,
        Kind::SignIn => return crate::sign_in::run(round, if full { 500 } else { 30 }).await,
        _ => round.wait_for_responses(100..500).await,
    }
    match kind {
        Kind::ServerKill | Kind::Replicas => faults::kill_server(&mut round).await,
        Kind::RedisKill => faults::kill_redis(&mut round).await,
        Kind::PostgresKill => faults::kill_postgres(&mut round).await,
        Kind::SecondSignal => faults::signal_twice(&mut round).await,
        Kind::Stop => faults::stop_server(&mut round).await,
        Kind::Redis(mode) => faults::cut_redis(&mut round, mode).await,
        Kind::Postgres(mode) => faults::cut_postgres(&mut round, mode).await,
        Kind::ReadOnly => degraded_database::make_read_only(&mut round).await,
        Kind::DiskFull => degraded_database::fill_disk(&mut round).await,
        Kind::DeletedRows => degraded_database::delete_rows(&mut round).await,
        Kind::LockedRow => degraded_database::lock_row(&mut round).await,
        Kind::SlowReaders => exhaustion::read_slowly(&mut round, full).await,
        Kind::MemoryCeiling => exhaustion::take_memory(&mut round).await,
        Kind::ClusterFailover => cluster_failover::take_master(&mut round).await,
        Kind::DatabaseFailover => database_failover::fail_over(&mut round).await,
        Kind::BalancedKill => balanced::kill_server(&mut round).await,
        Kind::BalancedFreeze => balanced::freeze_server(&mut round, full).await,
        Kind::BalancedDrain => balanced::drain_server(&mut round).await,
        Kind::HangUp | Kind::SlowClients | Kind::SignIn => {}
    }
    round.wait_for_responses(50..200).await;
    round.end().await
}
