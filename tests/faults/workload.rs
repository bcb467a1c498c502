//! The workload of members and admins. A client sends one request after another, so that it knows the expected
//! responses. The seed determines its decisions.

use std::sync::Arc;

use fastrand::Rng;
use tokio::task::JoinSet;

use crate::{
    admin::Admin,
    client::{Client, Ground},
    fixtures::{Baseline, SignIn},
    member::Member,
    record::{Reaction, Record},
};

/// Starts all clients.
pub fn begin(ground: &Arc<Ground>, baseline: &Baseline, sign_ins: Vec<Vec<SignIn>>, rng: &mut Rng) -> JoinSet<Record> {
    let mut clients = JoinSet::new();
    let cast = Arc::clone(&ground.cast);
    for ((number, person), sign_ins) in cast.members.iter().enumerate().zip(sign_ins) {
        let mut client = Client::new(Arc::clone(ground), person.clone(), rng.fork());
        for snack in cast.shared.iter().chain([&cast.own[number]]) {
            let told = baseline.reactions.get(&(snack.id, person.id)).cloned();
            let reaction = Reaction { told, floating: Vec::new(), changed: None };
            client.record.reactions.insert((snack.id, person.id), reaction);
        }
        clients.spawn(async move {
            let mut member = Member { client, number, sign_ins, family: None, retry: None, keys: 0 };
            member.work().await;
            member.client.record
        });
    }
    for person in &cast.admins {
        let mut admin = Admin(Client::new(Arc::clone(ground), person.clone(), rng.fork()));
        clients.spawn(async move {
            admin.work().await;
            admin.0.record
        });
    }
    clients
}

/// Stops all clients and merges their records.
pub async fn finish(ground: &Ground, mut clients: JoinSet<Record>) -> Record {
    ground.stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut all = Record::default();
    while let Some(record) = clients.join_next().await {
        match record {
            Ok(record) => all.absorb(record),
            Err(panic) => all.violations.push(format!("a client of the harness failed: {panic}")),
        }
    }
    all
}
