//! A member's workload: reactions, orders, refreshes and reads.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    client::Client,
    fixtures::{NewSession, OpenOrder, Snack},
    record::{Outcome, RequestedOrder, Session},
    rng::pick,
};

/// Age of a change that a response must count. One that committed during a flush is counted by the next flush, and so
/// is one that Redis missed. A flush runs every 100 ms, on a busy machine a little later, and not while Postgres is
/// unreachable.
const SETTLED: Duration = Duration::from_millis(600);

pub struct Member {
    pub client: Client,
    /// Index among the members, which is also that of the member's own snack.
    pub number: usize,
    /// Sessions that are not used yet.
    pub new_sessions: Vec<NewSession>,
    /// The present session: its index in the record, and its last token.
    pub session: Option<(usize, String)>,
    /// The key of an order without a response.
    pub retry: Option<String>,
    /// Number of used keys.
    pub keys: usize,
}

impl Member {
    /// Works until the round stops.
    pub async fn work(&mut self) {
        while self.client.state.is_running() {
            match self.client.rng.usize(..20) {
                0..7 => {
                    let snack = pick(&mut self.client.rng, &self.client.state.fixtures.shared).clone();
                    self.react(&snack).await;
                }
                7..12 => {
                    let snack = self.client.state.fixtures.own[self.number].clone();
                    self.react(&snack).await;
                }
                12..15 => self.order().await,
                15..17 => self.refresh().await,
                _ => self.read_something().await,
            }
            self.client.think().await;
        }
    }

    /// Likes, hates, or cancels. The expected response follows from the last acknowledged state.
    async fn react(&mut self, snack: &Snack) {
        let client = &mut self.client;
        let wanted = *pick(&mut client.rng, &[Some("like"), Some("hate"), None]);
        let path = format!("/snacks/{}/reaction", snack.uid);
        let request = match wanted {
            Some(kind) => client.request(Method::POST, &path).json(&json!({"type": kind})),
            None => client.request(Method::DELETE, &path),
        };
        let faulty = client.state.faulty.load(std::sync::atomic::Ordering::Relaxed);
        let started = Instant::now();
        let outcome = client.change("reaction", request).await;
        if faulty && outcome != Outcome::NotSent {
            client.record.reaction_times.push(started.elapsed());
        }
        let key = (snack.id, client.user.id);
        let own = client.state.fixtures.own[self.number].id == snack.id;
        let mut violation = None;
        let reaction = client.record.reactions.entry(key).or_default();
        let certain = reaction.possible.is_empty();
        match outcome {
            Outcome::Ok(body) => {
                if certain && reaction.acknowledged.as_deref() == wanted {
                    violation = Some(format!("{wanted:?} to snack {} was taken twice", snack.id));
                }
                let expected = (i64::from(wanted == Some("like")), i64::from(wanted == Some("hate")));
                let counts = (body["like_reaction_count"].as_i64(), body["hate_reaction_count"].as_i64());
                let settled = reaction.changed.is_none_or(|changed| changed.elapsed() > SETTLED)
                    && client.state.flushes_since(SETTLED);
                reaction.changed = Some(Instant::now());
                let below_zero = counts.0.min(counts.1) < Some(0);
                if below_zero || (own && certain && settled && counts != (Some(expected.0), Some(expected.1))) {
                    violation = Some(format!(
                        "{wanted:?} to own snack {} got {counts:?}, after {:?}",
                        snack.id, reaction.acknowledged
                    ));
                }
                reaction.acknowledged = wanted.map(str::to_owned);
            }
            Outcome::Refused(status, code) => {
                let expected = if wanted.is_some() { (409, "duplicate_reaction") } else { (404, "reaction_not_found") };
                if (status, code.as_str()) != expected || (certain && reaction.acknowledged.as_deref() != wanted) {
                    violation = Some(format!(
                        "{wanted:?} to snack {} was refused, {status} {code}, after {:?}",
                        snack.id, reaction.acknowledged
                    ));
                }
                reaction.acknowledged = wanted.map(str::to_owned);
            }
            Outcome::Unknown => reaction.possible.push(wanted.map(str::to_owned)),
            Outcome::NotSent => {}
        }
        if let Some(violation) = violation {
            client.add_violation(violation);
        }
    }

