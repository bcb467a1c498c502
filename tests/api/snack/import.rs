//! Import and export of snacks as CSV.

use futures_util::future::join;
use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use crate::support::{
    database::count_rows,
    fixtures::{insert_snacks, snack_with_price},
    response::{Body, Response},
    test_app::{TestApp, TestUser},
};

const BOM: &str = "\u{feff}";

fn form(file: impl Into<Vec<u8>>) -> Form {
    Form::new().part("file", Part::bytes(file.into()).file_name("snacks.csv").mime_str("text/csv").expect("a type"))
}

async fn send(app: &TestApp, user: &TestUser, file: impl Into<Vec<u8>>) -> Response {
    app.post_form(user, "/snacks/import", form(file)).await
}

async fn import(app: &TestApp, admin: &TestUser, file: impl Into<Vec<u8>>) -> Body {
    send(app, admin, file).await.expect(200)
}

/// Line, status and errors of each row: `3 refused name:required`.
fn outcomes(import: &Body) -> Vec<String> {
    let outcome = |row: &Value| {
        let errors = row["errors"].as_array().expect("errors").iter();
        let errors = errors
            .map(|error| format!(" {}:{}", text(error, "field"), text(error, "code")))
            .collect::<Vec<_>>()
            .concat();
        assert_eq!(row["uid"].is_string(), row["status"] == "created", "{row}");
        assert_eq!(errors.is_empty(), row["status"] == "created", "{row}");
        format!("{} {}{errors}", row["line"], text(row, "status"))
    };
    let outcomes: Vec<_> = import.rows().iter().map(outcome).collect();
    let count = |status: &str| import.rows().iter().filter(|row| row["status"] == status).count();
    assert_eq!(import["created"], count("created"));
    assert_eq!(import["refused"], count("refused"));
    outcomes
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("a text")
}

async fn names(app: &TestApp, user: &TestUser) -> Vec<String> {
    let listed = app.get(user, "/snacks?ordering=name&status=all&limit=100").await.expect(200);
    listed.rows().iter().map(|row| text(row, "name").to_owned()).collect()
}

/// The list as a CSV file, without the byte order mark.
async fn export(app: &TestApp, user: &TestUser, query: &str) -> String {
    let request = app.request(Method::GET, &format!("/snacks{query}")).bearer_auth(&user.access);
    let response = app.send(request.header("accept", "text/csv")).await;
    assert_eq!(response.status, 200, "{}", response.text);
    assert_eq!(response.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(response.header("content-disposition"), "attachment; filename=\"snacks.csv\"");
    response.text.strip_prefix(BOM).expect("a byte order mark").to_owned()
}

#[tokio::test]
async fn good_rows_are_created_and_bad_ones_are_refused_with_their_errors() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.snack(&admin, "새우깡").await;
    let long = "가".repeat(129);
    let file = format!(
        "name,price,currency,url,desc\n\
         초코파이,500,,,\n\
         Pringles,3.90,USD,https://pringles.example,\"짭짤한, 감자\"\n\
         ポッキー,150,JPY,,\n\
         ,1500,,,\n\
         감자칩,,,,\n\
         고래밥\n\
         {long},1.5,,ftp://x,\n\
         양파링,-1,,,\n\
         바나나킥,\"1,700\",,,\n\
         홈런볼,3.999,EUR,,\n\
         빼빼로,1500,krw,,\n\
         \u{3164},1500,,,\n\
         콘칩,1500,,,,매운 맛\n\
         새 우깡,1500,,,\n\
         새우\u{ad}깡,1500,,,\n\
         \u{201c}맛동산\u{201d},  1500 , KRW ,,\n"
    );
    let imported = import(&app, &admin, file).await;
    assert_eq!(
        outcomes(&imported),
        [
            "2 created",
            "3 created",
            "4 created",
            "5 refused name:required",
            "6 refused price:required",
            "7 refused price:required",
            "8 refused name:too_long url:invalid_url price:too_many_digits",
            "9 refused price:negative",
            "10 refused price:invalid_amount",
            "11 refused currency:unknown_currency price:too_many_digits",
            "12 refused currency:unknown_currency",
            "13 refused name:blank",
            "14 refused row:too_many_cells",
            "15 created",
            "16 refused name:snack_name_taken",
            "17 created",
        ]
    );
    assert_eq!(imported.column("name")[..2], ["초코파이", "Pringles"]);
    let uid = imported.rows()[1]["uid"].as_str().expect("a uid");
    let snack = app.get(&admin, &format!("/snacks/{uid}")).await.expect(200);
    for (field, expected) in [
        ("name", json!("Pringles")),
        ("price", json!("3.90")),
        ("currency", json!("USD")),
        ("url", json!("https://pringles.example/")),
        ("desc", json!("짭짤한, 감자")),
        ("status", json!("available")),
        ("like_reaction_count", json!(0)),
    ] {
        assert_eq!(snack[field], expected, "{field}");
    }
    assert_eq!(snack["registered_by"]["id"], admin.id);
    let krw = app.get(&admin, "/snacks?search=초코").await.expect(200);
    assert_eq!((&krw.rows()[0]["currency"], &krw.rows()[0]["url"]), (&json!("KRW"), &json!("")));
    assert_eq!(names(&app, &admin).await, ["Pringles", "“맛동산”", "ポッキー", "새 우깡", "새우깡", "초코파이"]);

    let audit = app.get(&admin, "/audit?action=snack_import").await.expect(200);
    assert_eq!(audit.column("subject"), ["5 created, 11 refused"]);
    // Messages are in the language of the reader.
    for (language, message) in
        [("ko", "이미 등록된 간식 이름입니다."), ("en", "A snack with this name is already registered.")]
    {
        let request = app.request(Method::POST, "/snacks/import").bearer_auth(&admin.access);
        let request = request.header("accept-language", language).multipart(form("name,price\n새우깡,1"));
        let imported = app.send(request).await.expect(200);
        assert_eq!(
            imported.rows()[0]["errors"],
            json!([{"field": "name", "code": "snack_name_taken", "message": message}])
        );
    }
}

