//! Misbehaving clients: those that disconnect early, and those that never finish a request.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fastrand::Rng;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    client::RoundState,
    record::{Operation, Reaction, Record, RequestedOrder, percentile},
    rng::pick,
    rounds::{Report, Round},
    workload,
};

/// Clients that disconnect at the same time.
const AT_ONCE: usize = 40;
/// Time within which a slow client is disconnected.
const DISCONNECTED_WITHIN: Duration = Duration::from_secs(15);
/// Time for which the ordinary clients are measured without the slow ones.
const ORDINARY: Duration = Duration::from_secs(3);
/// Below this a p99 depends on the machine more than on the server.
const QUICK: Duration = Duration::from_millis(60);

/// A request as bytes.
fn request(method: &str, path: &str, access: &str, more: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: faults\r\nauthorization: Bearer {access}\r\ncontent-type: application/json\r\n{more}\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// `count` requests whose clients disconnect before, while or after they are processed. Each may have succeeded, none
/// may be half done, and no connection to the database may stay inside a transaction.
pub async fn disconnect_early(mut round: Round<'_>, count: usize) -> Report {
    let mut record = Record::default();
    for ((snack, user), acknowledged) in &round.baseline.reactions {
        let reaction = Reaction { acknowledged: Some(acknowledged.clone()), possible: Vec::new(), changed: None };
        record.reactions.insert((*snack, *user), reaction);
    }
    let port = round.stack.servers[0].port;
    let mut under_way = JoinSet::new();
    for number in 0..count {
        let text = request_to_cancel(&round.state, &mut round.rng, &mut record, number);
        record.requests += 1;
        record.unknown += 1;
        let mut rng = round.rng.fork();
        under_way.spawn(async move {
            let Ok(mut connection) = TcpStream::connect(("127.0.0.1", port)).await else {
                return;
            };
            let _ = connection.write_all(text.as_bytes()).await;
            sleep(Duration::from_micros(rng.usize(..20_000) as u64)).await;
            if rng.usize(..2) == 0 {
                let _ = connection.set_zero_linger();
            }
        });
        if under_way.len() >= AT_ONCE {
            under_way.join_next().await;
        }
    }
    while under_way.join_next().await.is_some() {}
    // The other clients are not affected.
    let since = Instant::now();
    if !round.stack.servers[0].is_ready().await || since.elapsed() > Duration::from_secs(2) {
        round.add_violation(format!("not ready {:?} after the last client had disconnected", since.elapsed()));
    }
    round.settle(record).await
}

/// A reaction, an order or a transition, recorded as an unknown outcome.
fn request_to_cancel(state: &RoundState, rng: &mut Rng, record: &mut Record, number: usize) -> String {
    let fixtures = Arc::clone(&state.fixtures);
    match rng.usize(..3) {
        0 => {
            let (member, snack) = (pick(rng, &fixtures.members), pick(rng, &fixtures.shared));
            let kind = *pick(rng, &["like", "hate"]);
            let reaction = record.reactions.entry((snack.id, member.id)).or_default();
            reaction.possible.push(Some(kind.to_owned()));
            let path = format!("/snacks/{}/reaction", snack.uid);
            request("POST", &path, &member.access, "", &json!({"type": kind}).to_string())
        }
        1 => {
            let (member, menu_item) = (pick(rng, &fixtures.members), pick(rng, &fixtures.menu));
            let key = format!("{}-{number}", state.name);
            let requested = RequestedOrder {
                user: member.id,
                lines: vec![(menu_item.uid, 3)],
                acknowledged: Vec::new(),
                unknown: true,
            };
            record.orders.insert(key.clone(), requested);
            let body = json!({"snacks": [{"uid": menu_item.uid, "quantity": 3}]}).to_string();
            request("POST", "/orders", &member.access, &format!("idempotency-key: {key}\r\n"), &body)
        }
        _ => {
            let admin = pick(rng, &fixtures.admins);
            let orders = state.orders();
            if orders.is_empty() {
                return request("GET", "/snacks", &admin.access, "", "");
            }
            let order = pick(rng, &orders).uid;
            let to = *pick(rng, &["approved", "ordered", "shipping", "completed"]);
            let operation = Operation { actor: admin.id, subject: order.to_string(), to: to.to_owned() };
            record.transitions.entry(operation).or_default().unknown += 1;
            let body = json!({"status": to, "estimated_arrival_time": "2030-01-09T03:00:00Z"}).to_string();
            request("PUT", &format!("/orders/{order}/status"), &admin.access, "", &body)
        }
    }
}

/// `count` clients with slow headers and as many with slow bodies: each is disconnected in time, and the ordinary
/// clients are hardly affected.
pub async fn send_slowly(mut round: Round<'_>, count: usize) -> Report {
    // The ordinary clients alone, first.
    round.set_faulty(true);
    sleep(ORDINARY).await;
    let clients = std::mem::take(&mut round.clients);
    let before = workload::finish(&round.state, clients).await;
    let (kind, index, fixtures) = (round.kind, round.index, Arc::clone(&round.fixtures));
    let ordinary = percentile(&before.reaction_times, 99);
    let stack = &mut *round.stack;
    if !before.violations.is_empty() {
        return Report { record: before, ..Report::default() };
    }

    let mut round = Round::begin(kind, index, round.rng.clone().u64(..), stack, &fixtures).await;
    round.set_faulty(true);
    let port = round.stack.servers[0].port;
    let access = &fixtures.members[0].access;
    let headers =
        format!("GET /auth/users/profile HTTP/1.1\r\nhost: faults\r\nauthorization: Bearer {access}\r\nx-slow: ");
    let body = request("POST", "/orders", access, "", &" ".repeat(1000));
    let body = body[..body.len() - 1000].to_owned();
    let mut slow = JoinSet::new();
    for number in 0..2 * count {
        let (description, head) = if number % 2 == 0 { ("headers", headers.clone()) } else { ("a body", body.clone()) };
        slow.spawn(async move { (description, send_byte_by_byte(port, &head).await) });
    }
    let mut late = 0;
    while let Some(Ok((description, open))) = slow.join_next().await {
        if open.is_none_or(|open| open > DISCONNECTED_WITHIN) {
            late += 1;
            if late <= 3 {
                round.add_violation(format!(
                    "a client with {description} that never ends was still there after {open:?}"
                ));
            }
        }
    }
    let mut report = round.end().await;
    let with_slow = percentile(&report.record.reaction_times, 99);
    if with_slow > QUICK.max(2 * ordinary) {
        let violation = format!("p99 of reactions is {with_slow:?} beside slow clients, {ordinary:?} without");
        report.record.violations.push(violation);
    }
    report.record.reaction_times.clear();
    report
}

/// Sends `head`, then a byte every second until the server closes the connection. Returns the time this took, or
/// nothing when it never did.
async fn send_byte_by_byte(port: u16, head: &str) -> Option<Duration> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let since = Instant::now();
    connection.write_all(head.as_bytes()).await.ok()?;
    let mut response = [0; 1024];
    while since.elapsed() < DISCONNECTED_WITHIN + Duration::from_secs(3) {
        match timeout(Duration::from_secs(1), connection.read(&mut response)).await {
            Ok(Ok(0) | Err(_)) => return Some(since.elapsed()),
            // A response does not count: the connection has to end.
            Ok(Ok(_)) => {}
            Err(_a_second_has_passed) => {
                if connection.write_all(b" ").await.is_err() {
                    return Some(since.elapsed());
                }
            }
        }
    }
    None
}
