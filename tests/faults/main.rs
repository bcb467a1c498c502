//! The fault harness: runs rounds of load and faults on the real server, `PostgreSQL` and Redis, and compares the
//! clients' records with the rows.
//!
//! `faults [--rounds full|short] [--scale] [--seed N] [--only KIND]...` prints a table and every violation, and fails when
//! there is one. Full rounds are those on one PostgreSQL and one Redis, or with `--scale` those on larger installations.
//! Short rounds are all. The same seed repeats the clients' decisions and the schedule. An argument without dashes selects the kinds
//! whose names contain it, as `cargo test FILTER` does.

#![expect(clippy::print_stdout, clippy::expect_used, reason = "a test without the test harness")]

mod admin;
mod balanced;
mod balancer;
mod check;
mod client;
mod cluster_failover;
mod database_failover;
mod degraded_database;
mod exhaustion;
mod faults;
mod fixtures;
mod kind;
mod member;
mod misbehaving_clients;
mod outbox;
mod process;
#[expect(dead_code, reason = "some modes are for the API tests")]
#[path = "../support/proxy.rs"]
mod proxy;
mod receiver;
mod record;
#[path = "../support/redis_cluster.rs"]
mod redis_cluster;
mod rng;
mod rounds;
mod sign_in;
mod stack;
mod standby;
mod workload;

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use kind::{Kind, Topology};
use record::{Record, percentile};

/// Limit of the reactions' p99 while Redis is unreachable.
const REACTION_P99: Duration = Duration::from_millis(400);

struct Arguments {
    seed: u64,
    full: bool,
    kinds: Vec<Kind>,
}

impl Arguments {
    /// Reads the command line, or returns nothing when only a list is requested. Flags of libtest are accepted and
    /// ignored, because `cargo test` passes the same ones to every test.
    fn read() -> Option<Self> {
        let (mut seed, mut full, mut scale, mut words) = (1, false, false, Vec::new());
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (argument, None),
            };
            let mut value = || value.clone().or_else(|| arguments.next()).unwrap_or_default();
            match name.as_str() {
                "--list" => return None,
                "--seed" => seed = value().parse().expect("--seed takes a number"),
                "--rounds" => full = value() == "full",
                "--scale" => scale = true,
                "--only" => words.push(value()),
                "--test-threads" | "--skip" | "--format" | "--color" | "--logfile" | "-Z" => drop(value()),
                flag if flag.starts_with('-') => {}
                word => words.push(word.to_owned()),
            }
        }
        let wanted =
            |kind: &&Kind| words.is_empty() || words.iter().any(|word| kind.to_string().contains(word.as_str()));
        let kinds = match (full, scale) {
            (_, true) => kind::SCALE.to_vec(),
            (true, false) => kind::FAULTS.to_vec(),
            (false, false) => [kind::FAULTS, kind::SCALE].concat(),
        };
        let kinds = kinds.into_iter().filter(|kind| wanted(&kind)).collect();
        Some(Self { seed, full, kinds })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(arguments) = Arguments::read() else {
        println!("0 tests, 0 benchmarks");
        return ExitCode::SUCCESS;
    };
    if !process::has_stores() {
        // Tests that get their stores from DATABASE_URL and REDIS_URL may run where none is installed.
        println!("\nfaults: PostgreSQL's server or Redis is not installed; `make faults` installs them");
        println!(
            "\ntest result: ok. 0 passed; 0 failed; {} ignored; 0 measured; 0 filtered out",
            kind::FAULTS.len() + kind::SCALE.len()
        );
        return ExitCode::SUCCESS;
    }
    let started = Instant::now();
    let (passed, failed) = if arguments.kinds.is_empty() { (0, 0) } else { run(&arguments).await };
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s",
        kind::FAULTS.len() + kind::SCALE.len() - arguments.kinds.len(),
        started.elapsed().as_secs_f64()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs all rounds, and returns how many passed and failed.