#[tokio::test]
async fn utf_8_with_and_without_a_mark_and_cp949_are_read_and_nothing_else() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let text = |name: &str| format!("name,price,desc\r\n{name},1500,\"똠양꿍, 뷁\"\r\n");
    let cp949 = |text: &str| {
        let (bytes, _, failed) = encoding_rs::EUC_KR.encode(text);
        assert!(!failed && std::str::from_utf8(&bytes).is_err());
        bytes.into_owned()
    };
    for (at, file) in [
        text("새우깡").into_bytes(),
        format!("{BOM}{}", text("초코파이")).into_bytes(),
        cp949(&text("펩시콜라")),
        // As Korean Excel writes it.
        b"name,price\r\n\xb9\xd9\xb3\xaa\xb3\xaa\xc5\xb1,1700\r\n".to_vec(),
    ]
    .into_iter()
    .enumerate()
    {
        let imported = import(&app, &admin, file).await;
        assert_eq!(outcomes(&imported), ["2 created"], "{at}");
    }
    let mut expected = ["바나나킥", "새우깡", "초코파이", "펩시콜라"];
    expected.sort_unstable();
    assert_eq!(names(&app, &admin).await, expected);
    let found = app.get(&admin, "/snacks?search=펩시").await.expect(200);
    assert_eq!(found.rows()[0]["desc"], "똠양꿍, 뷁");

    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let utf_16_be = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    for file in [
        utf_16(&format!("{BOM}{}", text("감자칩"))),
        utf_16(&text("감자칩")),
        utf_16_be(&format!("{BOM}{}", text("감자칩"))),
        utf_16_be("name,price\nx,1"),
        b"name,price\n\xff\xff,1".to_vec(),
        b"name,price\nx\0,1".to_vec(),
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(),
        [BOM.as_bytes(), b"name,price\n\xb9\xd9,1\xff"].concat(),
    ] {
        let problem = send(&app, &admin, file).await.expect_error(400, "invalid_request");
        assert!(text_of(&problem).contains("CP949"), "{problem:?}");
    }
    assert_eq!(names(&app, &admin).await.len(), 4);
}

fn text_of(problem: &Body) -> String {
    problem["detail"].as_str().expect("a detail").to_owned()
}

