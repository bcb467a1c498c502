//! Users as admins see them: search, filters, orderings and pages.

use serde_json::{Value, json};
use snack_server::{
    audit::Actor,
    auth::{
        sign_up::{self, NewUser},
        users::MemberType,
    },
};
use unicode_normalization::UnicodeNormalization;

use crate::support::{
    database,
    test_app::{TestApp, TestUser},
};

/// All users of these tests except the admin. No password hash is computed for them.
const PEOPLE: &[(&str, &str)] = &[
    ("Kim@one.example", "김간식"),
    ("lee@ONE.example", "이과자"),
    ("park@two.example", "Choco Park"),
    ("choi@two.example", "choco choi"),
    ("zoe@three.example", "Zoë 100%"),
    ("ann_lee@three.example", "앤"),
    ("han@한국.kr", "한"),
];

async fn create(app: &TestApp, email: &str, name: &str) {
    let user = NewUser { email, name, password_hash: None, member_type: MemberType::Member };
    let mut db = app.db().acquire().await.expect("a connection");
    sign_up::create(&mut db, &Actor::local(), &user).await.expect("a user");
}

async fn users(app: &TestApp) -> TestUser {
    let admin = app.admin().await;
    for (email, name) in PEOPLE {
        create(app, email, name).await;
    }
    // Half of them joined at the same instant, so that the orderings have ties.
    sqlx::query("UPDATE users SET date_joined = '2024-01-04T03:00:00Z' WHERE id % 2 = 0")
        .execute(app.db())
        .await
        .expect("an update");
    admin
}

async fn update(app: &TestApp, email: &str, what: &str) {
    let sql = sqlx::AssertSqlSafe(format!("UPDATE users SET {what} WHERE email = $1"));
    let changed = sqlx::query(sql).bind(email).execute(app.db()).await.expect("an update");
    assert_eq!(changed.rows_affected(), 1);
}

/// The emails in `GET /auth/users` with `query`, from all pages.
async fn list_emails(app: &TestApp, admin: &TestUser, query: &str, limit: usize) -> Vec<String> {
    let mut emails = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app.get(admin, &format!("/auth/users?{query}&limit={limit}&cursor={cursor}")).await.expect(200);
        assert!(page.rows().len() <= limit);
        emails.extend(page.column("email").iter().map(|email| email.as_str().expect("an email").to_owned()));
        match &page["next_cursor"] {
            Value::Null => return emails,
            next => {
                assert_eq!(page.rows().len(), limit, "a page before the last is full");
                next.as_str().expect("a cursor").clone_into(&mut cursor);
            }
        }
    }
}

#[tokio::test]
async fn a_search_finds_parts_of_emails_and_names_whatever_their_case_and_form() {
    let app = TestApp::start().await;
    let admin = users(&app).await;
    let table: &[(&str, &[&str])] = &[
        ("간식", &["Kim@one.example"]),
        ("이", &["lee@ONE.example"]),
        ("CHOCO", &["park@two.example", "choi@two.example"]),
        ("choco  park", &["park@two.example"]),
        ("one.EXAMPLE", &["Kim@one.example", "lee@ONE.example"]),
        ("ZOË", &["zoe@three.example"]),
        ("kim@", &["Kim@one.example"]),
        // SQL wildcards are ordinary characters.
        ("%", &["zoe@three.example"]),
        ("_", &["ann_lee@three.example"]),
        ("\\", &[]),
        // A domain is found in its readable and in its stored form.
        ("한국", &["han@xn--3e0b707e.kr"]),
        ("HAN@한국.kr", &["han@xn--3e0b707e.kr"]),
        ("xn--3e0b", &["han@xn--3e0b707e.kr"]),
        ("li\u{200b}m", &[]),
        ("l\u{200b}ee@one", &["lee@ONE.example"]),
        ("nobody", &[]),
    ];
    for (search, expected) in table {
        for form in [(*search).to_owned(), search.nfd().collect()] {
            let query: String =
                url::form_urlencoded::Serializer::new(String::new()).append_pair("search", &form).finish();
            let mut found = list_emails(&app, &admin, &query, 100).await;
            let mut expected = expected.to_vec();
            found.sort();
            expected.sort_unstable();
            assert_eq!(found, expected, "{search}");
        }
    }
}

