//! Registering snacks: validation of the fields, and the uniqueness of names.

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use reqwest::multipart::Form;
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use crate::support::test_app::TestApp;

#[tokio::test]
async fn a_registered_snack_is_returned_whole_and_found_at_its_location() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let before = Utc::now();
    let body = json!({"name": " 새우깡 ", "url": "https://www.nongshim.com/새우깡?x=1", "desc": "손이 가요\n손이 가", "currency": "JPY",
        "price": "150"});
    let response = app.post(&member, "/snacks", body).await;
    let location = response.header("location").to_owned();
    let snack = response.expect(201);
    assert_eq!(location, format!("/snacks/{}", snack.uid()));

    let profile = app.get(&member, "/auth/users/profile").await.expect(200);
    let mut expected = json!({"uid": snack.uid(), "name": "새우깡", "url": "https://www.nongshim.com/%EC%83%88%EC%9A%B0%EA%B9%A1?x=1",
        "desc": "손이 가요\n손이 가", "image": null, "thumbnail": null, "currency": "JPY", "price": "150", "status": "available",
        "orderable": true, "blocked_reason": null, "open_order": null,
        "like_reaction_count": 0, "hate_reaction_count": 0, "like_ratio": 1.0, "my_reaction": null,
        "registered_by": {"id": member.id, "name": profile["name"]}});
    for instant in ["created_at", "updated_at"] {
        let text = snack[instant].as_str().expect("an instant");
        assert!(text.ends_with('Z'), "{text}");
        let at: DateTime<Utc> = text.parse().expect("RFC 3339");
        assert!((before..=Utc::now()).contains(&at), "{text}");
        expected[instant] = snack[instant].clone();
    }
    assert_eq!(snack.0, expected);
    assert_eq!(app.get(&member, &location).await.expect(200), snack);
    let listed = app.get(&member, "/snacks").await.expect(200);
    assert_eq!(listed.rows(), &vec![snack.0]);
}

#[tokio::test]
async fn what_may_be_left_out_has_its_default() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let body = json!({"name": "초코파이", "price": 4800, "no_such_field": true});
    let snack = app.post(&member, "/snacks", body).await.expect(201);
    let defaults = json!({"url": "", "desc": "", "currency": "KRW", "price": "4800", "status": "available"});
    for (field, value) in defaults.as_object().expect("an object") {
        assert_eq!(&snack[field], value, "{field}");
    }
}

#[tokio::test]
async fn a_form_registers_what_json_does() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let form = Form::new()
        .text("name", "포카칩")
        .text("url", "https://orion.example")
        .text("desc", "짭짤")
        .text("currency", "USD")
        .text("price", "3.9");
    let response = app.post_form(&member, "/snacks", form).await;
    let location = response.header("location").to_owned();
    let snack = response.expect(201);
    assert_eq!(location, format!("/snacks/{}", snack.uid()));
    let fields =
        json!({"name": "포카칩", "url": "https://orion.example/", "desc": "짭짤", "currency": "USD", "price": "3.90"});
    for (field, value) in fields.as_object().expect("an object") {
        assert_eq!(&snack[field], value, "{field}");
    }

    let wrong = Form::new().text("name", " ").text("price", "x").text("url", "ftp://x.example");
    let problem = app.post_form(&member, "/snacks", wrong).await;
    assert_eq!(problem.expect_error(400, "validation_failed").error_fields(), ["name", "price", "url"]);
    let twice = Form::new().text("name", "ㄱ").text("name", "ㄴ").text("price", "1");
    app.post_form(&member, "/snacks", twice).await.expect_error(400, "invalid_request");
    // Unknown fields are ignored as in JSON, also when they are repeated.
    let unknown = Form::new().text("name", "ㄱ").text("tag", "ㄱ").text("tag", "ㄴ").text("price", "1");
    app.post_form(&member, "/snacks", unknown).await.expect(201);
    let currency = Form::new().text("name", "ㄱ").text("price", "1").text("currency", "EUR");
    app.post_form(&member, "/snacks", currency).await.expect_error(400, "invalid_request");
}

#[tokio::test]
async fn all_errors_are_reported_at_once() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let nothing = app.post(&member, "/snacks", json!({})).await;
    let nothing = nothing.expect_error(400, "validation_failed");
    assert_eq!(nothing.error_fields(), ["name", "price"]);
    for error in nothing["errors"].as_array().expect("errors") {
        assert_eq!(error["code"], "required");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
    let all = json!({"name": "가".repeat(129), "url": "javascript:alert(1)", "desc": "다".repeat(5001), "price": "-1"});
    let all = app.post(&member, "/snacks", all).await.expect_error(400, "validation_failed");
    assert_eq!(all.error_fields(), ["desc", "name", "price", "url"]);
    assert!(app.get(&member, "/snacks").await.expect(200).rows().is_empty());
}