#[tokio::test]
async fn a_wrong_header_is_refused_and_names_the_column() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (file, column) in [
        ("", "name, price"),
        ("\n\n", "name, price"),
        ("\u{feff}", "name, price"),
        ("name\n새우깡", "price"),
        ("price\n1500", "name"),
        ("새우깡,1500\n", "새우깡"),
        ("name,price,image\n새우깡,1500,x", "image"),
        ("name,price,name\n새우깡,1500,x", "name"),
        ("name;price\n새우깡;1500", "name;price"),
        ("name,price,\n새우깡,1500,", "\"\""),
        ("Name,price\n새우깡,1500", "Name"),
    ] {
        for language in ["ko", "en"] {
            let request = app.request(Method::POST, "/snacks/import").bearer_auth(&admin.access);
            let request = request.header("accept-language", language).multipart(form(file));
            let problem = app.send(request).await.expect_error(400, "invalid_request");
            assert!(text_of(&problem).contains(column), "{file:?}: {problem:?}");
        }
    }
    // The message does not repeat a header of a megabyte.
    let problem = send(&app, &admin, "x".repeat(1_000_000)).await.expect_error(400, "invalid_request");
    assert!(text_of(&problem).len() < 300);
    assert_eq!(count_rows(&app.state.config.database, "snacks").await, 0);
    // Any order, white space around the names, and a header alone.
    for (file, outcome) in [
        (" price , name \n1500,새우깡", vec!["2 created"]),
        ("\n\nname,price\n초코파이,500", vec!["4 created"]),
        ("name,price", vec![]),
        ("uid,name,status,price,like_reaction_count\nx,감자칩,unavailable,1,77", vec!["2 created"]),
    ] {
        assert_eq!(outcomes(&import(&app, &admin, file).await), outcome, "{file:?}");
    }
    let found = app.get(&admin, "/snacks?search=감자칩").await.expect(200);
    assert_eq!((&found.rows()[0]["status"], &found.rows()[0]["like_reaction_count"]), (&json!("available"), &json!(0)));
}

#[tokio::test]
async fn too_many_rows_and_too_many_bytes_are_refused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let rows = |count| (0..count).map(|at| format!("간식 {at},1500\n\n")).collect::<Vec<_>>().concat();
    let file = |count: usize| format!("name,price\n{},,\n", rows(count));
    send(&app, &admin, file(1001)).await.expect_error(400, "invalid_request");
    // A million lines, of which nobody waits for the last.
    for line in ["\n", "x"] {
        let million = format!("name,price\n{}", line.repeat(1_000_000));
        send(&app, &admin, million).await.assert_status_in(&[200], line);
    }
    send(&app, &admin, format!("name,price\n{}", "x\n".repeat(500_000))).await.expect_error(400, "invalid_request");
    let commas = format!("name,price\n{}", ",".repeat(1_000_000));
    assert_eq!(import(&app, &admin, commas).await["refused"], 0);

    let padded = |size: usize| format!("name,price\n맛동산,1{}", " ".repeat(size - 22)).into_bytes();
    assert_eq!(padded(1024 * 1024).len(), 1024 * 1024);
    assert_eq!(import(&app, &admin, padded(1024 * 1024)).await["created"], 1);
    for size in [1024 * 1024 + 1, 1024 * 1024 + 20_000, 3 * 1024 * 1024] {
        send(&app, &admin, padded(size)).await.expect_error(413, "payload_too_large");
    }
    assert_eq!(count_rows(&app.state.config.database, "snacks").await, 1);
    assert_eq!(import(&app, &admin, file(1000)).await["created"], 1000);
}

#[tokio::test]
async fn a_row_is_told_by_the_line_in_which_it_begins() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let lines = [
        "name,price,desc",
        "",
        "새우깡,1500,\"손이 가요",
        "",
        "손이 가\"",
        "  ",
        "초코파이,x",
        ",,",
        "\"감자칩\",1700,",
    ];
    let imported = import(&app, &admin, lines.join("\r\n")).await;
    assert_eq!(outcomes(&imported), ["3 created", "7 refused price:invalid_amount", "9 created"]);
    let found = app.get(&admin, "/snacks?search=새우깡").await.expect(200);
    assert_eq!(found.rows()[0]["desc"], "손이 가요\r\n\r\n손이 가");
    // A line break in a name is refused, and so is a quote that nothing closes and makes one cell of the rest.
    let file = "name,price\n\"고래\n밥\",1500\n\"고구마깡,1500\n콘칩,1500\n";
    assert_eq!(
        outcomes(&import(&app, &admin, file).await),
        ["2 refused name:invalid_character", "4 refused name:invalid_character price:required"]
    );
}

