//! Orders.

use serde_json::json;

use crate::helpers::TestApp;

#[tokio::test]
async fn of_twenty_orders_for_one_snack_at_once_one_wins() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let snack = app.snack(&member, "새우깡").await;
    let tries = (0..20).map(|_| app.post(&member, "/orders", json!({"snacks": [{"uid": snack, "quantity": 1}]})));
    let answers = futures_util::future::join_all(tries).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((won.len(), lost.len()), (1, 19));
    for answer in lost {
        answer.refused(409, "snack_already_requested");
    }
}
