//! Messages for Slack: each event in both languages.

use serde_json::{Value, json};

use crate::support::{
    budget::set_budget,
    channel::start,
    receiver::{Answer, Receiver},
    test_app::{TestApp, TestUser},
};

/// Channels in Korean and in English.
struct Channels {
    korean: Receiver,
    english: Receiver,
}

impl Channels {
    async fn create(app: &TestApp, admin: &TestUser, events: &[&str]) -> Self {
        let (korean, english) =
            (Receiver::start(Answer::Status(200)).await, Receiver::start(Answer::Status(200)).await);
        for (language, receiver) in [("ko", &korean), ("en", &english)] {
            let body =
                json!({"kind": "slack", "name": "#간식", "url": receiver.url, "events": events, "language": language});
            app.post(admin, "/channels", body).await.expect(201);
        }
        Self { korean, english }
    }

    /// The next message in each language.
    async fn next(&mut self) -> [Value; 2] {
        [self.korean.next().await.json(), self.english.next().await.json()]
    }

    /// The texts of the next message in each language, one block after the other.
    async fn texts(&mut self) -> [Vec<String>; 2] {
        self.next().await.map(|message| texts(&message))
    }
}

/// The texts of the blocks.
fn texts(message: &Value) -> Vec<String> {
    let mut texts = Vec::new();
    for block in message["blocks"].as_array().expect("blocks") {
        assert_eq!(block["type"], "section");
        let fields = block["fields"].as_array().cloned().unwrap_or_else(|| vec![block["text"].clone()]);
        for text in fields {
            assert_eq!((&text["type"], &text["verbatim"]), (&json!("mrkdwn"), &json!(true)));
            texts.push(text["text"].as_str().expect("a text").to_owned());
        }
    }
    assert_eq!(format!("*{}*", message["text"].as_str().expect("a text")), texts[0]);
    texts
}

async fn renamed(app: &TestApp, user: TestUser, name: &str) -> TestUser {
    app.patch(&user, "/auth/users/profile", json!({"name": name})).await.expect(200);
    user
}

const ORDERS: [&str; 8] = [
    "order.created",
    "order.approved",
    "order.ordered",
    "order.shipping",
    "order.completed",
    "order.canceled",
    "order.arrival_changed",
    "snack.registered",
];