#[tokio::test]
async fn an_export_is_imported_elsewhere_as_it_was() {
    let (app, other) = (TestApp::start().await, TestApp::start().await);
    let (admin, member) = (app.admin().await, app.member().await);
    let texts = [
        "=1+1",
        "+82",
        "-1",
        "@SUM(A1)",
        "＝1+1",
        "'=1",
        "''-1",
        "'새우깡'",
        "새우깡, \"매운맛\"",
        "Ａ",
        "한글\tx",
        "'",
    ];
    for name in texts {
        let body =
            json!({"name": name, "price": "1500", "desc": format!("{name}\r\n둘째 줄"), "url": "https://x.example/=1"});
        app.post(&member, "/snacks", body).await.expect(201);
    }
    let usd = snack_with_price(&app, &member, "Pringles", "USD", "3.90").await;
    app.add_reactions(&usd, 2, 1).await;
    app.flush().await;
    app.put(&admin, &format!("/snacks/{usd}/status"), json!({"status": "unavailable"})).await.expect(200);

    let file = export(&app, &member, "?status=all&ordering=created_at&limit=1").await;
    assert!(file.starts_with(
        "name,price,currency,url,desc,status,like_reaction_count,hate_reaction_count,uid\n'=1+1,1500,KRW,"
    ));
    assert!(file.ends_with(&format!("\nPringles,3.90,USD,,,unavailable,2,1,{usd}\n")), "{file}");
    let other_admin = other.admin().await;
    let imported = import(&other, &other_admin, format!("{BOM}{file}")).await;
    assert_eq!((&imported["created"], &imported["refused"]), (&json!(texts.len() + 1), &json!(0)), "{imported:?}");
    let fields = async |app: &TestApp, user: &TestUser| -> Vec<Value> {
        let listed = app.get(user, "/snacks?ordering=name&status=all&limit=100").await.expect(200);
        let fields = ["name", "price", "currency", "url", "desc"];
        listed.rows().iter().map(|row| fields.map(|field| row[field].clone()).into_iter().collect()).collect()
    };
    assert_eq!(fields(&other, &other_admin).await, fields(&app, &admin).await);
    // Imported again, all names are taken.
    assert_eq!(import(&app, &admin, file).await["created"], 0);
}

#[tokio::test]
async fn an_export_has_all_rows_of_the_filter_in_its_order() {
    let app = TestApp::start().await;
    let member = app.member().await;
    insert_snacks(&app, 1203).await;
    for name in ["새우깡", "매운 새우깡", "초코파이"] {
        app.snack(&member, name).await;
    }
    assert_eq!(export(&app, &member, "?limit=7&ordering=price").await.lines().count(), 1 + 1206);
    let found = export(&app, &member, "?search=ㅅㅇㄲ&ordering=-name").await;
    let names: Vec<_> = found.lines().skip(1).map(|line| line.split(',').next().expect("a cell")).collect();
    assert_eq!(names, ["새우깡", "매운 새우깡"]);
    assert_eq!(export(&app, &member, "?search=없는").await.lines().count(), 1);
    for query in ["?ordering=x", "?status=x"] {
        let request = app.request(Method::GET, &format!("/snacks{query}")).bearer_auth(&member.access);
        app.send(request.header("accept", "text/csv")).await.expect_error(400, "invalid_request");
    }
    let anonymous = app.request(Method::GET, "/snacks").header("accept", "text/csv");
    app.send(anonymous).await.expect_error(401, "not_authenticated");
}

