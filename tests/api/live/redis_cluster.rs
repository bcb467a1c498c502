//! Changes that pass a Redis Cluster.

use crate::support::{
    event_stream::{Event, EventStream},
    redis::{cluster_app, three_masters},
    redis_cluster::{RedisCluster, words},
    test_app::{TestApp, TestUser},
};

/// Two servers and a stream of each. Both servers have subscribed to the changes of each other.
async fn two_servers(cluster: &RedisCluster, one: TestApp) -> ([TestApp; 2], TestUser, [EventStream; 2]) {
    let two = one.replica().await;
    let member = one.member().await;
    let streams = [EventStream::open(&one, &member).await, EventStream::open(&two, &member).await];
    while subscriptions(cluster, &one).await.iter().sum::<i64>() < 2 {
        tokio::task::yield_now().await;
    }
    ([one, two], member, streams)
}

/// Number of servers that have subscribed at each node.
async fn subscriptions(cluster: &RedisCluster, app: &TestApp) -> [i64; 3] {
    let number = words(&format!("PUBSUB NUMSUB {}changes", app.state.config.redis_prefix));
    let mut subscribed = [0; 3];
    for (node, subscribed) in subscribed.iter_mut().enumerate() {
        (_, *subscribed) = cluster.command::<(String, i64)>(node, &number).await.expect("a number");
    }
    subscribed
}

/// Makes changes at one server until the stream of the other gets one. No change is lost without a resync, which may take its place.
async fn wait_for_changes(app: &TestApp, member: &TestUser, stream: &mut EventStream) {
    loop {
        let uid = app.snack(member, &format!("간식 {}", uuid::Uuid::new_v4())).await;
        let is_answer = |event: &Event| event.name == "resync" || event.data["uid"] == uid;
        let events = stream.events_until(is_answer).await;
        if events.last().is_some_and(|event| event.name == "snack") {
            return;
        }
    }
}

#[tokio::test]
async fn changes_reach_the_other_server_after_a_node_has_died() {
    let mut cluster = three_masters(None).await;
    let one = cluster_app(&cluster).await;
    let ([one, two], member, [mut stream_one, mut stream_two]) = two_servers(&cluster, one).await;
    wait_for_changes(&one, &member, &mut stream_two).await;
    let dying = subscriptions(&cluster, &one).await.iter().position(|count| *count > 0).expect("a subscription");
    cluster.kill(dying);
    wait_for_changes(&one, &member, &mut stream_two).await;
    wait_for_changes(&two, &member, &mut stream_one).await;
}

#[tokio::test]
async fn a_node_that_does_not_pass_changes_on_is_replaced() {
    let cluster = three_masters(None).await;
    let one = TestApp::with(|config| config.redis_url = cluster.url(0..3).parse().expect("a URL")).await;
    let ([one, two], member, [mut stream_one, mut stream_two]) = two_servers(&cluster, one).await;
    wait_for_changes(&one, &member, &mut stream_two).await;
    wait_for_changes(&two, &member, &mut stream_one).await;
    // Each server subscribes at one node and publishes at the next, so that there is a node with publishers only.
    let subscriptions = subscriptions(&cluster, &one).await;
    let mut publishing = Vec::new();
    for (node, subscriptions) in subscriptions.into_iter().enumerate() {
        let clients: String = cluster.command(node, &words("CLIENT LIST")).await.expect("clients");
        if subscriptions == 0 && clients.contains("cmd=publish") {
            publishing.push(node);
        }
    }
    let cut_off = *publishing.first().expect("a node with publishers only");
    for other in (0..3).filter(|other| *other != cut_off) {
        let forget = words(&format!("CLUSTER FORGET {}", cluster.nodes[other].id));
        cluster.command::<()>(cut_off, &forget).await.expect("a node that is cut off");
    }
    wait_for_changes(&one, &member, &mut stream_two).await;
    wait_for_changes(&two, &member, &mut stream_one).await;
}