    /// Orders one to three snacks with a key. An order without a response is repeated with the same key.
    async fn order(&mut self) {
        let client = &mut self.client;
        let key = if let Some(key) = self.retry.take() {
            key
        } else {
            self.keys += 1;
            let key = format!("{}-{}-{}", client.state.name, client.user.id, self.keys);
            let mut lines: Vec<(Uuid, i32)> = Vec::new();
            for _ in 0..client.rng.usize(1..4) {
                let menu_item = pick(&mut client.rng, &client.state.fixtures.menu).uid;
                let quantity = i32::try_from(client.rng.usize(1..1000)).unwrap_or(1);
                if lines.iter().all(|(uid, _)| *uid != menu_item) {
                    lines.push((menu_item, quantity));
                }
            }
            let requested = RequestedOrder { user: client.user.id, lines, acknowledged: Vec::new(), unknown: false };
            client.record.orders.insert(key.clone(), requested);
            key
        };
        let lines = &client.record.orders[&key].lines;
        let lines: Vec<Value> = lines.iter().map(|(uid, quantity)| json!({"uid": uid, "quantity": quantity})).collect();
        let body = json!({"snacks": lines});
        let mut request = || {
            let request = client.request(Method::POST, "/orders");
            request.header("idempotency-key", key.as_str()).json(&body)
        };
        let outcomes = if key.ends_with('7') {
            let (one, two) = (request(), request());
            client.change_twice("order", one, two).await.to_vec()
        } else {
            let request = request();
            vec![client.change("order", request).await]
        };
        for outcome in outcomes {
            match outcome {
                Outcome::Ok(body) => match body["uid"].as_str().and_then(|uid| uid.parse().ok()) {
                    Some(uid) => record_order(client, &key, uid, &body),
                    None => client.add_violation(format!("an order without a uid: {body}")),
                },
                Outcome::Refused(409, code) if code == "snack_already_requested" => {}
                Outcome::Refused(status, code) => {
                    client.add_violation(format!("order {key} was refused: {status} {code}"))
                }
                Outcome::Unknown => {
                    if let Some(requested) = client.record.orders.get_mut(&key) {
                        requested.unknown = true;
                    }
                    self.retry = Some(key.clone());
                }
                Outcome::NotSent => {}
            }
        }
    }

    /// Exchanges the refresh token, sometimes the same one twice at once.
    async fn refresh(&mut self) {
        let client = &mut self.client;
        let (at, token) = if let Some(session) = self.session.take() {
            session
        } else {
            let Some(session) = self.new_sessions.pop() else { return };
            client.record.sessions.push(Session {
                id: session.id,
                tokens: vec![session.jti],
                unknown: 0,
                reused: false,
            });
            (client.record.sessions.len() - 1, session.token)
        };
        let twice = client.rng.usize(..6) == 0 && !self.new_sessions.is_empty();
        let body = json!({"refresh": token});
        let mut request = || client.request(Method::POST, "/auth/token/refresh").json(&body);
        let outcomes = if twice {
            let (one, two) = (request(), request());
            client.record.sessions[at].reused = true;
            client.change_twice("refresh", one, two).await.to_vec()
        } else {
            let request = request();
            vec![client.change("refresh", request).await]
        };
        let fixtures = Arc::clone(&client.state.fixtures);
        let session = &mut client.record.sessions[at];
        let mut next = None;
        let mut violation = None;
        let mut won = 0;
        for outcome in outcomes {
            match outcome {
                Outcome::Ok(body) => {
                    won += 1;
                    let successor = body["refresh"].as_str().unwrap_or_default();
                    session.tokens.extend(fixtures.jti(successor));
                    next = Some(successor.to_owned());
                }
                Outcome::Refused(401, _) if session.unknown > 0 || session.reused => {}
                Outcome::Refused(status, code) => {
                    violation = Some(format!("a live refresh token was refused: {status} {code}"));
                }
                Outcome::Unknown => {
                    session.unknown += 1;
                    next = next.or_else(|| Some(token.clone()));
                }
                Outcome::NotSent => next = next.or_else(|| Some(token.clone())),
            }
        }
        if won > 1 {
            violation = Some(format!("one refresh token of session {} was exchanged twice", session.id));
        }
        if !session.reused {
            self.session = next.map(|token| (at, token));
        }
        if let Some(violation) = violation {
            client.add_violation(violation);
        }
    }

    /// Reads one of several resources.
    async fn read_something(&mut self) {
        let client = &mut self.client;
        let own = client.state.fixtures.own[self.number].uid;
        let path = match client.rng.usize(..4) {
            0 => "/snacks?limit=10".to_owned(),
            1 => "/orders?limit=5".to_owned(),
            2 => "/auth/users/profile".to_owned(),
            _ => format!("/snacks/{own}"),
        };
        client.read(&path).await;
    }
}

/// Records an acknowledged order, and adds a new one to the admins' list.
fn record_order(client: &mut Client, key: &str, uid: Uuid, body: &Value) {
    let Some(requested) = client.record.orders.get_mut(key) else {
        return;
    };
    if requested.acknowledged.is_empty() {
        let status = body["status"].as_str().unwrap_or_default().to_owned();
        client.state.orders().push(OpenOrder { uid, status });
    }
    requested.acknowledged.push(uid);
}
