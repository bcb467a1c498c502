//! What members and admins do all round long. A client does one thing after another, so that it knows what must come of it;
//! what it does follows from its seed.

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

/// Everybody at work until [`Ground::stop`].
pub fn begin(ground: &Arc<Ground>, baseline: &Baseline, sessions: Vec<Vec<SignIn>>, rng: &mut Rng) -> JoinSet<Record> {
    let mut clients = JoinSet::new();
    let cast = Arc::clone(&ground.cast);
    for ((number, person), sessions) in cast.members.iter().enumerate().zip(sessions) {
        let mut client = Client::new(Arc::clone(ground), person.clone(), rng.fork());
        for snack in cast.shared.iter().chain([&cast.own[number]]) {
            let told = baseline.reactions.get(&(snack.id, person.id)).cloned();
            let reaction = Reaction { told, floating: Vec::new(), changed: None };
            client.record.reactions.insert((snack.id, person.id), reaction);
        }
        clients.spawn(async move {
            let mut member = Member { client, number, sessions, family: None, retry: None, keys: 0 };
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

/// Waits for all clients and puts their records together.
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