#[tokio::test]
async fn filters_tell_members_from_admins_and_those_who_left_from_those_who_did_not() {
    let app = TestApp::start().await;
    let admin = users(&app).await;
    update(&app, "Kim@one.example", "member_type = 'admin'").await;
    update(&app, "lee@ONE.example", "is_deleted = true").await;
    update(&app, "zoe@three.example", "member_type = 'admin', is_deleted = true").await;
    let table: &[(&str, &[&str])] = &[
        ("member_type=admin", &["Kim@one.example", "zoe@three.example", &admin.email]),
        ("is_deleted=true", &["lee@ONE.example", "zoe@three.example"]),
        ("member_type=member&is_deleted=true", &["lee@ONE.example"]),
        ("member_type=admin&is_deleted=false", &["Kim@one.example", &admin.email]),
        ("search=choco&member_type=admin", &[]),
        ("search=o&is_deleted=true", &["lee@ONE.example", "zoe@three.example"]),
    ];
    for (query, expected) in table {
        let mut found = list_emails(&app, &admin, query, 100).await;
        let mut expected = expected.to_vec();
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
    // Without filters everybody is listed, resigned users too. An empty value filters nothing.
    for query in ["", "member_type=&is_deleted=&search=&ordering="] {
        assert_eq!(list_emails(&app, &admin, query, 100).await.len(), PEOPLE.len() + 1, "{query}");
    }
}

#[tokio::test]
async fn every_ordering_is_total_and_its_reverse_is_the_reverse() {
    let app = TestApp::start().await;
    let admin = users(&app).await;
    // Two users with the same name.
    create(&app, "aaa@two.example", "CHOCO  Choi").await;
    let rows = app.get(&admin, "/auth/users?limit=100").await.expect(200).rows().clone();
    for (ordering, key) in [("date_joined", "date_joined"), ("name", "name"), ("email", "email")] {
        let mut expected = rows.clone();
        let fold = |row: &Value| {
            let text = row[key].as_str().expect("a text").to_lowercase();
            (text.split_whitespace().collect::<Vec<_>>().join(" "), row["id"].as_i64())
        };
        expected.sort_by_key(fold);
        let mut expected: Vec<_> =
            expected.iter().map(|row| row["email"].as_str().expect("an email").to_owned()).collect();
        for (query, limit) in [(ordering.to_owned(), 100), (ordering.to_owned(), 3), (ordering.to_owned(), 1)] {
            assert_eq!(list_emails(&app, &admin, &format!("ordering={query}"), limit).await, expected, "{query}");
        }
        expected.reverse();
        for limit in [100, 3] {
            assert_eq!(
                list_emails(&app, &admin, &format!("ordering=-{ordering}"), limit).await,
                expected,
                "-{ordering}"
            );
        }
    }
    let default = list_emails(&app, &admin, "", 100).await;
    assert_eq!(default, list_emails(&app, &admin, "ordering=date_joined", 100).await);
}

#[tokio::test]
async fn a_walk_skips_none_and_repeats_none_while_others_sign_up() {
    let app = TestApp::start().await;
    let admin = users(&app).await;
    for ordering in ["date_joined", "-date_joined", "name", "-name", "email", "-email"] {
        let before = list_emails(&app, &admin, &format!("ordering={ordering}"), 100).await;
        let mut seen = Vec::new();
        let mut cursor = String::new();
        for page in 0.. {
            let response =
                app.get(&admin, &format!("/auth/users?ordering={ordering}&limit=2&cursor={cursor}")).await.expect(200);
            seen.extend(response.column("email"));
            // One at each end of the order, and one in the middle.
            for (at, name) in ["!", "m", "힣"].into_iter().enumerate() {
                let email = format!("{}{page}{ordering}@new.example", ["0", "m", "zz"][at]);
                create(&app, &email, name).await;
            }
            match response["next_cursor"].as_str() {
                // Users are added at the end faster than pages are read.
                Some(next) if page < 30 => next.clone_into(&mut cursor),
                _ => break,
            }
        }
        let old: Vec<_> = seen
            .iter()
            .filter_map(|email| email.as_str())
            .filter(|email| before.iter().any(|old| old == email))
            .collect();
        assert_eq!(old, before, "{ordering}");
        database::allow_deletion(app.db()).await;
        let sql = "DELETE FROM audit_log WHERE subject LIKE '%@new.example'; DELETE FROM users WHERE email LIKE '%@new.example'";
        sqlx::raw_sql(sql).execute(app.db()).await.expect("a delete");
    }
}

#[tokio::test]
async fn an_unknown_filter_value_is_refused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for query in [
        "member_type=boss",
        "member_type=Admin",
        "is_deleted=yes",
        "is_deleted=1",
        "ordering=id",
        "ordering=--name",
        "ordering=-",
        "ordering=password_hash",
        "member_type=admin&member_type=member",
    ] {
        app.get(&admin, &format!("/auth/users?{query}")).await.expect_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_user_in_the_list_is_the_user_of_the_profile() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let profile = app.get(&admin, "/auth/users/profile").await.expect(200);
    let list = app.get(&admin, "/auth/users").await.expect(200);
    assert_eq!(list.0, json!({"results": [profile.0], "next_cursor": null}));
}
