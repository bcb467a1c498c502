//! The demo snacks as a table. Their pictures are drawings made for this project.

use Appeal::{Disliked, Disputed, Liked, Loved, Unrated};

/// The popularity of a snack among the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Appeal {
    Loved,
    Liked,
    /// Many reactions, about half of them likes.
    Disputed,
    /// More hates than likes: an order with it is never approved.
    Disliked,
    /// No reactions.
    Unrated,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct DemoSnack {
    pub(super) name: &'static str,
    /// One sentence in Korean.
    pub(super) desc: &'static str,
    /// The manufacturer's site.
    pub(super) url: &'static str,
    /// The price, with the digits that its currency has.
    pub(super) price: &'static str,
    pub(super) currency: &'static str,
    pub(super) appeal: Appeal,
    /// The bytes of a WebP file.
    pub(super) picture: &'static [u8],
}

/// Snacks that are no longer sold: they are `unavailable` and only in old orders.
pub(super) const DISCONTINUED: [&str; 2] = ["꼬북칩 초코츄러스맛", "하겐다즈 바닐라"];

const NONGSHIM: &str = "https://www.nongshim.com/";
const ORION: &str = "https://www.orionworld.com/";
const LOTTE: &str = "https://www.lottewellfood.com/";
const CHILSUNG: &str = "https://company.lottechilsung.co.kr/";
const HAITAI: &str = "https://www.ht.co.kr/";
const CROWN: &str = "https://www.crown.co.kr/";
const BINGGRAE: &str = "https://www.bing.co.kr/";
const CALBEE: &str = "https://www.calbee.co.jp/";
const GLICO: &str = "https://www.glico.com/jp/";
const MEIJI: &str = "https://www.meiji.co.jp/";

const fn won(price: &'static str) -> (&'static str, &'static str) {
    ("KRW", price)
}

const fn yen(price: &'static str) -> (&'static str, &'static str) {
    ("JPY", price)
}

const fn dollars(price: &'static str) -> (&'static str, &'static str) {
    ("USD", price)
}

macro_rules! picture {
    ($name:literal) => {
        include_bytes!(concat!("pictures/", $name, ".webp"))
    };
}

const fn row(
    name: &'static str,
    (currency, price): (&'static str, &'static str),
    url: &'static str,
    appeal: Appeal,
    picture: &'static [u8],
    desc: &'static str,
) -> DemoSnack {
    DemoSnack { name, desc, url, price, currency, appeal, picture }
}

