//! The list of snacks: orderings, filters and pages.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use crate::support::{
    response::Body,
    test_app::{TestApp, TestUser},
};

const ORDERINGS: [&str; 6] =
    ["like_ratio", "like_reaction_count", "hate_reaction_count", "name", "price", "created_at"];

/// The path of a list with an encoded query.
fn list(query: &[(&str, &str)]) -> String {
    let mut url = url::Url::parse("http://x/snacks").expect("a URL");
    url.query_pairs_mut().extend_pairs(query);
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

async fn names(app: &TestApp, user: &TestUser, query: &[(&str, &str)]) -> Vec<String> {
    let listed = app.get(user, &list(query)).await.expect(200);
    let names = listed.column("name");
    names.iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

/// Registers snacks with these likes and hates, in this order, and counts them.
async fn rated(app: &TestApp, user: &TestUser, snacks: &[(&str, i32, i32)]) {
    for (name, likes, hates) in snacks {
        let uid = app.snack(user, name).await;
        app.add_reactions(&uid, *likes, *hates).await;
    }
    app.flush().await;
}

#[tokio::test]
async fn the_best_liked_come_first_and_the_unrated_stand_between_the_liked_and_the_hated() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let registered = [
        ("60:40", 60, 40),
        ("2:1", 2, 1),
        ("0:3", 0, 3),
        ("0:0 older", 0, 0),
        ("4:2", 4, 2),
        ("1:1", 1, 1),
        ("7:3", 7, 3),
        ("3:0", 3, 0),
        ("0:1", 0, 1),
        ("2:1 newer", 2, 1),
        ("1:2", 1, 2),
        ("0:0 newer", 0, 0),
        ("9:3", 9, 3),
        ("3:1", 3, 1),
        ("5:5", 5, 5),
    ];
    rated(&app, &member, &registered).await;
    let expected = [
        "9:3",
        "3:0",
        "3:1",
        "7:3",
        "4:2",
        "2:1 newer",
        "2:1",
        "60:40", // liked
        "5:5",
        "1:1",
        "0:0 newer",
        "0:0 older", // neither
        "1:2",
        "0:1",
        "0:3", // hated
    ];
    assert_eq!(names(&app, &member, &[]).await, expected);
    assert_eq!(names(&app, &member, &[("ordering", "-like_ratio")]).await, expected);
    let mut reverse = expected;
    reverse.reverse();
    assert_eq!(names(&app, &member, &[("ordering", "like_ratio")]).await, reverse);

    let listed = app.get(&member, "/snacks").await.expect(200);
    for row in listed.rows() {
        let number = |field: &str| row[field].as_f64().expect("a number");
        let (likes, hates, ratio) =
            (number("like_reaction_count"), number("hate_reaction_count"), number("like_ratio"));
        let expected = match (likes, hates) {
            (0.0, 0.0) => 1.0,
            (likes, 0.0) => likes,
            (likes, hates) => likes / hates,
        };
        assert!((ratio - expected).abs() < 1e-9, "{row}");
        assert_eq!(ratio < 1.0, hates > likes, "{row}");
    }
}

#[tokio::test]
async fn every_ordering_has_its_reverse() {
    let app = TestApp::start().await;
    let member = app.member().await;
    // Registered in the order of their numbers. Likes, hates, prices and names have other orders.
    let snacks = [
        ("1 다", 2, 9, "30"),
        ("B 가", 9, 2, "4"),
        ("a 나", 5, 5, "500"),
        ("새우깡", 5, 1, "4"),
        ("감자깡", 0, 5, "1000"),
    ];
    for (name, likes, hates, price) in snacks {
        let snack = app.post(&member, "/snacks", json!({"name": name, "price": price})).await.expect(201);
        app.add_reactions(&snack.uid(), likes, hates).await;
    }
    app.flush().await;
    let table = [
        ("created_at", ["1 다", "B 가", "a 나", "새우깡", "감자깡"]),
        ("like_reaction_count", ["감자깡", "1 다", "a 나", "새우깡", "B 가"]),
        ("hate_reaction_count", ["새우깡", "B 가", "a 나", "감자깡", "1 다"]),
        ("name", ["1 다", "a 나", "B 가", "감자깡", "새우깡"]),
        ("price", ["B 가", "새우깡", "1 다", "a 나", "감자깡"]),
        ("like_ratio", ["감자깡", "1 다", "a 나", "B 가", "새우깡"]),
    ];
    for (ordering, expected) in table {
        assert_eq!(names(&app, &member, &[("ordering", ordering)]).await, expected, "{ordering}");
        let mut reverse = expected;
        reverse.reverse();
        let descending = format!("-{ordering}");
        assert_eq!(names(&app, &member, &[("ordering", &descending)]).await, reverse, "{descending}");
    }
}

#[tokio::test]
async fn a_search_finds_any_part_of_a_name_however_it_is_typed() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for name in ["매운 새우깡", "Café LATTE 100%", "choco_pie", "초코파이", "a\\b"] {
        app.snack(&member, name).await;
    }
    let table: [(&str, &[&str]); 19] = [
        ("새우", &["매운 새우깡"]),
        ("우", &["매운 새우깡"]),
        ("깡", &["매운 새우깡"]),
        ("운 새", &["매운 새우깡"]),
        ("운 \t  새", &["매운 새우깡"]),
        ("초코파이", &["초코파이"]),
        ("latte", &["Café LATTE 100%"]),
        ("CAFÉ", &["Café LATTE 100%"]),
        ("CHOCO", &["choco_pie"]),
        ("100%", &["Café LATTE 100%"]),
        ("%", &["Café LATTE 100%"]),
        ("0%0", &[]),
        ("_", &["choco_pie"]),
        ("o_o", &[]),
        ("\\", &["a\\b"]),
        ("a\\", &["a\\b"]),
        ("';--", &[]),
        ("없는 간식", &[]),
        ("", &["a\\b", "초코파이", "choco_pie", "Café LATTE 100%", "매운 새우깡"]),
    ];
    for (search, expected) in table {
        for typed in [search.nfc().collect::<String>(), search.nfd().collect()] {
            assert_eq!(names(&app, &member, &[("search", &typed)]).await, expected, "{typed:?}");
        }
    }
    app.get(&member, "/snacks?search=%00").await.expect_error(400, "invalid_request");
}