#[tokio::test]
async fn each_event_of_orders_and_snacks_is_told_in_both_languages() {
    let app = start().await;
    let admin = renamed(&app, app.admin().await, "박관리").await;
    let member = renamed(&app, app.member().await, "김간식").await;
    let mut channels = Channels::create(&app, &admin, &ORDERS).await;

    let fields = json!({"name": "새우깡", "price": "1500", "desc": "짭짤한 <과자>"});
    let first = app.post(&member, "/snacks", fields).await.expect(201).uid();
    let link = |page: &str| format!("<http://localhost:8000/app/{page}|");
    assert_eq!(
        channels.texts().await,
        [
            vec![
                "*김간식 님이 새 간식을 등록했습니다: 새우깡*".to_owned(),
                "*가격*\n₩1,500".to_owned(),
                "*설명*\n짭짤한 &lt;과자&gt;".to_owned(),
                format!("{}간식 보기>", link(&format!("snacks/{first}"))),
            ],
            vec![
                "*김간식 registered a new snack: 새우깡*".to_owned(),
                "*Price*\n₩1,500".to_owned(),
                "*Description*\n짭짤한 &lt;과자&gt;".to_owned(),
                format!("{}View the snack>", link(&format!("snacks/{first}"))),
            ],
        ]
    );
    let fields = json!({"name": "M&M's", "price": "1234.5", "currency": "USD"});
    let second = app.post(&member, "/snacks", fields).await.expect(201).uid();
    assert_eq!(channels.texts().await[1][..2], ["*김간식 registered a new snack: M&amp;M's*", "*Price*\nUS$1,234.50"]);

    let lines = json!([{"uid": first, "quantity": 20}, {"uid": second, "quantity": 2}]);
    let body = json!({"snacks": lines, "note": "<!channel> 회의용\n& 손님용"});
    let order = app.post(&member, "/orders", body).await.expect(201).uid();
    let [korean, english] =
        ["주문 보기", "View the order"].map(|label| format!("{}{label}>", link(&format!("orders/{order}"))));
    let snacks = "• 새우깡 × 20 (₩30,000)\n• M&amp;M's × 2 (US$2,469.00)";
    let amount = ["*금액*\n₩30,000 + US$2,469.00", "*Amount*\n₩30,000 + US$2,469.00"];
    let note = "&lt;!channel&gt; 회의용\n&amp; 손님용";
    assert_eq!(
        channels.texts().await,
        [
            vec!["*김간식 님이 주문했습니다.*", snacks, amount[0], &format!("*요청 사항*\n{note}"), &korean],
            vec!["*김간식 placed an order.*", snacks, amount[1], &format!("*Note*\n{note}"), &english],
        ]
    );
    let arrival = ["*도착 예정*\n2030년 1월 9일 (수) 12:00", "*Expected arrival*\nWed 9 Jan 2030, 12:00"];
    for (status, titles, has_arrival) in [
        ("approved", ["*박관리 님이 김간식 님의 주문을 승인했습니다.*", "*박관리 approved 김간식's order.*"], false),
        (
            "ordered",
            ["*김간식 님의 주문이 주문 완료로 변경되었습니다.*", "*김간식's order has been placed with the shop.*"],
            true,
        ),
        ("shipping", ["*김간식 님의 주문이 배송 중입니다.*", "*김간식's order is on its way.*"], true),
    ] {
        app.set_status(&admin, &order, status).await.expect(200);
        let expected = |at: usize, link: &str| {
            let arrival = has_arrival.then_some(arrival[at]);
            let texts = [titles[at], snacks, amount[at]].into_iter().chain(arrival).chain([link]);
            texts.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(channels.texts().await, [expected(0, &korean), expected(1, &english)], "{status}");
    }
    let body = json!({"estimated_arrival_time": "2030-01-09T15:30:00Z", "reason": "택배 <지연>"});
    app.put(&admin, &format!("/orders/{order}/arrival"), body).await.expect(200);
    assert_eq!(
        channels.texts().await,
        [
            vec![
                "*김간식 님 주문의 도착 예정이 변경되었습니다.*",
                snacks,
                amount[0],
                "*도착 예정*\n2030년 1월 10일 (목) 00:30",
                "*사유*\n택배 &lt;지연&gt;",
                &korean,
            ],
            vec![
                "*The expected arrival of 김간식's order has changed.*",
                snacks,
                amount[1],
                "*Expected arrival*\nThu 10 Jan 2030, 00:30",
                "*Reason*\n택배 &lt;지연&gt;",
                &english,
            ],
        ]
    );
    app.set_status(&admin, &order, "completed").await.expect(200);
    assert_eq!(
        channels.texts().await,
        [
            vec!["*김간식 님의 주문이 배송 완료되었습니다.*", snacks, amount[0], &korean],
            vec!["*김간식's order has arrived.*", snacks, amount[1], &english],
        ]
    );
}

#[tokio::test]
async fn a_cancellation_says_who_canceled_and_why() {
    let app = start().await;
    let admin = renamed(&app, app.admin().await, "박관리").await;
    let member = renamed(&app, app.member().await, "김간식").await;
    let mut channels = Channels::create(&app, &admin, &["order.canceled"]).await;
    let snack = app.snack(&member, "새우깡").await;
    let cancel = json!({"status": "canceled", "reason": "품절되었습니다."});
    let order = app.order(&member, &[&snack]).await;
    app.put(&admin, &format!("/orders/{order}/status"), cancel).await.expect(200);
    let [korean, english] = channels.texts().await;
    assert_eq!(
        (korean[0].as_str(), korean[3].as_str()),
        ("*박관리 님이 김간식 님의 주문을 취소했습니다.*", "*사유*\n품절되었습니다.")
    );
    assert_eq!(
        (english[0].as_str(), english[3].as_str()),
        ("*박관리 canceled 김간식's order.*", "*Reason*\n품절되었습니다.")
    );
    let own = app.order(&admin, &[&snack]).await;
    app.set_status(&admin, &own, "canceled").await.expect(200);
    let [korean, english] = channels.texts().await;
    assert_eq!((korean[0].as_str(), korean.len()), ("*박관리 님이 주문을 취소했습니다.*", 4));
    assert_eq!((english[0].as_str(), english.len()), ("*박관리 canceled the order.*", 4));
}

#[tokio::test]
async fn a_budget_says_how_much_is_left() {
    let app = start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let mut channels = Channels::create(&app, &admin, &["budget.reached"]).await;
    set_budget(&app, &admin, "KRW", json!("3500")).await;
    let mut orders = Vec::new();
    for name in ["하나", "둘"] {
        let snack = app.snack(&member, name).await;
        orders.push(
            app.post(&member, "/orders", json!({"snacks": [{"uid": snack, "quantity": 2}]})).await.expect(201).uid(),
        );
    }
    let month = crate::support::budget::this_month();
    let link = "<http://localhost:8000/app/budgets|";
    app.set_status(&admin, &orders[0], "approved").await.expect(200);
    assert_eq!(
        channels.texts().await,
        [
            vec![
                format!("*{month} 예산(KRW)의 80%를 사용했습니다.*"),
                "*승인된 금액*\n₩3,000".to_owned(),
                "*예산*\n₩3,500".to_owned(),
                "*남은 금액*\n₩500".to_owned(),
                format!("{link}예산 보기>"),
            ],
            vec![
                format!("*80% of the budget for {month} (KRW) is used.*"),
                "*Approved*\n₩3,000".to_owned(),
                "*Budget*\n₩3,500".to_owned(),
                "*Remaining*\n₩500".to_owned(),
                format!("{link}View the budget>"),
            ],
        ]
    );
    let body = json!({"status": "approved", "over_budget": true});
    app.put(&admin, &format!("/orders/{}/status", orders[1]), body).await.expect(200);
    let [korean, english] = channels.texts().await;
    assert_eq!(
        (korean[0].as_str(), korean[3].as_str()),
        (format!("*{month} 예산(KRW)을 모두 사용했습니다.*").as_str(), "*남은 금액*\n-₩2,500")
    );
    assert_eq!(english[0], format!("*The budget for {month} (KRW) is used up.*"));
}

#[tokio::test]
async fn a_test_tells_who_sent_it_and_links_below_the_public_url() {
    let app = TestApp::with(|config| {
        config.outbound_allow_http = true;
        config.outbound_allow_private = true;
        config.public_url = "https://office.example/snack/".parse().expect("a URL");
    })
    .await;
    let admin = renamed(&app, app.admin().await, "<박관리>").await;
    let mut channels = Channels::create(&app, &admin, &["order.created"]).await;
    for channel in app.get(&admin, "/channels").await.expect(200).rows() {
        let sent = app.post(&admin, &format!("/channels/{}/test", channel["id"]), json!({})).await.expect(200);
        assert_eq!(sent["status"], "delivered");
    }
    assert_eq!(
        channels.texts().await,
        [
            [
                "*&lt;박관리&gt; 님이 보낸 테스트 메시지입니다. 이 채널로 간식 주문 알림을 받습니다.*",
                "<https://office.example/snack/app/orders|간식 주문 열기>",
            ],
            [
                "*This is a test from &lt;박관리&gt;. Messages about snack orders come to this channel.*",
                "<https://office.example/snack/app/orders|Open the snack orders>",
            ],
        ]
    );
}

#[tokio::test]
async fn the_longest_order_stays_within_the_limits_of_slack() {
    let app = start().await;
    let admin = app.admin().await;
    let member = renamed(&app, app.member().await, &"&".repeat(50)).await;
    let mut channels = Channels::create(&app, &admin, &["order.created", "order.canceled"]).await;
    let mut lines = Vec::new();
    for number in 0..100 {
        let name = format!("{}{number:03}", "&".repeat(125));
        lines.push(json!({"uid": app.snack(&member, &name).await, "quantity": 1000}));
    }
    let order = app.post(&member, "/orders", json!({"snacks": lines, "note": "&".repeat(500)})).await.expect(201).uid();
    let created = channels.next().await;
    app.put(&admin, &format!("/orders/{order}/status"), json!({"status": "canceled", "reason": "<".repeat(500)}))
        .await
        .expect(200);
    let canceled = channels.next().await;
    for message in created.iter().chain(&canceled) {
        let all = texts(message);
        assert!(message["blocks"].as_array().is_some_and(|blocks| blocks.len() <= 50));
        assert!(all.iter().all(|text| text.chars().count() <= 3000), "{all:?}");
    }
    for (message, rest) in created.iter().zip(["외 90가지", "and 90 more"]) {
        let snacks = texts(message)[1].clone();
        assert_eq!(snacks.lines().count(), 11);
        assert_eq!(snacks.lines().last(), Some(rest));
    }
}