#[tokio::test]
async fn texts_are_measured_in_characters_and_links_are_links() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let link = |length: usize| format!("https://x.example/{}", "나".repeat(length - 18));
    let decomposed: String = "강".repeat(128).nfd().collect();
    assert!(decomposed.chars().count() > 128);
    let table = [
        ("name", json!("가"), true),
        ("name", json!("🍪".repeat(128)), true),
        ("name", json!(format!("  {}  ", "나".repeat(128))), true),
        ("name", json!(decomposed), true),
        ("name", json!("가".repeat(129)), false),
        ("name", json!(""), false),
        ("name", json!(" \t\u{3000}\n"), false),
        ("name", json!("새\u{0}우"), false),
        ("name", json!("\u{200b}\u{3164}\u{2800}"), false),
        ("url", json!(""), true),
        ("url", json!("http://x.example"), true),
        ("url", json!(link(2000)), true),
        ("url", json!(link(2001)), false),
        ("url", json!("x.example"), false),
        ("url", json!("//x.example"), false),
        ("url", json!("ftp://x.example"), false),
        ("url", json!("data:text/html,x"), false),
        ("url", json!(" javascript:alert(1)"), false),
        ("url", json!("java\nscript:alert(1)"), false),
        ("url", json!("http://"), false),
        ("url", json!("https://x.example/\u{0}"), false),
        ("desc", json!(""), true),
        ("desc", json!("다".repeat(5000)), true),
        ("desc", json!("다".repeat(5001)), false),
        ("url", json!(format!(" https://x.example/{}\n", "%EB%82%98".repeat(1982))), true),
        ("desc", json!("\u{0}"), false),
    ];
    for (at, (field, value, is_right)) in table.into_iter().enumerate() {
        let mut body = json!({"name": format!("간식 {at}"), "price": "1"});
        body[field] = value;
        let response = app.post(&member, "/snacks", body.clone()).await;
        if is_right {
            response.expect(201);
        } else {
            assert_eq!(response.expect_error(400, "validation_failed").error_fields(), [field], "{body}");
        }
    }
}