/// A query and the names that it finds.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

#[tokio::test]
async fn filters_of_status_and_uid_join_with_the_search() {
    let app = TestApp::start().await;
    let (member, admin) = (app.member().await, app.admin().await);
    let (available, unavailable) = (app.snack(&member, "새우깡").await, app.snack(&member, "새우탕").await);
    app.snack(&member, "초코파이").await;
    app.put(&admin, &format!("/snacks/{unavailable}/status"), json!({"status": "unavailable"})).await.expect(200);
    let table: [Case; 12] = [
        (&[], &["초코파이", "새우깡"]),
        (&[("status", "available")], &["초코파이", "새우깡"]),
        (&[("status", "")], &["초코파이", "새우깡"]),
        (&[("status", "unavailable")], &["새우탕"]),
        (&[("status", "all")], &["초코파이", "새우탕", "새우깡"]),
        (&[("status", "all"), ("search", "새우")], &["새우탕", "새우깡"]),
        (&[("uid", &available)], &["새우깡"]),
        (&[("uid", &unavailable), ("status", "all")], &["새우탕"]),
        (&[("uid", &available), ("status", "unavailable")], &[]),
        (&[("uid", &available), ("search", "초코")], &[]),
        (&[("uid", "00000000-0000-4000-8000-000000000000")], &[]),
        (&[("uid", "")], &["초코파이", "새우깡"]),
    ];
    for (query, expected) in table {
        assert_eq!(names(&app, &member, query).await, expected, "{query:?}");
    }
}

#[tokio::test]
async fn what_a_list_cannot_read_is_refused_and_never_ignored() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for name in ["하나", "둘"] {
        app.snack(&member, name).await;
    }
    let cursor = app.get(&member, "/snacks?limit=1").await.expect(200)["next_cursor"].clone();
    let cursor = cursor.as_str().expect("a cursor");
    let forged = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let table = [
        ("ordering", "likes".to_owned()),
        ("ordering", "--price".to_owned()),
        ("ordering", "price,name".to_owned()),
        ("ordering", "Price".to_owned()),
        ("ordering", "-".to_owned()),
        ("status", "gone".to_owned()),
        ("status", "Available".to_owned()),
        ("uid", "새우깡".to_owned()),
        ("limit", "0".to_owned()),
        ("limit", "101".to_owned()),
        ("limit", "-1".to_owned()),
        ("limit", "ten".to_owned()),
        ("limit", "99999999999".to_owned()),
        ("cursor", "x".to_owned()),
        ("cursor", format!("{cursor}x")),
        ("cursor", forged(json!({"o": "-like_ratio", "k": ["1", "0", "0"]}))),
        ("cursor", forged(json!({"o": "-like_ratio", "k": ["x", "0", "0", "1"]}))),
        ("cursor", forged(json!({"o": "-like_ratio", "k": ["1", "99999999999", "0", "1"]}))),
        ("cursor", forged(json!({"o": "-like_ratio", "k": ["1", "0", "0", "1); DROP TABLE snacks"]}))),
        ("cursor", forged(json!({"o": "price", "k": ["1", "1"]}))),
    ];
    for (name, value) in table {
        app.get(&member, &list(&[(name, &value)])).await.expect_error(400, "invalid_request");
    }
    for (ordering, keys) in [("name", json!(["\u{0}"])), ("created_at", json!(["yesterday-ish", "1"]))] {
        let cursor = forged(json!({"o": ordering, "k": keys}));
        let path = list(&[("ordering", ordering), ("cursor", &cursor)]);
        app.get(&member, &path).await.expect_error(400, "invalid_request");
    }
    for other in ORDERINGS {
        let path = list(&[("ordering", other), ("cursor", cursor)]);
        app.get(&member, &path).await.expect_error(400, "invalid_request");
    }
    // An empty value counts as absent.
    let empty = app.get(&member, "/snacks?ordering=&limit=&cursor=&uid=&status=&search=").await.expect(200);
    assert_eq!(empty.rows().len(), 2);
}

