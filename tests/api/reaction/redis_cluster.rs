//! A Redis Cluster: the keys of each snack are on one of three nodes.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use snack_server::reaction::{counts::Counts, flush::Flusher};
use uuid::Uuid;

use super::{
    convergence::react,
    reasons::{flusher, reconcile as compare},
};
use crate::support::{
    counter_snapshot::{CounterProbe, key, reconcile},
    redis::{cluster_app, three_masters},
    redis_cluster::{PASSWORD, RedisCluster, words},
    test_app::{TestApp, TestUser},
};

/// Three snacks of each node, each with a like. All counters agree.
async fn rated_snacks(app: &TestApp, cluster: &RedisCluster, user: &TestUser) -> [Vec<String>; 3] {
    let mut snacks = [const { Vec::new() }; 3];
    while snacks.iter().any(|of_node| of_node.len() < 3) {
        let uid = app.snack(user, &format!("간식 {}", Uuid::new_v4())).await;
        let slot = slot(app, cluster, &uid).await;
        let node = (0..3).find(|node| slot < (node + 1) * 16384 / 3).expect("a node");
        snacks[node].push(uid);
    }
    for uid in snacks.iter().flatten() {
        react(app, user, uid, "like").await;
    }
    CounterProbe::open(app).await.converge(app).await;
    snacks
}

async fn slot(app: &TestApp, cluster: &RedisCluster, snack: &str) -> usize {
    let key = format!("{}{}", app.state.config.redis_prefix, key(snack, "epoch"));
    cluster.command(0, &words(&format!("CLUSTER KEYSLOT {key}"))).await.expect("a slot")
}

/// A hate of `user` for each snack, which replaces the like of another. Fails unless every response has the correct counts.
async fn hate(app: &TestApp, user: &TestUser, snacks: &[&String], hates: i64) {
    for snack in snacks {
        let path = format!("/snacks/{snack}/reaction");
        let response = app.post(user, &path, json!({"type": "hate"})).await.expect(200);
        let counts = ["like_reaction_count", "hate_reaction_count"].map(|name| response[name].as_i64());
        assert_eq!(counts, [Some(1), Some(hates)], "{snack}");
    }
}

/// Counts in Redis that the server trusts.
async fn counted(app: &TestApp, snack: &str) -> Option<Counts> {
    app.stored(snack.parse().expect("a uid")).await.and_then(|stored| stored.counts)
}

#[tokio::test]
async fn every_node_counts_its_snacks_also_when_it_has_lost_the_script() {
    let cluster = three_masters(None).await;
    let app = cluster_app(&cluster).await;
    let users = app.users(2).await;
    let snacks = rated_snacks(&app, &cluster, &users[0]).await;
    let all: Vec<_> = snacks.iter().flatten().collect();
    for node in 0..3 {
        let keys: usize = cluster.command(node, &words("DBSIZE")).await.expect("a number");
        assert!(keys >= 9, "{keys} keys on node {node}");
    }
    cluster.command::<()>(1, &words("SCRIPT FLUSH")).await.expect("no scripts");
    // All at once, so that they share a batch and are counted on all nodes.
    join_all(all.iter().map(|snack| react(&app, &users[1], snack, "hate"))).await;
    for snack in &all {
        assert_eq!(counted(&app, snack).await, Some(Counts { likes: 1, hates: 1 }), "counted before any flush");
    }
    app.flush().await;
    CounterProbe::open(&app).await.assert_equal(&app).await;
    let ready = app.send(app.request(reqwest::Method::GET, "/health/ready")).await.expect(200);
    assert_eq!(ready["redis"], "up");
}