#[tokio::test]
async fn a_dry_run_tells_the_same_and_creates_nothing() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.snack(&admin, "새우깡").await;
    let file = "name,price\n새우깡,1500\n초코파이,500\n초코 파이,500\nCHOCO,1\nchoco,2\n감자칩,x\n";
    let dry = app.post_form(&admin, "/snacks/import?dry_run=true", form(file)).await.expect(200);
    assert_eq!(dry.column("uid"), vec![Value::Null; 6]);
    assert_eq!(names(&app, &admin).await, ["새우깡"]);
    assert_eq!(app.get(&admin, "/audit?action=snack_import").await.expect(200).rows().len(), 0);

    let real = app.post_form(&admin, "/snacks/import?dry_run=false", form(file)).await.expect(200);
    assert_eq!(
        outcomes(&real),
        [
            "2 refused name:snack_name_taken",
            "3 created",
            "4 created",
            "5 created",
            "6 refused name:snack_name_taken",
            "7 refused price:invalid_amount",
        ]
    );
    for key in ["line", "name", "status", "errors"] {
        assert_eq!(dry.column(key), real.column(key), "{key}");
    }
    assert_eq!((&dry["created"], &dry["refused"]), (&real["created"], &real["refused"]));
    app.post_form(&admin, "/snacks/import?dry_run=perhaps", form(file)).await.expect_error(400, "invalid_request");
}

#[tokio::test]
async fn an_import_that_changes_the_statistics_refreshes_them() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    sqlx::query("ALTER TABLE snacks SET (autovacuum_enabled = false)").execute(app.db()).await.expect("a setting");
    for (count, is_analyzed) in [(50, false), (51, true)] {
        let rows: Vec<String> = (0..count).map(|number| format!("{count}-{number},1\n")).collect();
        assert_eq!(import(&app, &admin, format!("name,price\n{}", rows.concat())).await["created"], count);
        let statistics = "pg_stats WHERE schemaname = 'public' AND tablename = 'snacks'";
        assert_eq!(count_rows(&app.state.config.database, statistics).await > 0, is_analyzed, "after {count} rows");
    }
}

#[tokio::test]
async fn two_imports_of_the_same_names_in_opposite_order_create_each_name_once() {
    const ROWS: usize = 900;
    let app = TestApp::start().await;
    let admins = (app.admin().await, app.admin().await);
    for round in 0..4 {
        let row = |at: usize| format!("간식 {round} {at},1500\n");
        let file = |rows: &mut dyn Iterator<Item = usize>| format!("name,price\n{}", rows.map(row).collect::<String>());
        let (first, second) = (file(&mut (0..ROWS)), file(&mut (0..ROWS).rev()));
        let (first, second) = join(import(&app, &admins.0, first), import(&app, &admins.1, second)).await;
        let created = |import: &Body| import["created"].as_u64().expect("a number");
        assert_eq!(created(&first) + created(&second), ROWS as u64, "round {round}");
    }
    assert_eq!(count_rows(&app.state.config.database, "snacks").await, 4 * i64::try_from(ROWS).expect("few rows"));
}

#[tokio::test]
async fn only_admins_import_and_only_forms_with_a_file() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let file = "name,price\n새우깡,1500\n";
    let request = || app.request(Method::POST, "/snacks/import");
    app.send(request().multipart(form(file))).await.expect_error(401, "not_authenticated");
    send(&app, &member, file).await.expect_error(403, "permission_denied");
    // The role is reported before the form.
    app.send(request().bearer_auth(&member.access).body("x")).await.expect_error(403, "permission_denied");
    let request = || request().bearer_auth(&admin.access);
    for (kind, body) in [("text/csv", file), ("application/json", "{}"), ("", "")] {
        let response = app.send(request().header("content-type", kind).body(body)).await;
        response.expect_error(415, "unsupported_media_type");
    }
    let missing = app.send(request().multipart(Form::new().text("name", "새우깡"))).await;
    assert_eq!(missing.expect_error(400, "validation_failed").error_fields(), ["file"]);
    let twice = form(file).part("file", Part::text(file));
    app.send(request().multipart(twice)).await.expect_error(400, "invalid_request");
    let no_boundary = request().header("content-type", "multipart/form-data").body(file);
    app.send(no_boundary).await.expect_error(400, "invalid_request");
    let cut = request().header("content-type", "multipart/form-data; boundary=x");
    let cut = cut.body("--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nname,price\n");
    app.send(cut).await.expect_error(400, "invalid_request");
    assert_eq!(count_rows(&app.state.config.database, "snacks").await, 0);
    // A file needs neither a name nor a type, and other fields do not matter.
    let plain = Form::new().text("note", "x").text("file", file);
    assert_eq!(app.send(request().multipart(plain)).await.expect(200)["created"], 1);
}