#[tokio::test]
async fn a_page_has_twenty_rows_by_default() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for at in 0..22 {
        app.snack(&member, &format!("간식 {at}")).await;
    }
    let pages = [("", 20, true), ("?limit=21", 21, true), ("?limit=22", 22, false), ("?limit=100", 22, false)];
    for (query, rows, more) in pages {
        let page = app.get(&member, &format!("/snacks{query}")).await.expect(200);
        assert_eq!((page.rows().len(), page["next_cursor"].is_string()), (rows, more), "{query}");
    }
}

/// Reads a list page by page, and runs `between` before each further page.
async fn list_pages(app: &TestApp, user: &TestUser, query: &[(&str, &str)], between: impl AsyncFn()) -> Vec<Value> {
    let mut seen = Vec::new();
    let mut page: Body = app.get(user, &list(query)).await.expect(200);
    loop {
        seen.extend(page.column("uid"));
        let Some(cursor) = page["next_cursor"].as_str() else {
            return seen;
        };
        let path = list(&[query, &[("cursor", cursor)]].concat());
        between().await;
        page = app.get(user, &path).await.expect(200);
    }
}

#[tokio::test]
async fn a_walk_skips_and_repeats_nothing_while_snacks_are_being_added() {
    let app = TestApp::start().await;
    let member = app.member().await;
    // Many ties, which every ordering has to break.
    for at in 0..11 {
        let uid = app.snack(&member, &format!("간식 {at:02}")).await;
        app.add_reactions(&uid, at % 2, at % 3 / 2).await;
    }
    let added = std::sync::atomic::AtomicI32::new(0);
    let add = async || {
        let at = added.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let body = json!({"name": format!("간식 {:02} 추가 {at}", at % 11), "price": 1000 + at % 2 * 1000});
        let uid = app.post(&member, "/snacks", body).await.expect(201).uid();
        app.add_reactions(&uid, at % 2, at % 3 / 2).await;
        app.flush().await;
    };
    app.flush().await;
    for ordering in ORDERINGS.iter().flat_map(|name| [(*name).to_owned(), format!("-{name}")]) {
        let query = [("ordering", ordering.as_str()), ("limit", "5")];
        let stable = list_pages(&app, &member, &[query[0]], async || {}).await;
        let adding = async {
            for _ in 0..3 {
                add().await;
            }
        };
        let (seen, ()) = join(list_pages(&app, &member, &query, &add), adding).await;
        let kept: Vec<_> = seen.into_iter().filter(|uid| stable.contains(uid)).collect();
        assert_eq!(kept, stable, "{ordering}: a snack was skipped or listed twice");
    }
}

#[tokio::test]
async fn my_reaction_is_the_viewers_own() {
    let app = TestApp::start().await;
    let (liking_user, hating_user, other) = (app.member().await, app.member().await, app.member().await);
    let uid = app.snack(&liking_user, "새우깡").await;
    let path = format!("/snacks/{uid}");
    app.post(&liking_user, &format!("{path}/reaction"), json!({"type": "like"})).await.expect(200);
    app.post(&hating_user, &format!("{path}/reaction"), json!({"type": "hate"})).await.expect(200);
    for (viewer, expected) in [(&liking_user, json!("like")), (&hating_user, json!("hate")), (&other, Value::Null)] {
        assert_eq!(app.get(viewer, &path).await.expect(200)["my_reaction"], expected);
        // The list reads rows, so it needs no flush.
        assert_eq!(app.get(viewer, "/snacks").await.expect(200).column("my_reaction"), [expected]);
    }
    let edited = app.patch(&liking_user, &path, json!({"desc": "손이 가요"})).await.expect(200);
    assert_eq!(edited["my_reaction"], "like");
}

#[tokio::test]
async fn viewers_who_share_a_statement_see_their_own_reactions() {
    let app = TestApp::start().await;
    let users = app.users(9).await;
    let uid = app.snack(&users[0], "새우깡").await;
    let reactions = [Some("like"), Some("hate"), None];
    let viewers: Vec<_> = users.iter().zip(reactions.into_iter().cycle()).collect();
    for (user, reaction) in &viewers {
        if let Some(kind) = reaction {
            app.post(user, &format!("/snacks/{uid}/reaction"), json!({"type": kind})).await.expect(200);
        }
    }
    for _ in 0..10 {
        let pages = viewers.iter().chain(&viewers).chain(&viewers).map(async |(user, reaction)| {
            let page = app.get(user, "/snacks").await.expect(200);
            assert_eq!(page.column("my_reaction"), [json!(reaction)]);
        });
        join_all(pages).await;
    }
}

#[tokio::test]
async fn only_those_who_signed_in_see_snacks() {
    let app = TestApp::start().await;
    for path in ["/snacks", "/snacks/", "/snacks?ordering=x", "/snacks/00000000-0000-4000-8000-000000000000"] {
        app.send(app.request(reqwest::Method::GET, path)).await.expect_error(401, "not_authenticated");
    }
}