#[tokio::test]
async fn a_price_has_the_digits_of_its_currency_as_string_and_as_number() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let table: [(&str, Value, Result<&str, u16>); 30] = [
        ("KRW", json!("28000"), Ok("28000")),
        ("KRW", json!(28000), Ok("28000")),
        ("KRW", json!(28000.0), Ok("28000")),
        ("KRW", json!("0"), Ok("0")),
        ("KRW", json!("999999999999"), Ok("999999999999")),
        ("KRW", json!(999_999_999_999_u64), Ok("999999999999")),
        ("KRW", json!("1000000000000"), Err(400)),
        ("KRW", json!(1_000_000_000_000_u64), Err(400)),
        ("KRW", json!(1e300), Err(400)),
        ("KRW", json!("0.5"), Err(400)),
        ("KRW", json!(0.5), Err(400)),
        ("KRW", json!(-1), Err(400)),
        ("KRW", json!("-1"), Err(400)),
        ("KRW", json!(""), Err(400)),
        ("KRW", json!("1,500"), Err(400)),
        ("KRW", json!("1500원"), Err(400)),
        ("KRW", json!("NaN"), Err(400)),
        ("KRW", json!("Infinity"), Err(400)),
        ("KRW", json!("1e3"), Err(400)),
        ("JPY", json!("150"), Ok("150")),
        ("JPY", json!(150.5), Err(400)),
        ("USD", json!("3.99"), Ok("3.99")),
        ("USD", json!(3.99), Ok("3.99")),
        ("USD", json!("3.9"), Ok("3.90")),
        ("USD", json!(3), Ok("3.00")),
        ("USD", json!("999999999999.99"), Ok("999999999999.99")),
        ("USD", json!("3.999"), Err(400)),
        ("USD", json!(3.999), Err(400)),
        ("USD", json!("-0.01"), Err(400)),
        ("USD", json!("1000000000000.00"), Err(400)),
    ];
    for (at, (currency, price, expected)) in table.into_iter().enumerate() {
        let body = json!({"name": format!("간식 {at}"), "currency": currency, "price": price});
        let response = app.post(&member, "/snacks", body.clone()).await;
        match expected {
            Ok(written) => assert_eq!(response.expect(201)["price"], written, "{body}"),
            Err(_) => assert_eq!(response.expect_error(400, "validation_failed").error_fields(), ["price"], "{body}"),
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_an_invalid_request() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let table = [
        json!({"name": null, "price": 1}),
        json!({"name": 7, "price": 1}),
        json!({"name": "ㄱ", "price": null}),
        json!({"name": "ㄱ", "price": true}),
        json!({"name": "ㄱ", "price": [1]}),
        json!({"name": "ㄱ", "price": 1, "currency": "EUR"}),
        json!({"name": "ㄱ", "price": 1, "currency": "krw"}),
        json!({"name": "ㄱ", "price": 1, "currency": null}),
        json!({"name": "ㄱ", "price": 1, "url": null}),
        json!({"name": "ㄱ", "price": 1, "desc": []}),
        json!({"name": "ㄱ", "price": 1, "image": "cat.png"}),
        json!([]),
        json!("ㄱ"),
    ];
    for body in table {
        app.post(&member, "/snacks", body).await.expect_error(400, "invalid_request");
    }
    app.post(&member, "/snacks", json!({"name": "ㄱ", "price": 1, "desc": "x".repeat(1024 * 1024)}))
        .await
        .expect_error(413, "payload_too_large");
    let text = app.request(reqwest::Method::POST, "/snacks").bearer_auth(&member.access).body("name=x");
    app.send(text).await.expect_error(415, "unsupported_media_type");
    app.post_open("/snacks", json!({"name": "ㄱ", "price": 1})).await.expect_error(401, "not_authenticated");
    assert!(app.get(&member, "/snacks").await.expect(200).rows().is_empty());
}

/// Spellings of one name on different devices.
const SPELLINGS: [&str; 6] = [
    "Café 새우깡",
    "Cafe\u{301} \u{1109}\u{1162}\u{110b}\u{116e}\u{1101}\u{1161}\u{11bc}",
    "CAFÉ 새우깡",
    "  café \t\u{3000} 새우깡\n",
    "cafe\u{301}\u{a0}새우깡",
    "cAFE\u{301}  새우깡",
];

#[tokio::test]
async fn a_name_is_one_name_however_it_is_spelled() {
    let app = TestApp::start().await;
    let (member, other) = (app.member().await, app.member().await);
    app.snack(&member, SPELLINGS[0]).await;
    for spelling in SPELLINGS {
        let body = json!({"name": spelling, "price": 1});
        app.post(&other, "/snacks", body).await.expect_error(409, "snack_name_taken");
    }
    for different in ["Café새우깡", "Cafe 새우깡", "Café 새우깡 2", "Café 새우깜"] {
        app.snack(&other, different).await;
    }
}

#[tokio::test]
async fn characters_that_nobody_sees_make_no_other_name() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let body = json!({"name": "\u{200b}\u{3164} 새우깡 \u{ad}\u{feff}", "price": 1});
    let snack = app.post(&member, "/snacks", body).await.expect(201);
    assert_eq!(snack["name"], "새우깡");
    let invisible = "\u{200b}\u{ad}\u{2060}\u{feff}\u{180e}\u{115f}\u{1160}\u{3164}\u{ffa0}\u{2800}\u{200c}\u{200d}\u{fe0f}\u{200e}\u{34f}\u{e0041}";
    for c in invisible.chars() {
        for name in [format!("새우{c}깡"), format!("{c}새우깡"), format!("새우깡{c}{c}"), format!("새{c}{c}우깡")]
        {
            app.post(&member, "/snacks", json!({"name": name, "price": 1})).await.expect_error(409, "snack_name_taken");
        }
        let blank = app.post(&member, "/snacks", json!({"name": format!("{c} {c}"), "price": 1})).await;
        let problem = blank.expect_error(400, "validation_failed");
        assert_eq!(
            (&problem["errors"][0]["field"], &problem["errors"][0]["code"]),
            (&json!("name"), &json!("blank")),
            "{c:?}"
        );
    }
    // A search ignores them too.
    for search in ["%EC%83%88%C2%AD%EC%9A%B0", "%E2%80%8B%EC%9A%B0%EA%B9%A1"] {
        let found = app.get(&member, &format!("/snacks?search={search}")).await.expect(200);
        assert_eq!(found.column("name"), ["새우깡"]);
    }
}

#[tokio::test]
async fn what_makes_an_emoji_another_one_stays() {
    let app = TestApp::start().await;
    let member = app.member().await;
    // Each of them is a different name.
    for name in [
        "👨‍👩‍👧",
        "👨👩👧",
        "❤️ 과자",
        "❤ 과자",
        "❤️‍🔥",
        "커피 ☕️",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        "🏴",
    ] {
        let snack = app.post(&member, "/snacks", json!({"name": name, "price": 1})).await.expect(201);
        assert_eq!(snack["name"], name);
        app.post(&member, "/snacks", json!({"name": name, "price": 1})).await.expect_error(409, "snack_name_taken");
    }
    for same in ["👨‍👩‍👧\u{200d}", "👨\u{200c}👩👧", "커피 ☕", "커\u{fe0f}피 ☕️"] {
        app.post(&member, "/snacks", json!({"name": same, "price": 1})).await.expect_error(409, "snack_name_taken");
    }
}

