//! A Redis Cluster that loses a master.

use std::time::Duration;

use crate::{
    process::{eventually, time_limit},
    redis_cluster::{RedisCluster, words},
    rounds::Round,
};

/// Time in which a replica takes over, and in which the cluster is whole again.
const WITHIN: Duration = time_limit(Duration::from_secs(15));

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// SIGKILL. The replica takes over.
    Kill,
    /// SIGKILL of a master whose replica has not received the last writes.
    Lag,
    /// SIGKILL of a master that starts again without data before its replica takes over.
    Wipe,
    /// SIGSTOP until the replica has taken over.
    Freeze,
}

/// Takes a master away and gives it back. Requests still succeed, which the clients check, and the counters converge.
pub async fn take_master(round: &mut Round<'_>) {
    let fault = [Fault::Kill, Fault::Lag, Fault::Wipe, Fault::Freeze][round.index % 4];
    let masters = cluster(round).masters(0).await;
    let victim = masters[round.rng.usize(..masters.len())];
    if fault == Fault::Lag {
        let refuse = words("ACL SETUSER default -psync -sync -replconf");
        for command in [refuse, words("CLIENT KILL TYPE replica")] {
            cluster(round).command::<()>(victim, &command).await.expect("a replica that is cut off");
        }
        round.wait_for_responses(100..300).await;
    }
    round.set_faulty(true);
    match fault {
        Fault::Kill | Fault::Lag => {
            cluster(round).kill(victim);
            await_failover(round, victim).await;
            round.load(100..1000).await;
            cluster(round).start_node(victim);
        }
        Fault::Wipe => {
            cluster(round).kill(victim);
            cluster(round).wipe(victim);
            cluster(round).start_node(victim);
        }
        Fault::Freeze => {
            cluster(round).signal(victim, "STOP");
            await_failover(round, victim).await;
            round.load(100..1000).await;
            cluster(round).signal(victim, "CONT");
        }
    }
    if !eventually(WITHIN, async || cluster_ref(round).is_whole().await).await {
        round.add_violation("the cluster is not whole again");
    }
    round.set_faulty(false);
}

async fn await_failover(round: &mut Round<'_>, victim: usize) {
    let other = (victim + 1) % cluster(round).nodes.len();
    let has_failed_over = async || {
        let masters = cluster_ref(round).masters(other).await;
        masters.len() == 3 && !masters.contains(&victim)
    };
    if !eventually(WITHIN, has_failed_over).await {
        round.add_violation("no replica has taken over");
    }
}

fn cluster<'a>(round: &'a mut Round<'_>) -> &'a mut RedisCluster {
    round.stack.cluster.as_mut().expect("a cluster")
}

fn cluster_ref<'a>(round: &'a Round<'_>) -> &'a RedisCluster {
    round.stack.cluster.as_ref().expect("a cluster")
}
