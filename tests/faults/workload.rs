//! The workload of members and admins. A client sends one request after another, so that it knows the expected
//! responses. The seed determines its decisions.

use std::sync::Arc;

use fastrand::Rng;
use tokio::task::JoinSet;

use crate::{
    admin::Admin,
    client::{Client, RoundState},
    fixtures::{Baseline, NewSession},
    member::Member,
    record::{Reaction, Record},
};

/// Starts all clients.
pub fn begin(
    state: &Arc<RoundState>,
    baseline: &Baseline,
    new_sessions: Vec<Vec<NewSession>>,
    rng: &mut Rng,
) -> JoinSet<Record> {
    let mut clients = JoinSet::new();
    let fixtures = Arc::clone(&state.fixtures);
    for ((number, user), new_sessions) in fixtures.members.iter().enumerate().zip(new_sessions) {
        let mut client = Client::new(Arc::clone(state), user.clone(), rng.fork());
        for snack in fixtures.shared.iter().chain([&fixtures.own[number]]) {
            let acknowledged = baseline.reactions.get(&(snack.id, user.id)).cloned();
            let reaction = Reaction { acknowledged, possible: Vec::new(), changed: None };
            client.record.reactions.insert((snack.id, user.id), reaction);
        }
        clients.spawn(async move {
            let mut member = Member { client, number, new_sessions, session: None, retry: None, keys: 0 };
            member.work().await;
            member.client.record
        });
    }
    for user in &fixtures.admins {
        let mut admin = Admin(Client::new(Arc::clone(state), user.clone(), rng.fork()));
        clients.spawn(async move {
            admin.work().await;
            admin.0.record
        });
    }
    clients
}

/// Stops all clients and merges their records.
pub async fn finish(state: &RoundState, mut clients: JoinSet<Record>) -> Record {
    state.stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut all = Record::default();
    while let Some(record) = clients.join_next().await {
        match record {
            Ok(record) => all.merge(record),
            Err(panic) => all.violations.push(format!("a client of the harness failed: {panic}")),
        }
    }
    all
}