#[tokio::test]
async fn no_text_holds_control_characters_or_turns_its_direction() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let body = json!({"name": "감자깡", "desc": "손이\t가요\r\n손이 가", "price": 1});
    let snack = app.post(&member, "/snacks", body.clone()).await.expect(201);
    assert_eq!(snack["desc"], body["desc"]);
    let path = format!("/snacks/{}", snack.uid());
    let invalid = "\u{1b}\0\u{7f}\u{85}\u{b}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
    let in_names = "\n\r\u{2028}\u{2029}";
    let table = invalid.chars().flat_map(|c| [("name", c), ("desc", c)]).chain(in_names.chars().map(|c| ("name", c)));
    for (field, c) in table {
        let mut body = json!({"name": "고구마깡", "price": 1});
        body[field] = json!(format!("고구마{c}깡"));
        let change = json!({field: body[field]});
        for response in [app.post(&member, "/snacks", body).await, app.patch(&member, &path, change).await] {
            let problem = response.expect_error(400, "validation_failed");
            let error = &problem["errors"][0];
            assert_eq!((&error["field"], &error["code"]), (&json!(field), &json!("invalid_character")), "{c:?}");
        }
    }
    app.snack(&member, "고구마\t깡").await;
    app.post(&member, "/snacks", json!({"name": "고구마 깡", "price": 1})).await.expect_error(409, "snack_name_taken");
}

#[tokio::test]
async fn a_url_is_one_address_and_stored_as_a_parser_writes_it() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let snack = app.snack(&member, "새우깡").await;
    let path = format!("/snacks/{snack}");
    for (number, (typed, stored)) in [
        (" https://link.coupang.com/a/bAbC\n", "https://link.coupang.com/a/bAbC"),
        ("HTTPS://한국.kr", "https://xn--3e0b707e.kr/"),
        ("http://x.example/가?나#다", "http://x.example/%EA%B0%80?%EB%82%98#%EB%8B%A4"),
        ("http://x.example/%EA%B0%80", "http://x.example/%EA%B0%80"),
        ("", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let edited = app.patch(&member, &path, json!({"url": typed})).await.expect(200);
        assert_eq!(edited["url"], stored);
        // The stored value can be sent back.
        assert_eq!(app.patch(&member, &path, json!({"url": stored})).await.expect(200)["url"], stored);
        let body = json!({"name": format!("간식 {number}"), "price": 1, "url": typed});
        assert_eq!(app.post(&member, "/snacks", body).await.expect(201)["url"], stored);
    }
    for typed in [
        "https:coupang.com/x",
        "https:\\\\coupang.com/x",
        "https:///coupang.com/x",
        "https://link.coupang.com/a/bAbC 이거요",
        "https://a.example/\nhttps://b.example/",
        "https://a.example/\tb",
        "https://a.example/\u{3000}b",
        "https://a.example/\u{1b}b",
        "https://a.example/\u{0}b",
        "https://kim:secret@a.example/",
        "https://www.coupang.com@evil.example/",
    ] {
        let body = json!({"name": "감자깡", "price": 1, "url": typed});
        for response in
            [app.post(&member, "/snacks", body).await, app.patch(&member, &path, json!({"url": typed})).await]
        {
            let problem = response.expect_error(400, "validation_failed");
            let error = &problem["errors"][0];
            assert_eq!((&error["field"], &error["code"]), (&json!("url"), &json!("invalid_url")), "{typed:?}");
        }
    }
}

#[tokio::test]
async fn of_forty_registrations_of_one_name_at_once_one_wins() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let member = app.member().await;
    let attempts = (0..40).map(|at| {
        let server = if at % 2 == 0 { &app } else { &replica };
        server.post(&member, "/snacks", json!({"name": SPELLINGS[at % SPELLINGS.len()], "price": 1}))
    });
    let (successes, failures): (Vec<_>, Vec<_>) =
        join_all(attempts).await.into_iter().partition(|response| response.status == 201);
    assert_eq!((successes.len(), failures.len()), (1, 39));
    for response in failures {
        response.expect_error(409, "snack_name_taken");
    }
    assert_eq!(app.get(&member, "/snacks").await.expect(200).rows().len(), 1);
}

#[tokio::test]
async fn an_unknown_snack_is_not_found() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for uid in ["00000000-0000-4000-8000-000000000000", "새우깡", "7", "%FF", "..;"] {
        app.get(&member, &format!("/snacks/{uid}")).await.expect_error(404, "not_found");
    }
}