#[tokio::test]
async fn a_node_that_is_away_costs_only_its_own_snacks() {
    let mut cluster = three_masters(None).await;
    let app = cluster_app(&cluster).await;
    let users = app.users(30).await;
    let snacks = rated_snacks(&app, &cluster, &users[0]).await;
    let (away, others) = (snacks[2].iter().collect::<Vec<_>>(), snacks[..2].iter().flatten().collect::<Vec<_>>());
    let uids: Vec<Uuid> = away.iter().chain(&others).map(|uid| uid.parse().expect("a uid")).collect();
    for (hates, is_frozen) in [(1, true), (15, false)] {
        if is_frozen {
            cluster.signal(2, "STOP");
        } else {
            cluster.kill(2);
        }
        let (started, mut in_redis) = (Instant::now(), 0);
        for (hates, user) in (hates..hates + 14).zip(&users[usize::try_from(hates).expect("small")..]) {
            hate(&app, user, &away, hates).await;
            hate(&app, user, &others, hates).await;
            // Read with one command for each node.
            let stored = app.state.reactions.counters.trusted_counts(&uids).await;
            let expected = Some(Counts { likes: 1, hates: i32::try_from(hates).expect("small") });
            let (stored_away, stored_others) = stored.split_at(away.len());
            assert!(stored_away.iter().all(Option::is_none), "{stored_away:?}");
            in_redis += stored_others.iter().flatten().filter(|stored| stored.counts == expected).count();
            // On a busy machine a command to the other nodes may be late too. Their counts are trusted again then.
            app.flush().await;
        }
        assert!(in_redis >= 14 * 6 * 3 / 4, "{in_redis} of 84 reactions counted in Redis without a flush");
        // 42 reactions to snacks of the node, each with two commands. Waiting 150 ms for each would take 12 s.
        assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
        let ready = app.send(app.request(reqwest::Method::GET, "/health/ready")).await.expect(200);
        assert_eq!(ready["redis"], "down");
        // The snacks of the others are compared and repaired meanwhile.
        app.flush().await;
        let spoilt = format!("SET {}{} 77", app.state.config.redis_prefix, key(others[0], "like_count"));
        cluster.command::<()>(0, &words(&spoilt)).await.expect("a wrong count");
        let flusher = Flusher::new(&app.state.reactions, app.state.watchdog.clone());
        let mut repaired = 0;
        while repaired == 0 {
            let reconciled = flusher.reconcile().await.expect("a reconcile");
            assert!(!reconciled.is_complete);
            assert!(started.elapsed() < Duration::from_secs(30), "not repaired");
            repaired = reconciled.repaired;
        }
        assert_eq!(repaired, 1);
        if is_frozen {
            cluster.signal(2, "CONT");
            reconcile(&app).await;
        }
    }
    cluster.wipe(2);
    cluster.start_node(2);
    // A node that was restarted does not serve at once.
    reconcile(&app).await;
    CounterProbe::open(&app).await.converge(&app).await;
}

#[tokio::test]
async fn a_slot_that_has_moved_to_another_node_is_found_there() {
    let cluster = three_masters(None).await;
    let app = cluster_app(&cluster).await;
    let users = app.users(4).await;
    let snacks = rated_snacks(&app, &cluster, &users[0]).await;
    let snack = &snacks[0][0];
    let slot = slot(&app, &cluster, snack).await;
    let ids = [&cluster.nodes[0].id, &cluster.nodes[1].id];
    for (node, state) in [(1, format!("IMPORTING {}", ids[0])), (0, format!("MIGRATING {}", ids[1]))] {
        cluster.command::<()>(node, &words(&format!("CLUSTER SETSLOT {slot} {state}"))).await.expect("a state");
    }
    // While the slot is being moved, its keys may be at either node.
    let keys: Vec<String> =
        cluster.command(0, &words(&format!("CLUSTER GETKEYSINSLOT {slot} 10"))).await.expect("keys");
    for (at, key) in keys.iter().enumerate() {
        let migrate = format!("MIGRATE 127.0.0.1 {} {key} 0 5000 AUTH {PASSWORD}", cluster.nodes[1].port);
        cluster.command::<()>(0, &words(&migrate)).await.expect("a migration");
        if at == 0 {
            hate(&app, &users[1], &[snack], 1).await;
        }
    }
    for node in 0..3 {
        cluster
            .command::<()>(node, &words(&format!("CLUSTER SETSLOT {slot} NODE {}", ids[1])))
            .await
            .expect("an owner");
    }
    hate(&app, &users[2], &[snack], 2).await;
    CounterProbe::open(&app).await.converge(&app).await;
    hate(&app, &users[3], &[snack], 3).await;
    assert_eq!(counted(&app, snack).await, Some(Counts { likes: 1, hates: 3 }), "counted without a flush");
}

#[tokio::test]
async fn a_node_that_has_lost_its_data_or_has_got_slots_is_a_reason_to_compare() {
    let cluster = three_masters(None).await;
    let app = cluster_app(&cluster).await;
    let users = app.users(2).await;
    let snacks = rated_snacks(&app, &cluster, &users[0]).await;
    let flusher = flusher(&app).await;
    let probe = CounterProbe::open(&app).await;
    // Without a reason a wrong value of another node stays.
    let spoil = async || {
        probe.set(&snacks[0][0], "like_count", "77").await;
        let repaired = compare(&flusher).await.repaired;
        let is_equal = probe.get(&snacks[0][0], "like_count").await.as_deref() == Some("1");
        assert_eq!(is_equal, repaired > 0);
        is_equal
    };
    assert!(!spoil().await);
    cluster.command::<()>(1, &words("FLUSHALL")).await.expect("no data");
    assert!(spoil().await);
    probe.assert_equal(&app).await;
    assert!(!spoil().await);
    // A slot without keys.
    let used: Vec<usize> = join_all(snacks[1].iter().map(|snack| slot(&app, &cluster, snack))).await;
    let moved = (6000..7000).find(|slot| !used.contains(slot)).expect("a slot");
    let id = &cluster.nodes[2].id;
    for node in [2, 1, 0] {
        cluster.command::<()>(node, &words(&format!("CLUSTER SETSLOT {moved} NODE {id}"))).await.expect("an owner");
    }
    assert!(spoil().await);
    probe.assert_equal(&app).await;
    assert!(!spoil().await);
}
