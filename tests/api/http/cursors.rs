//! Cursors and limits of all lists.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{
    fixtures::fill_lists,
    test_app::{TestApp, TestUser},
};

/// The lists and their orderings.
const LISTS: &[(&str, &[&str])] = &[
    ("/auth/users", &["date_joined", "name", "email"]),
    ("/snacks", &["like_ratio", "like_reaction_count", "hate_reaction_count", "name", "price", "created_at"]),
    ("/orders", &["created_at", "status", "estimated_arrival_time"]),
    ("/statistics/orders", &["created_at", "status", "estimated_arrival_time"]),
    ("/statistics/snacks", &["quantity", "order_count", "name"]),
];

/// Every ordering of every list, and its reverse.
fn orderings() -> impl Iterator<Item = (&'static str, String)> {
    LISTS.iter().flat_map(|(list, names)| {
        let both = names.iter().flat_map(|name| [(*name).to_owned(), format!("-{name}")]);
        both.map(|ordering| (*list, ordering))
    })
}

async fn cursor_of(app: &TestApp, admin: &TestUser, list: &str, ordering: &str) -> String {
    let page = app.get(admin, &format!("{list}?limit=1&ordering={ordering}")).await.expect(200);
    page["next_cursor"].as_str().expect("a second page").to_owned()
}

#[tokio::test]
async fn a_limit_is_a_number_from_1_to_100() {
    let app = TestApp::start().await;
    let admin = fill_lists(&app).await;
    for (list, _) in LISTS {
        for limit in ["0", "101", "x", "-1", "1.5", "65537", "99999999999999999999", "%00", "%FF", "1&limit=2"] {
            app.get(&admin, &format!("{list}?limit={limit}")).await.expect_error(400, "invalid_request");
        }
        for (limit, rows) in [("1", 1), ("2", 2), ("100", 3), ("", 3)] {
            let page = app.get(&admin, &format!("{list}?limit={limit}")).await.expect(200);
            assert!(page.rows().len() == rows || (rows == 3 && *list == "/auth/users"), "{list} {limit}");
        }
    }
}

#[tokio::test]
async fn twenty_rows_come_when_no_limit_is_given() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for number in 0..21 {
        app.snack(&member, &format!("snack {number}")).await;
    }
    let page = app.get(&member, "/snacks").await.expect(200);
    assert_eq!(page.rows().len(), 20);
    let cursor = page["next_cursor"].as_str().expect("a second page");
    let rest = app.get(&member, &format!("/snacks?cursor={cursor}")).await.expect(200);
    assert_eq!((rest.rows().len(), &rest["next_cursor"]), (1, &Value::Null));
}

#[tokio::test]
async fn a_cursor_that_was_never_handed_out_is_refused() {
    let app = TestApp::start().await;
    let admin = fill_lists(&app).await;
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for (list, _) in LISTS {
        for cursor in [
            "x".to_owned(),
            "%FF".to_owned(),
            "%00".to_owned(),
            "e30".to_owned(),
            "====".to_owned(),
            "a".repeat(5_000),
            encode(json!([])),
            encode(json!(null)),
            encode(json!({"o": "", "k": []})),
            encode(json!({"o": "created_at", "k": "x"})),
        ] {
            app.get(&admin, &format!("{list}?cursor={cursor}")).await.expect_error(400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn a_cursor_goes_on_under_its_own_list_and_ordering_only() {
    let app = TestApp::start().await;
    let admin = fill_lists(&app).await;
    for (made_for, made_under) in orderings() {
        let cursor = cursor_of(&app, &admin, made_for, &made_under).await;
        for (list, ordering) in orderings() {
            let path = format!("{list}?ordering={ordering}&cursor={cursor}");
            let response = app.get(&admin, &path).await;
            // Statistics show the same list of orders.
            let same = made_for == list || (made_for.ends_with("/orders") && list.ends_with("/orders"));
            if same && made_under == ordering {
                response.expect(200);
            } else {
                assert_eq!(response.status, 400, "{made_for} {made_under} -> {list} {ordering}");
                response.expect_error(400, "invalid_request");
            }
        }
    }
}

#[tokio::test]
async fn a_cursor_with_forged_keys_is_read_or_refused() {
    let app = TestApp::start().await;
    let admin = fill_lists(&app).await;
    let values = [
        "",
        "x",
        "\0",
        "'",
        "-1",
        "1e400",
        "NaN",
        "infinity",
        "-infinity",
        "now",
        "99999999999999999999999999",
        "0x10",
        "null",
        "2024-01-01 00:00:00 Mars/Olympus",
        "2024-01-01 00:00:00+99",
        "294277-01-01",
        "4714-01-01 BC",
        "2024-13-45",
        "{}",
    ];
    for (list, ordering) in orderings() {
        let cursor = cursor_of(&app, &admin, list, &ordering).await;
        let genuine: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).expect("base64url")).expect("JSON");
        let keys = genuine["k"].as_array().expect("keys").len();
        let get_as = async |forged: &Value| {
            let cursor = URL_SAFE_NO_PAD.encode(forged.to_string());
            let response = app.get(&admin, &format!("{list}?ordering={ordering}&cursor={cursor}")).await;
            response.assert_status_in(&[200, 400], &format!("{list} {ordering} {forged}"));
            response
        };
        for at in 0..keys {
            for value in values {
                let mut forged = genuine.clone();
                forged["k"][at] = json!(value);
                get_as(&forged).await;
            }
        }
        for horizon in [json!(-1), json!(i64::MAX), json!(null)] {
            let mut forged = genuine.clone();
            forged["n"] = horizon;
            get_as(&forged).await;
        }
        for count in [0, keys - 1, keys + 1] {
            let mut forged = genuine.clone();
            forged["k"] = (0..count).map(|_| "1").collect();
            get_as(&forged).await.expect_error(400, "invalid_request");
        }
    }
}