async fn run(arguments: &Arguments) -> (usize, usize) {
    println!("\nseed {}\n", arguments.seed);
    println!(
        "{:<20} {:>6} {:>7} {:>9} {:>12} {:>8} {:>8} {:>12} {:>12} {:>8} {:>8} {:>10}",
        "kind",
        "rounds",
        "took",
        "requests",
        "acknowledged",
        "refused",
        "unknown",
        "healed (max)",
        "reaction p99",
        "messages",
        "repeated",
        "violations"
    );
    let (mut passed, mut failed) = (0, 0);
    for kinds in arguments.kinds.chunk_by(|one, next| one.topology() == next.topology()) {
        let topology = kinds[0].topology();
        if !topology.is_installed() {
            println!("{topology:?}: not run, because HAProxy is not installed");
            continue;
        }
        let (more_passed, more_failed) = run_on(topology, kinds, arguments).await;
        passed += more_passed;
        failed += more_failed;
    }
    (passed, failed)
}

/// Runs the rounds of `kinds` on new stores, and returns how many passed and failed.
async fn run_on(topology: Topology, kinds: &[Kind], arguments: &Arguments) -> (usize, usize) {
    let mut stack = stack::Stack::start(topology).await;
    // The first server creates the schema.
    stack.serve(1).await;
    let fixtures = Arc::new(fixtures::Fixtures::prepare(&stack).await);
    let receiver = receiver::Receiver::start().await;
    fixtures::add_channel(&mut stack.connect().await, &receiver.url).await;
    let (mut passed, mut failed) = (0, 0);
    for kind in kinds {
        let count = if arguments.full { kind.full() } else { kind.short() };
        let (mut all, mut convergence_time, mut violations) = (Record::default(), Duration::ZERO, 0);
        let began = Instant::now();
        let mut lines = Vec::new();
        let last_entry = outbox::last_entry(&stack).await;
        for index in 0..count {
            let report = rounds::run_round(*kind, index, arguments.seed, arguments.full, &mut stack, &fixtures).await;
            convergence_time = convergence_time.max(report.convergence_time);
            let mut record = report.record;
            lines.extend(report.notes.into_iter().map(|note| format!("  {note}")));
            if record.violations.is_empty() {
                passed += 1;
            } else {
                failed += 1;
            }
            // Many clients note the same violation at the same time.
            let mut times = BTreeMap::<&str, usize>::new();
            for description in &record.violations {
                *times.entry(description).or_default() += 1;
            }
            lines.extend(times.iter().map(|(description, times)| format!("  {kind} {index}: {times} x {description}")));
            violations += record.violations.len();
            // Only times and numbers are needed from here on.
            record.reactions.clear();
            record.orders.clear();
            record.transitions.clear();
            record.member_types.clear();
            record.sessions.clear();
            all.merge(record);
        }
        let told = outbox::check(&mut stack, &receiver, last_entry).await;
        failed += usize::from(!told.violations.is_empty());
        violations += told.violations.len();
        lines.extend(told.violations.iter().map(|description| format!("  {kind}: {description}")));
        let p99 = percentile(&all.reaction_times, 99);
        // Timings of a debug build are not meaningful.
        let is_measured = !cfg!(debug_assertions) && matches!(kind, Kind::Redis(_) | Kind::RedisKill);
        if is_measured && p99 > REACTION_P99 {
            failed += 1;
            violations += 1;
            lines.push(format!("  {kind}: the p99 of reactions without Redis is {p99:?}"));
        }
        let shown = if all.reaction_times.is_empty() { "-".to_owned() } else { format!("{} ms", p99.as_millis()) };
        println!(
            "{kind:<20} {count:>6} {:>5} s {:>9} {:>12} {:>8} {:>8} {:>9} ms {shown:>12} {:>8} {:>8} {:>10}",
            began.elapsed().as_secs(),
            all.requests,
            all.acknowledged,
            all.refused,
            all.unknown,
            convergence_time.as_millis(),
            told.messages,
            told.duplicates,
            violations
        );
        for line in &lines {
            println!("{line}");
        }
    }
    stack.keeps_logs = failed > 0;
    if stack.keeps_logs {
        println!("  logs in {}", stack.folder.display());
    }
    (passed, failed)
}