#[rustfmt::skip]
pub(super) const SNACKS: [DemoSnack; 64] = [
    row("새우깡", won("1500"), NONGSHIM, Loved, picture!("saeukkang"),
        "생새우를 갈아 넣어 구운, 손이 가고 또 손이 가는 국민 스낵입니다."),
    row("매운 새우깡", won("1500"), NONGSHIM, Liked, picture!("spicy-saeukkang"),
        "고소한 새우 맛 뒤로 매콤함이 은근히 올라오는 새우깡입니다."),
    row("바나나킥", won("1700"), NONGSHIM, Liked, picture!("banana-kick"),
        "입에 넣으면 사르르 녹는 달콤한 바나나 맛 과자입니다."),
    row("양파링", won("1700"), NONGSHIM, Liked, picture!("onion-rings"),
        "양파의 달큰한 향을 동그란 고리에 담아 손가락에 끼워 먹는 재미가 있습니다."),
    row("닭다리 너겟", won("1700"), NONGSHIM, Disputed, picture!("chicken-leg-nuggets"),
        "닭다리 모양에 후라이드치킨 양념을 입힌 바삭한 과자입니다."),
    row("꿀꽈배기", won("1700"), NONGSHIM, Liked, picture!("honey-twists"),
        "아카시아꿀을 발라 윤기가 도는, 꼬임마다 달콤한 꽈배기 과자입니다."),
    row("신라면컵", won("1250"), NONGSHIM, Loved, picture!("shin-ramyun-cup"),
        "얼큰한 소고기 국물로 야근하는 밤을 든든하게 데워 주는 컵라면입니다."),
    row("초코파이 정", won("5400"), ORION, Loved, picture!("choco-pie"),
        "촉촉한 비스킷 사이에 마시멜로를 넣고 초콜릿을 입힌, 나눌수록 따뜻한 파이입니다."),
    row("포카칩 오리지널", won("1800"), ORION, Loved, picture!("pocachip-original"),
        "얇게 썬 생감자를 튀겨 짭짤하고 담백한 감자칩입니다."),
    row("포카칩 어니언맛", won("1800"), ORION, Liked, picture!("pocachip-onion"),
        "생감자칩에 새콤한 사워크림과 양파 시즈닝을 뿌렸습니다."),
    row("꼬북칩 콘스프맛", won("1700"), ORION, Loved, picture!("turtle-chips-corn-soup"),
        "네 겹으로 부푼 거북 등껍질이 한입에 바사삭 부서지는 콘스프 맛 과자입니다."),
    row("꼬북칩 초코츄러스맛", won("1700"), ORION, Liked, picture!("turtle-chips-choco-churros"),
        "네 겹 꼬북칩에 초콜릿과 시나몬 설탕을 입혀 츄러스처럼 즐깁니다."),
    row("오징어땅콩", won("1900"), ORION, Liked, picture!("squid-peanuts"),
        "오징어 반죽 옷을 입은 땅콩이 와작 씹히는 오랜 맥주 친구입니다."),
    row("고래밥 볶음양념맛", won("1300"), ORION, Liked, picture!("goraebab"),
        "고래, 오징어, 불가사리를 골라 먹는 바다 친구 모양 과자입니다."),
    row("예감 볶은양파맛", won("2300"), ORION, Unrated, picture!("yegam"),
        "기름에 튀기지 않고 구워 내 담백한 감자칩입니다."),
    row("촉촉한 초코칩", won("2800"), ORION, Loved, picture!("soft-chocolate-chip"),
        "굽고 나서도 속이 촉촉한, 초코칩이 콕콕 박힌 쿠키입니다."),
    row("마이구미", won("1200"), ORION, Liked, picture!("my-gummy"),
        "포도송이 모양의 말랑말랑하고 과즙이 진한 젤리입니다."),
    row("닥터유 단백질바", won("1800"), ORION, Disputed, picture!("dr-you-protein-bar"),
        "견과와 단백질을 눌러 담아 운동한 날 간식으로 좋은 바입니다."),
    row("오리지널 빼빼로", won("1700"), LOTTE, Loved, picture!("pepero-original"),
        "길쭉한 비스킷에 초콜릿을 입혀 11월이 아니어도 손이 가는 과자입니다."),
    row("아몬드 빼빼로", won("1900"), LOTTE, Liked, picture!("pepero-almond"),
        "초콜릿 위에 다진 아몬드를 오돌토돌 뿌린 빼빼로입니다."),
    row("칸쵸", won("1400"), LOTTE, Liked, picture!("kancho"),
        "동그란 비스킷 안에 초코 크림이 가득하고 겉에는 그림이 그려져 있습니다."),
    row("꼬깔콘 고소한맛", won("1700"), LOTTE, Liked, picture!("kokkalcorn"),
        "손가락마다 끼워 먹어야 제맛인 고소한 옥수수 고깔 과자입니다."),
    row("카스타드", won("4500"), LOTTE, Liked, picture!("custard"),
        "부드러운 케이크 속에 달걀 커스터드 크림을 채웠습니다."),
    row("가나 마일드", won("1500"), LOTTE, Liked, picture!("ghana-mild"),
        "우유가 듬뿍 들어가 혀 위에서 부드럽게 녹는 판 초콜릿입니다."),
    row("제크", won("2000"), LOTTE, Unrated, picture!("zec"),
        "짭짤하고 담백해서 치즈를 올려 먹기 좋은 크래커입니다."),
    row("월드콘 바닐라", won("2200"), LOTTE, Loved, picture!("world-cone"),
        "고소한 땅콩과 초콜릿, 마지막 한입의 초코 꼬리까지 알찬 콘입니다."),
    row("허니버터칩", won("1900"), HAITAI, Loved, picture!("honey-butter-chip"),
        "꿀과 버터의 단짠 조합으로 품절 소동을 일으켰던 감자칩입니다."),
    row("맛동산", won("2200"), HAITAI, Disputed, picture!("matdongsan"),
        "땅콩 가루와 시럽을 버무려 파티에 빠지지 않던 튀김 과자입니다."),
    row("홈런볼", won("1900"), HAITAI, Loved, picture!("home-run-ball"),
        "얇은 슈 안에 초콜릿 크림을 넣어 야구 볼 때 생각나는 과자입니다."),
    row("오예스", won("4800"), HAITAI, Liked, picture!("oh-yes"),
        "물을 머금은 듯 촉촉한 초콜릿 케이크입니다."),
    row("에이스", won("2500"), HAITAI, Liked, picture!("ace"),
        "커피에 살짝 적셔 먹으면 더 맛있는 담백한 크래커입니다."),
    row("자유시간", won("1200"), HAITAI, Liked, picture!("free-time"),
        "땅콩과 캐러멜, 누가를 초콜릿으로 감싸 오후의 출출함을 달래 줍니다."),
    row("쿠크다스", won("3000"), CROWN, Liked, picture!("couque-dasse"),
        "얇고 여려서 조심조심 꺼내야 하는 버터 향 쿠키입니다."),
    row("쵸코하임", won("3200"), CROWN, Liked, picture!("chocoheim"),
        "겹겹의 웨하스 속에 헤이즐넛 크림을 채우고 초콜릿을 입혔습니다."),
    row("죠리퐁", won("1900"), CROWN, Disputed, picture!("jolly-pong"),
        "튀긴 밀쌀에 당을 입혀 우유에 말아 먹어도 좋은 시리얼 과자입니다."),
    row("콘칩", won("1700"), CROWN, Unrated, picture!("corn-chip"),
        "옥수수를 통째로 구운 듯 진하고 짭짤한 칩입니다."),
    row("메로나", won("1200"), BINGGRAE, Loved, picture!("melona"),
        "잘 익은 멜론을 베어 무는 듯한 초록색 아이스크림입니다."),
    row("비비빅", won("1200"), BINGGRAE, Disputed, picture!("bibibig"),
        "통팥이 씹히는 묵직한 단맛의 어른스러운 아이스크림입니다."),
    row("붕어싸만코", won("2000"), BINGGRAE, Liked, picture!("samanco"),
        "붕어빵 모양 과자 속에 팥과 바닐라 아이스크림을 함께 담았습니다."),
    row("투게더", won("8500"), BINGGRAE, Liked, picture!("together"),
        "숟가락을 여러 개 꽂아 함께 퍼먹는 대용량 바닐라 아이스크림입니다."),
    row("바나나맛우유", won("1700"), BINGGRAE, Loved, picture!("banana-milk"),
        "항아리 모양 병에 담긴, 빨대를 꽂아야 완성되는 노란 우유입니다."),
    row("칠성사이다", won("1600"), CHILSUNG, Liked, picture!("chilsung-cider"),
        "레몬과 라임 향이 속까지 시원하게 뚫어 주는 탄산음료입니다."),
    row("밀키스", won("1500"), CHILSUNG, Disputed, picture!("milkis"),
        "우유의 부드러움과 탄산의 톡 쏘는 맛이 만난 음료입니다."),
    row("솔의 눈", won("1300"), CHILSUNG, Disliked, picture!("pine-bud-drink"),
        "솔싹 추출물을 넣어 숲을 마시는 듯한, 호불호가 분명한 음료입니다."),
    row("서울우유 초코", won("1300"), "https://www.seoulmilk.co.kr/", Liked, picture!("chocolate-milk"),
        "진한 코코아를 타서 남녀노소 좋아하는 초콜릿 우유입니다."),
    row("야쿠르트", won("250"), "https://www.hyfresh.co.kr/", Unrated, picture!("yakult"),
        "작은 병에 유산균을 담아 식후 한 모금으로 깔끔한 발효유입니다."),
    row("데자와", won("1300"), "https://www.donga-otsuka.co.kr/", Disliked, picture!("tejava"),
        "홍차에 우유를 섞어 아는 사람만 찾는 로열 밀크티입니다."),
    row("청포도 사탕", won("2500"), LOTTE, Unrated, picture!("green-grape-candy"),
        "투명한 초록빛 속에 청포도 향이 은은한 알사탕입니다."),
    row("연양갱", won("1200"), HAITAI, Disliked, picture!("yanggaeng"),
        "팥앙금을 한천으로 굳혀 할머니 가방에서 나오던 그 맛입니다."),
    row("츄파춥스", won("300"), "https://www.chupachups.com/", Liked, picture!("chupa-chups"),
        "회의 중에 하나 물면 기분이 좋아지는 알록달록 막대 사탕입니다."),
    row("하루견과", won("1200"), "https://www.dongwonmall.com/", Liked, picture!("daily-nuts"),
        "아몬드와 호두, 말린 과일을 하루치씩 소포장한 건강한 간식입니다."),
    row("Oreo", dollars("4.49"), "https://www.oreo.com/", Loved, picture!("oreo"),
        "까만 쿠키를 비틀어 하얀 크림부터 핥아 먹는 세계적인 샌드위치 쿠키입니다."),
    row("Pringles Original", dollars("2.79"), "https://www.pringles.com/", Liked, picture!("pringles-original"),
        "차곡차곡 쌓인 감자칩을 긴 통에서 꺼내 먹는 재미가 있습니다."),
    row("Pringles Sour Cream & Onion", dollars("2.79"), "https://www.pringles.com/", Liked, picture!("pringles-sour-cream-onion"),
        "새콤한 사워크림과 양파가 어우러져 멈추기 어려운 초록 통 감자칩입니다."),
    row("KitKat", dollars("1.99"), "https://www.kitkat.com/", Liked, picture!("kitkat"),
        "톡 부러뜨려 나눠 먹으며 잠깐 쉬어 가는 초콜릿 웨이퍼입니다."),
    row("Snickers", dollars("1.89"), "https://www.snickers.com/", Liked, picture!("snickers"),
        "땅콩과 캐러멜이 꽉 차서 배고플 때 하나면 든든한 초코바입니다."),
    row("Haribo Goldbären", dollars("3.29"), "https://www.haribo.com/", Loved, picture!("haribo-goldbears"),
        "빨강, 노랑, 초록 곰을 색깔별로 줄 세워 먹는 독일 젤리입니다."),
    row("Katjes Salzige Heringe", dollars("3.99"), "https://www.katjes.de/", Disliked, picture!("katjes-salty-herrings"),
        "짭짤한 감초로 만든 청어 모양 젤리라서 용기가 필요합니다."),
    row("Digestive Biscuits", dollars("3.49"), "https://www.mcvities.co.uk/", Liked, picture!("digestive-biscuits"),
        "통밀의 구수함이 진해서 홍차와 잘 어울리는 영국 비스킷입니다."),
    row("Pocky", yen("178"), GLICO, Liked, picture!("pocky"),
        "손잡이만 남기고 초콜릿을 얇게 입힌 일본의 막대 과자입니다."),
    row("Jagariko", yen("170"), CALBEE, Disputed, picture!("jagariko"),
        "컵에서 하나씩 꺼내 오독오독 씹는 단단한 감자 스틱입니다."),
    row("Calbee うすしお味", yen("180"), CALBEE, Liked, picture!("calbee-lightly-salted"),
        "소금만 살짝 뿌려 감자 맛이 그대로 느껴지는 칼비의 감자칩입니다."),
    row("きのこの山", yen("258"), MEIJI, Liked, picture!("kinoko-no-yama"),
        "버섯 모양 크래커에 초콜릿 갓을 씌워 죽순파와 늘 다투는 과자입니다."),
    row("하겐다즈 바닐라", won("5200"), "https://www.haagendazs.co.kr/", Liked, picture!("haagen-dazs-vanilla"),
        "천천히 떠먹을수록 바닐라 향이 깊어지는 진한 아이스크림입니다."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rust_decimal::Decimal;

    use super::*;

    #[test]
    fn names_and_descriptions_are_distinct_and_prices_fit_their_currency() {
        for texts in
            [SNACKS.map(|snack| crate::domain::text::fold(snack.name)), SNACKS.map(|snack| snack.desc.to_owned())]
        {
            assert_eq!(BTreeSet::from(texts).len(), SNACKS.len());
        }
        for snack in SNACKS {
            let digits = if snack.currency == "USD" { 2 } else { 0 };
            let price = snack.price.parse::<Decimal>().map(|price| (price.scale(), price.is_sign_positive()));
            assert_eq!(price, Ok((digits, true)), "{}", snack.name);
        }
        assert!(DISCONTINUED.iter().all(|name| SNACKS.iter().any(|snack| snack.name == *name)));
    }
}
