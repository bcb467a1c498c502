//! An admin's workload: transitions, promotions and demotions.

use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::{
    client::Client,
    record::{Operation, Outcome},
    rng::pick,
};

pub struct Admin(pub Client);

impl Admin {
    /// Works until the round stops.
    pub async fn work(&mut self) {
        while self.0.state.is_running() {
            if self.0.rng.usize(..5) == 0 {
                self.change_member_type().await;
            } else {
                self.transition().await;
            }
            self.0.think().await;
        }
    }

    /// Promotes or demotes an admin, possibly themselves. Two admins may do so at once.
    async fn change_member_type(&mut self) {
        let client = &mut self.0;
        let colleague = pick(&mut client.rng, &client.state.fixtures.admins).id;
        // Promoted more often than demoted, so that most of them can work.
        let to = if client.rng.usize(..3) == 0 { "member" } else { "admin" };
        let request =
            client.request(Method::PUT, &format!("/auth/users/{colleague}")).json(&json!({"member_type": to}));
        let outcome = client.change("member type", request).await;
        let operation = Operation { actor: client.user.id, subject: colleague.to_string(), to: to.to_owned() };
        client.record.member_types.entry(operation).or_default().count(&outcome);
        if let Outcome::Refused(status, code) = outcome
            && !matches!(code.as_str(), "permission_denied" | "last_admin")
        {
            client.add_violation(format!("a change of member type was refused: {status} {code}"));
        }
    }

    /// Moves an order to a next status, from the status that this admin knows.
    async fn transition(&mut self) {
        let client = &mut self.0;
        let order = {
            let orders = client.state.orders();
            if orders.is_empty() {
                return;
            }
            orders[client.rng.usize(..orders.len())].clone()
        };
        let may_cancel = matches!(order.status.as_str(), "created" | "approved") && client.rng.usize(..4) == 0;
        let to = match order.status.as_str() {
            _ if may_cancel => "canceled",
            "created" => "approved",
            "approved" => "ordered",
            "ordered" => "shipping",
            _ => "completed",
        };
        let request = client
            .request(Method::PUT, &format!("/orders/{}/status", order.uid))
            .json(&json!({"status": to, "estimated_arrival_time": "2030-01-09T03:00:00Z"}));
        let outcome = client.change("transition", request).await;
        let operation = Operation { actor: client.user.id, subject: order.uid.to_string(), to: to.to_owned() };
        client.record.transitions.entry(operation).or_default().count(&outcome);
        let status = match outcome {
            Outcome::Ok(_) => Some(to.to_owned()),
            Outcome::Refused(409, code) if code == "invalid_transition" => self.status_of(order.uid).await,
            Outcome::Refused(403, _) | Outcome::NotSent => None,
            Outcome::Unknown => self.status_of(order.uid).await,
            Outcome::Refused(status, code) => {
                client.add_violation(format!("a transition to {to} was refused: {status} {code}"));
                None
            }
        };
        let Some(status) = status else { return };
        let mut orders = self.0.state.orders();
        if matches!(status.as_str(), "completed" | "canceled") {
            orders.retain(|known| known.uid != order.uid);
        } else if let Some(known) = orders.iter_mut().find(|known| known.uid == order.uid) {
            known.status = status;
        }
    }

    async fn status_of(&mut self, order: Uuid) -> Option<String> {
        let body = self.0.read(&format!("/orders/{order}")).await?;
        Some(body["status"].as_str()?.to_owned())
    }
}
