//! Search for snacks by the letters of their names.

use snack_server::domain::text::{fold, search_key};
use unicode_normalization::UnicodeNormalization;

use crate::support::test_app::{TestApp, TestUser};

/// Names of the snacks that a search finds, in the order of their registration.
async fn found(app: &TestApp, user: &TestUser, search: &str) -> Vec<String> {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("search", search)
        .append_pair("ordering", "created_at")
        .finish();
    let listed = app.get(user, &format!("/snacks?{query}")).await.expect(200);
    listed.column("name").iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

const NAMES: [&str; 12] = [
    "새우깡",
    "새우깡 매운맛",
    "초코파이",
    "초코 쿠키",
    "떡볶이",
    "과자 세트",
    "값진 하루",
    "GS25 치킨 Chip 100%",
    "ㅋㅋ 젤리",
    "Café 라떼",
    "a\\b's",
    "쥬시쿨",
];

#[tokio::test]
async fn a_search_finds_names_by_their_letters_initials_and_words() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for name in NAMES {
        app.snack(&member, name).await;
    }
    let shrimp: &[&str] = &["새우깡", "새우깡 매운맛"];
    let table: [(&str, &[&str]); 67] = [
        // While the name is being typed, key by key.
        ("ㅅ", &["새우깡", "새우깡 매운맛", "과자 세트", "쥬시쿨"]),
        ("새", shrimp),
        ("생", shrimp),
        ("새우", shrimp),
        ("새욲", shrimp),
        ("새우ㄲ", shrimp),
        ("새우까", shrimp),
        ("새우깡", shrimp),
        ("우까", shrimp),
        ("새우깡ㅁ", &["새우깡 매운맛"]),
        ("ㅅㅐㅇㅜㄲㅏㅇ", shrimp),
        ("새우가", &[]),
        ("새우깔", &[]),
        // Letters of two keys.
        ("고", &["과자 세트"]),
        ("과", &["과자 세트"]),
        ("고ㅏ", &["과자 세트"]),
        ("괒", &["과자 세트"]),
        ("가", &["값진 하루"]),
        ("갑", &["값진 하루"]),
        ("갑ㅅ", &["값진 하루"]),
        ("값", &["값진 하루"]),
        ("값ㅈ", &["값진 하루"]),
        ("갓", &[]),
        // ㄲ and ㅃ are one key.
        ("볶", &["떡볶이"]),
        ("복", &[]),
        // Initials, which are not looked for inside of syllables.
        ("ㅅㅇㄲ", shrimp),
        ("ㅅㅇ", shrimp),
        ("ㅇㄲ", shrimp),
        ("ㅅㅇㄲㅁㅇㅁ", &["새우깡 매운맛"]),
        ("ㅅㅇㄱ", &[]),
        ("ㅊㅋ", &["초코파이", "초코 쿠키", "GS25 치킨 Chip 100%"]),
        ("ㅊㅋㅍㅇ", &["초코파이"]),
        ("ㄸㅂㅇ", &["떡볶이"]),
        ("ㄱㅂ", &[]),
        ("ㄲㅇ", &[]),
        ("ㅃ", &[]),
        ("ㅄ", &[]),
        ("ㅋㅋ", &["초코 쿠키", "ㅋㅋ 젤리"]),
        ("ㅋㅋㅈ", &["ㅋㅋ 젤리"]),
        ("ㅋㅋ제", &["ㅋㅋ 젤리"]),
        // A vowel alone is a letter.
        ("ㅠ", &["쥬시쿨"]),
        ("ㅝ", &[]),
        ("쥬", &["쥬시쿨"]),
        ("쥿", &["쥬시쿨"]),
        // White space does not count.
        ("초코 파이", &["초코파이"]),
        ("초코쿠키", &["초코 쿠키"]),
        (" 초 코\t파\u{3000}이 ", &["초코파이"]),
        ("초코쿸", &["초코 쿠키"]),
        ("새 우 깡 매 운 맛", &["새우깡 매운맛"]),
        // Words in any order, each of which has to be there.
        ("매운 새우깡", &["새우깡 매운맛"]),
        ("맛 새우", &["새우깡 매운맛"]),
        ("ㅁㅇ 새우", &["새우깡 매운맛"]),
        ("초코", &["초코파이", "초코 쿠키"]),
        ("초코 새우", &[]),
        ("매운 새우탕", &[]),
        // Other alphabets, digits and signs.
        ("chip", &["GS25 치킨 Chip 100%"]),
        ("CHIP 치키", &["GS25 치킨 Chip 100%"]),
        ("25치킨c", &["GS25 치킨 Chip 100%"]),
        ("5", &["GS25 치킨 Chip 100%"]),
        ("q", &[]),
        ("CAFÉ라", &["Café 라떼"]),
        ("0%", &["GS25 치킨 Chip 100%"]),
        ("%", &["GS25 치킨 Chip 100%"]),
        ("1_0", &[]),
        ("\\", &["a\\b's"]),
        ("b'", &["a\\b's"]),
        ("':*", &[]),
    ];
    for (search, expected) in table {
        for typed in [search.nfc().collect::<String>(), search.nfd().collect(), search.to_uppercase()] {
            assert_eq!(found(&app, &member, &typed).await, expected, "{typed:?}");
        }
    }
    for (search, expected) in [("", &NAMES[..]), (" \u{3164}", &NAMES), (&"없는 간식 ".repeat(300), &[])] {
        assert_eq!(found(&app, &member, search).await, expected);
    }
}

#[tokio::test]
async fn a_search_finds_the_new_name_after_an_edit() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let uid = app.snack(&member, "새우깡").await;
    app.patch(&member, &format!("/snacks/{uid}"), serde_json::json!({"name": "감자깡"})).await.expect(200);
    for (search, expected) in [("ㄱㅈㄲ", vec!["감자깡"]), ("감ㅈ", vec!["감자깡"]), ("새", vec![]), ("새우ㄲ", vec![])]
    {
        assert_eq!(found(&app, &member, search).await, expected, "{search}");
    }
}

#[tokio::test]
async fn the_database_writes_the_same_search_keys_as_the_server() {
    let app = TestApp::start().await;
    let all = |first: u32, last: u32| (first..=last).filter_map(char::from_u32);
    // Every syllable and letter of Hangul, one in each name, and then names of any characters.
    let hangul = all(0xac00, 0xd7a3).chain(all(0x1100, 0x11ff)).chain(all(0x3130, 0x318f)).chain(all(0xffa0, 0xffdc));
    let mut names: Vec<String> = hangul.map(|c| format!("a{c}b")).collect();
    let mut rng = fastrand::Rng::with_seed(7);
    let kinds =
        [('가', '힣'), ('\u{1100}', '\u{11ff}'), ('ㄱ', 'ㆎ'), (' ', '~'), ('\u{a0}', '\u{36f}'), ('\u{1}', char::MAX)];
    for _ in 0..20_000 {
        let length = rng.usize(1..20);
        names.push(
            (0..length).map(|_| rng.choice(kinds).map_or('가', |(first, last)| rng.char(first..=last))).collect(),
        );
    }
    let folded: Vec<String> = names.iter().map(|name| fold(name)).collect();
    let keys: Vec<String> = sqlx::query_scalar("SELECT search_key_of(name) FROM unnest($1::text[]) AS name")
        .bind(&folded)
        .fetch_all(app.db())
        .await
        .expect("keys");
    for (folded, key) in folded.iter().zip(keys) {
        assert_eq!(search_key(folded), key, "{folded:?}");
    }
}
