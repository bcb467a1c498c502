//! The buying list.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    budget::order_of,
    fixtures::order_body,
    test_app::{TestApp, TestUser},
};

async fn snack(app: &TestApp, user: &TestUser, name: &str, currency: &str, price: &str, url: &str) -> String {
    let body = json!({"name": name, "currency": currency, "price": price, "url": url});
    app.post(user, "/snacks", body).await.expect(201).uid()
}

async fn order(app: &TestApp, admin: &TestUser, user: &TestUser, lines: &[(&str, i64)], steps: &[&str]) -> String {
    let order = app.post(user, "/orders", order_body(lines)).await.expect(201).uid();
    for step in steps {
        app.set_status(admin, &order, step).await.expect(200);
    }
    order
}

/// The list without what concerns single snacks: host, and name, quantity, unit price and amount of each line.
fn outline(list: &Value) -> Value {
    let shops = list["results"].as_array().expect("shops").iter().map(|shop| {
        let lines = shop["snacks"].as_array().expect("lines").iter().map(|line| {
            json!([line["snack"]["name"], line["quantity"], line["unit_price"], line["currency"], line["amount"]])
        });
        json!([shop["host"], lines.collect::<Vec<_>>(), shop["amounts"]])
    });
    shops.collect()
}

#[tokio::test]
async fn what_is_to_be_bought_is_summed_up_by_shop_snack_and_price() {
    let app = TestApp::start().await;
    let (admin, one, two) = (app.admin().await, app.member().await, app.member().await);
    let shrimp = snack(&app, &one, "새우깡", "KRW", "1500", "https://www.coupang.com/vp/1?x=2").await;
    let corn = snack(&app, &one, "꼬깔콘", "KRW", "1700", "https://WWW.coupang.com:443/vp/2").await;
    let chips = snack(&app, &one, "Pringles", "USD", "3.9", "https://shop.example:8443/3").await;
    let loose = snack(&app, &one, "귤", "KRW", "500", "").await;
    let first = order(&app, &admin, &one, &[(&shrimp, 2), (&chips, 3)], &["approved", "ordered", "shipping"]).await;
    // The price of later orders is another one.
    app.patch(&one, &format!("/snacks/{shrimp}"), json!({"price": "1600"})).await.expect(200);
    let second =
        order(&app, &admin, &two, &[(&shrimp, 5), (&corn, 1), (&loose, 10)], &["approved", "ordered", "shipping"])
            .await;
    let third = order(&app, &admin, &one, &[(&shrimp, 4), (&loose, 1)], &["approved"]).await;
    let _waiting = order_of(&app, &one, "KRW", "100", 1).await;

    let list = app.get(&admin, "/orders/buying-list").await.expect(200);
    assert_eq!(
        outline(&list),
        json!([
            ["", [["귤", 1, "500", "KRW", "500"]], [{"currency": "KRW", "amount": "500"}]],
            ["www.coupang.com", [["새우깡", 4, "1600", "KRW", "6400"]], [{"currency": "KRW", "amount": "6400"}]],
        ])
    );
    assert_eq!(list["amounts"], json!([{"currency": "KRW", "amount": "6900"}]));
    let line = &list["results"][1]["snacks"][0];
    let name = app.get(&one, "/auth/users/profile").await.expect(200)["name"].clone();
    assert_eq!(
        line["orders"],
        json!([{"uid": third, "user": {"id": one.id, "name": name, "email": one.email}, "quantity": 4}])
    );
    assert_eq!(line["snack"]["uid"], shrimp);
    assert_eq!(line["snack"]["url"], "https://www.coupang.com/vp/1?x=2");

    let list = app.get(&admin, "/orders/buying-list?status=approved&status=shipping").await.expect(200);
    let krw = |amount: &str| json!({"currency": "KRW", "amount": amount});
    assert_eq!(
        outline(&list),
        json!([
            ["", [["귤", 11, "500", "KRW", "5500"]], [krw("5500")]],
            ["shop.example", [["Pringles", 3, "3.90", "USD", "11.70"]], [{"currency": "USD", "amount": "11.70"}]],
            ["www.coupang.com", [
                ["꼬깔콘", 1, "1700", "KRW", "1700"],
                ["새우깡", 2, "1500", "KRW", "3000"],
                ["새우깡", 9, "1600", "KRW", "14400"],
            ], [krw("19100")]],
        ])
    );
    assert_eq!(list["amounts"], json!([krw("24600"), {"currency": "USD", "amount": "11.70"}]));
    let request = app.request(Method::GET, "/orders/buying-list?status=approved&status=shipping");
    let file = app.send(request.bearer_auth(&admin.access).header("accept", "text/csv")).await;
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"buying-list.csv\"");
    assert_eq!(
        file.text,
        "\u{feff}host,snack_name,quantity,unit_price,currency,amount\n\
         ,귤,11,500,KRW,5500\n\
         shop.example,Pringles,3,3.90,USD,11.70\n\
         www.coupang.com,꼬깔콘,1,1700,KRW,1700\n\
         www.coupang.com,새우깡,2,1500,KRW,3000\n\
         www.coupang.com,새우깡,9,1600,KRW,14400\n"
    );
    let of_two: Vec<_> = list["results"][0]["snacks"][0]["orders"]
        .as_array()
        .expect("orders")
        .iter()
        .map(|order| &order["uid"])
        .collect();
    assert_eq!(of_two, [&second, &third]);
    assert_ne!(first, second);
}

#[tokio::test]
async fn the_buying_list_is_for_admins_and_its_statuses_exist() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    app.get(&member, "/orders/buying-list?status=lost").await.expect_error(403, "permission_denied");
    app.get(&admin, "/orders/buying-list?status=lost").await.expect_error(400, "invalid_request");
    assert_eq!(
        app.get(&admin, "/orders/buying-list?status=").await.expect(200).0,
        json!({"results": [], "amounts": []})
    );
}

#[tokio::test]
async fn a_list_of_too_many_lines_is_refused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    sqlx::query("INSERT INTO orders (user_id) SELECT $1 FROM generate_series(1, 1001)")
        .bind(admin.id)
        .execute(app.db())
        .await
        .expect("orders");
    sqlx::query("UPDATE orders SET status = 'canceled'").execute(app.db()).await.expect("an update");
    let fill = |snacks: i32| {
        let db = app.db();
        async move {
            sqlx::query(
                "WITH snack AS (
                    INSERT INTO snacks (name, name_key, price) SELECT gen_random_uuid(), gen_random_uuid(), 100 FROM generate_series(1, $1)
                    RETURNING id)
                INSERT INTO purchases (order_id, snack_id, position, quantity, unit_price, currency, blocks)
                SELECT orders.id, snack.id, 0, 1, 100, 'KRW', false FROM orders, snack",
            )
            .bind(snacks)
            .execute(db)
            .await
            .expect("lines");
        }
    };
    fill(9).await;
    let list = app.get(&admin, "/orders/buying-list?status=canceled").await.expect(200);
    assert_eq!(list["amounts"], json!([{"currency": "KRW", "amount": "900900"}]));
    fill(1).await;
    app.get(&admin, "/orders/buying-list?status=canceled").await.expect_error(400, "invalid_request");
}
