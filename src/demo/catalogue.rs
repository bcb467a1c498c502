//! The demo snacks, as a table: what they are, what they cost, who makes them, how well they go down, how they look.

use super::food::Food::{
    Almond, Ball, Bear, Biscuit, Chip, ChipCookie, Cone as Horn, Cracker, Crescent, Drop, Fish, Peanut, Ridged, Ring,
    Shell, Stick, Twist, Wafer,
};
use super::picture::Kind::{
    self, Bag, Bar, Bottle, Bowl, Cake, Can, Candy, Carton, Cone, FishWaffle, Lollipop, Milk, Popsicle, Pot, Pouch,
    Ramen, Sandwich, SnackBar, Sticks, Tub, Tube,
};
use super::picture::Picture;
use Appeal::{Disliked, Disputed, Liked, Loved, Unrated};

/// How well a snack goes down with the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appeal {
    /// Nearly everyone likes it.
    Loved,
    /// More like it than not.
    Liked,
    /// As many like as hate it, and many do either.
    Disputed,
    /// More hate it than like it: it is never approved.
    Disliked,
    /// Nobody has said anything.
    Unrated,
}

/// A snack of the demo data.
#[derive(Debug, Clone, Copy)]
pub struct DemoSnack {
    /// The name, unique among them.
    pub name: &'static str,
    /// One sentence in Korean.
    pub desc: &'static str,
    /// The maker's site.
    pub url: &'static str,
    /// The price, with the digits that its currency has.
    pub price: &'static str,
    /// `KRW`, `USD` or `JPY`.
    pub currency: &'static str,
    /// How well it goes down.
    pub appeal: Appeal,
    /// How it looks.
    pub picture: Picture,
}

/// Snacks that are no longer sold: `unavailable`, seen in old orders only.
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

/// One row of the table: name, price, maker, appeal, kind of pack, colours (pack, ornament, food), description.
const fn row(
    name: &'static str,
    (currency, price): (&'static str, &'static str),
    url: &'static str,
    appeal: Appeal,
    kind: Kind,
    colours: [u32; 3],
    desc: &'static str,
) -> DemoSnack {
    DemoSnack { name, desc, url, price, currency, appeal, picture: Picture { kind, colours } }
}

/// All demo snacks.
#[rustfmt::skip]
#[expect(clippy::unreadable_literal, reason = "a colour is read as its six digits")]
pub const SNACKS: [DemoSnack; 64] = [
    row("새우깡", won("1500"), NONGSHIM, Loved, Bag(Stick), [0xe53935, 0xf5a623, 0xe89a4f],
        "생새우를 갈아 넣어 구운, 손이 가고 또 손이 가는 국민 스낵입니다."),
    row("매운 새우깡", won("1500"), NONGSHIM, Liked, Bag(Stick), [0x8e1b1b, 0x2b2b2b, 0xd96b2f],
        "고소한 새우 맛 뒤로 매콤함이 은근히 올라오는 새우깡입니다."),
    row("바나나킥", won("1700"), NONGSHIM, Liked, Bag(Crescent), [0xfdd835, 0x7cb342, 0xf6e08a],
        "입에 넣으면 사르르 녹는 달콤한 바나나 맛 과자입니다."),
    row("양파링", won("1700"), NONGSHIM, Liked, Bag(Ring), [0x7cb342, 0xf9a825, 0xe3ad55],
        "양파의 달큰한 향을 동그란 고리에 담아 손가락에 끼워 먹는 재미가 있습니다."),
    row("닭다리 너겟", won("1700"), NONGSHIM, Disputed, Bag(Twist), [0xef6c00, 0xfdd835, 0xc97a35],
        "닭다리 모양에 후라이드치킨 양념을 입힌 바삭한 과자입니다."),
    row("꿀꽈배기", won("1700"), NONGSHIM, Liked, Bag(Twist), [0xffb300, 0x8d4e1c, 0xd48a32],
        "아카시아꿀을 발라 윤기가 도는, 꼬임마다 달콤한 꽈배기 과자입니다."),
    row("신라면컵", won("1250"), NONGSHIM, Loved, Ramen, [0xd32f2f, 0x212121, 0x558b2f],
        "얼큰한 소고기 국물로 야근하는 밤을 든든하게 데워 주는 컵라면입니다."),
    row("초코파이 정", won("5400"), ORION, Loved, Cake, [0xc62828, 0xf0c37b, 0x5d331c],
        "촉촉한 비스킷 사이에 마시멜로를 넣고 초콜릿을 입힌, 나눌수록 따뜻한 파이입니다."),
    row("포카칩 오리지널", won("1800"), ORION, Loved, Bag(Chip), [0x1e88e5, 0xfdd835, 0xf2c84b],
        "얇게 썬 생감자를 튀겨 짭짤하고 담백한 감자칩입니다."),
    row("포카칩 어니언맛", won("1800"), ORION, Liked, Bag(Chip), [0x43a047, 0xfff176, 0xefc756],
        "생감자칩에 새콤한 사워크림과 양파 시즈닝을 뿌렸습니다."),
    row("꼬북칩 콘스프맛", won("1700"), ORION, Loved, Bag(Shell), [0xfbc02d, 0xe65100, 0xe8b04a],
        "네 겹으로 부푼 거북 등껍질이 한입에 바사삭 부서지는 콘스프 맛 과자입니다."),
    row("꼬북칩 초코츄러스맛", won("1700"), ORION, Liked, Bag(Shell), [0x5d4037, 0xd7a15c, 0x8a552f],
        "네 겹 꼬북칩에 초콜릿과 시나몬 설탕을 입혀 츄러스처럼 즐깁니다."),
    row("오징어땅콩", won("1900"), ORION, Liked, Bag(Peanut), [0xd84315, 0x3e2723, 0xd0934a],
        "오징어 반죽 옷을 입은 땅콩이 와작 씹히는 오랜 맥주 친구입니다."),
    row("고래밥 볶음양념맛", won("1300"), ORION, Liked, Carton(Fish), [0x039be5, 0xfdd835, 0xe09f4a],
        "고래, 오징어, 불가사리를 골라 먹는 바다 친구 모양 과자입니다."),
    row("예감 볶은양파맛", won("2300"), ORION, Unrated, Carton(Chip), [0x7bb242, 0xffcc80, 0xe7bd62],
        "기름에 튀기지 않고 구워 내 담백한 감자칩입니다."),
    row("촉촉한 초코칩", won("2800"), ORION, Loved, Carton(ChipCookie), [0x6d3a1f, 0xffb74d, 0xa86836],
        "굽고 나서도 속이 촉촉한, 초코칩이 콕콕 박힌 쿠키입니다."),
    row("마이구미", won("1200"), ORION, Liked, Pouch(Drop), [0x7b1fa2, 0xf48fb1, 0x8e24aa],
        "포도송이 모양의 말랑말랑하고 과즙이 진한 젤리입니다."),
    row("닥터유 단백질바", won("1800"), ORION, Disputed, SnackBar, [0x263238, 0x00acc1, 0x6a442a],
        "견과와 단백질을 눌러 담아 운동한 날 간식으로 좋은 바입니다."),
    row("오리지널 빼빼로", won("1700"), LOTTE, Loved, Sticks, [0xd5001c, 0xffd54f, 0x4e2a16],
        "길쭉한 비스킷에 초콜릿을 입혀 11월이 아니어도 손이 가는 과자입니다."),
    row("아몬드 빼빼로", won("1900"), LOTTE, Liked, Sticks, [0x2e7d32, 0xd7a86e, 0x5a321b],
        "초콜릿 위에 다진 아몬드를 오돌토돌 뿌린 빼빼로입니다."),
    row("칸쵸", won("1400"), LOTTE, Liked, Carton(Ball), [0xf4511e, 0xfff59d, 0xc68a4a],
        "동그란 비스킷 안에 초코 크림이 가득하고 겉에는 그림이 그려져 있습니다."),
    row("꼬깔콘 고소한맛", won("1700"), LOTTE, Liked, Bag(Horn), [0xffa000, 0xc62828, 0xeebd55],
        "손가락마다 끼워 먹어야 제맛인 고소한 옥수수 고깔 과자입니다."),
    row("카스타드", won("4500"), LOTTE, Liked, Cake, [0xffd54f, 0xf8bb50, 0xe5b05a],
        "부드러운 케이크 속에 달걀 커스터드 크림을 채웠습니다."),
    row("가나 마일드", won("1500"), LOTTE, Liked, Bar, [0xb71c1c, 0xd4af37, 0x6b3d22],
        "우유가 듬뿍 들어가 혀 위에서 부드럽게 녹는 판 초콜릿입니다."),
    row("제크", won("2000"), LOTTE, Unrated, Carton(Cracker), [0xfdd835, 0xd32f2f, 0xe4b062],
        "짭짤하고 담백해서 치즈를 올려 먹기 좋은 크래커입니다."),
    row("월드콘 바닐라", won("2200"), LOTTE, Loved, Cone, [0x1565c0, 0x5d331c, 0xffe0a3],
        "고소한 땅콩과 초콜릿, 마지막 한입의 초코 꼬리까지 알찬 콘입니다."),
    row("허니버터칩", won("1900"), HAITAI, Loved, Bag(Ridged), [0xffca28, 0xfff3c4, 0xf0c04e],
        "꿀과 버터의 단짠 조합으로 품절 소동을 일으켰던 감자칩입니다."),
    row("맛동산", won("2200"), HAITAI, Disputed, Bag(Twist), [0xc62828, 0xffd54f, 0xb9722e],
        "땅콩 가루와 시럽을 버무려 파티에 빠지지 않던 튀김 과자입니다."),
    row("홈런볼", won("1900"), HAITAI, Loved, Bag(Ball), [0xf9a825, 0x5d331c, 0xd99b4f],
        "얇은 슈 안에 초콜릿 크림을 넣어 야구 볼 때 생각나는 과자입니다."),
    row("오예스", won("4800"), HAITAI, Liked, Cake, [0x1b5e20, 0xb9773f, 0x4b2714],
        "물을 머금은 듯 촉촉한 초콜릿 케이크입니다."),
    row("에이스", won("2500"), HAITAI, Liked, Carton(Cracker), [0xf5f0e1, 0x1a4f8b, 0xe8bd74],
        "커피에 살짝 적셔 먹으면 더 맛있는 담백한 크래커입니다."),
    row("자유시간", won("1200"), HAITAI, Liked, SnackBar, [0xfb8c00, 0x4e342e, 0x7a4828],
        "땅콩과 캐러멜, 누가를 초콜릿으로 감싸 오후의 출출함을 달래 줍니다."),
    row("쿠크다스", won("3000"), CROWN, Liked, Carton(Wafer), [0xfbf3e0, 0x6d4c41, 0xe9c486],
        "얇고 여려서 조심조심 꺼내야 하는 버터 향 쿠키입니다."),
    row("쵸코하임", won("3200"), CROWN, Liked, Carton(Wafer), [0x4e2a16, 0xe0b05a, 0x9a5c30],
        "겹겹의 웨하스 속에 헤이즐넛 크림을 채우고 초콜릿을 입혔습니다."),
    row("죠리퐁", won("1900"), CROWN, Disputed, Bag(Almond), [0x6a1b9a, 0xfdd835, 0xb57a36],
        "튀긴 밀쌀에 당을 입혀 우유에 말아 먹어도 좋은 시리얼 과자입니다."),
    row("콘칩", won("1700"), CROWN, Unrated, Bag(Ridged), [0xf9a825, 0x2e7d32, 0xf0b843],
        "옥수수를 통째로 구운 듯 진하고 짭짤한 칩입니다."),
    row("메로나", won("1200"), BINGGRAE, Loved, Popsicle, [0xa5d66f, 0xdcedb4, 0xf6ffdc],
        "잘 익은 멜론을 베어 무는 듯한 초록색 아이스크림입니다."),
    row("비비빅", won("1200"), BINGGRAE, Disputed, Popsicle, [0x8d5a4a, 0xbf907c, 0x5a2c22],
        "통팥이 씹히는 묵직한 단맛의 어른스러운 아이스크림입니다."),
    row("붕어싸만코", won("2000"), BINGGRAE, Liked, FishWaffle, [0xd84315, 0x6d2f26, 0xfff6e4],
        "붕어빵 모양 과자 속에 팥과 바닐라 아이스크림을 함께 담았습니다."),
    row("투게더", won("8500"), BINGGRAE, Liked, Tub, [0xffd54f, 0xd87a3a, 0xffecb3],
        "숟가락을 여러 개 꽂아 함께 퍼먹는 대용량 바닐라 아이스크림입니다."),
    row("바나나맛우유", won("1700"), BINGGRAE, Loved, Pot, [0xffee9a, 0x2e7d32, 0x66bb6a],
        "항아리 모양 병에 담긴, 빨대를 꽂아야 완성되는 노란 우유입니다."),
    row("칠성사이다", won("1600"), CHILSUNG, Liked, Can, [0x008a45, 0xe8f5e9, 0xb2f0c8],
        "레몬과 라임 향이 속까지 시원하게 뚫어 주는 탄산음료입니다."),
    row("밀키스", won("1500"), CHILSUNG, Disputed, Can, [0x42a5f5, 0xffffff, 0xd6eeff],
        "우유의 부드러움과 탄산의 톡 쏘는 맛이 만난 음료입니다."),
    row("솔의 눈", won("1300"), CHILSUNG, Disliked, Can, [0x1b5e20, 0x9ccc65, 0xc5e1a5],
        "솔싹 추출물을 넣어 숲을 마시는 듯한, 호불호가 분명한 음료입니다."),
    row("서울우유 초코", won("1300"), "https://www.seoulmilk.co.kr/", Liked, Milk, [0xe9d5c3, 0x6d3a1f, 0x8a5331],
        "진한 코코아를 타서 남녀노소 좋아하는 초콜릿 우유입니다."),
    row("야쿠르트", won("250"), "https://www.hyfresh.co.kr/", Unrated, Bottle, [0xd32f2f, 0x43a047, 0xf4cfa0],
        "작은 병에 유산균을 담아 식후 한 모금으로 깔끔한 발효유입니다."),
    row("데자와", won("1300"), "https://www.donga-otsuka.co.kr/", Disliked, Can, [0xa97850, 0xf3e3cf, 0xe9cfb0],
        "홍차에 우유를 섞어 아는 사람만 찾는 로열 밀크티입니다."),
    row("청포도 사탕", won("2500"), LOTTE, Unrated, Candy, [0x9ccc65, 0x558b2f, 0xdcedc8],
        "투명한 초록빛 속에 청포도 향이 은은한 알사탕입니다."),
    row("연양갱", won("1200"), HAITAI, Disliked, Bar, [0x8d1f2f, 0xd4af37, 0x3a1614],
        "팥앙금을 한천으로 굳혀 할머니 가방에서 나오던 그 맛입니다."),
    row("츄파춥스", won("300"), "https://www.chupachups.com/", Liked, Lollipop, [0xe53935, 0xfdd835, 0xf48fb1],
        "회의 중에 하나 물면 기분이 좋아지는 알록달록 막대 사탕입니다."),
    row("하루견과", won("1200"), "https://www.dongwonmall.com/", Liked, Bowl(Almond), [0xefebe0, 0x6d8b3c, 0xb06f38],
        "아몬드와 호두, 말린 과일을 하루치씩 소포장한 건강한 간식입니다."),
    row("Oreo", dollars("4.49"), "https://www.oreo.com/", Loved, Sandwich, [0x3a2a26, 0x1e6fc9, 0xf7f2ea],
        "까만 쿠키를 비틀어 하얀 크림부터 핥아 먹는 세계적인 샌드위치 쿠키입니다."),
    row("Pringles Original", dollars("2.79"), "https://www.pringles.com/", Liked, Tube(Chip), [0xd32f2f, 0xf9a825, 0xf0c35a],
        "차곡차곡 쌓인 감자칩을 긴 통에서 꺼내 먹는 재미가 있습니다."),
    row("Pringles Sour Cream & Onion", dollars("2.79"), "https://www.pringles.com/", Liked, Tube(Chip), [0x388e3c, 0xe6ee9c, 0xf0c96a],
        "새콤한 사워크림과 양파가 어우러져 멈추기 어려운 초록 통 감자칩입니다."),
    row("KitKat", dollars("1.99"), "https://www.kitkat.com/", Liked, Bar, [0xd5001c, 0xffffff, 0x7b4827],
        "톡 부러뜨려 나눠 먹으며 잠깐 쉬어 가는 초콜릿 웨이퍼입니다."),
    row("Snickers", dollars("1.89"), "https://www.snickers.com/", Liked, SnackBar, [0x4e2f20, 0x1e88e5, 0x6a3f24],
        "땅콩과 캐러멜이 꽉 차서 배고플 때 하나면 든든한 초코바입니다."),
    row("Haribo Goldbären", dollars("3.29"), "https://www.haribo.com/", Loved, Pouch(Bear), [0xd9a41e, 0xd32f2f, 0xfb8c00],
        "빨강, 노랑, 초록 곰을 색깔별로 줄 세워 먹는 독일 젤리입니다."),
    row("Katjes Salzige Heringe", dollars("3.99"), "https://www.katjes.de/", Disliked, Pouch(Fish), [0x373a44, 0x8bc34a, 0x3c3c46],
        "짭짤한 감초로 만든 청어 모양 젤리라서 용기가 필요합니다."),
    row("Digestive Biscuits", dollars("3.49"), "https://www.mcvities.co.uk/", Liked, Tube(Biscuit), [0xb71c1c, 0x1a3e8b, 0xd29855],
        "통밀의 구수함이 진해서 홍차와 잘 어울리는 영국 비스킷입니다."),
    row("Pocky", yen("178"), GLICO, Liked, Sticks, [0xe5002d, 0xffffff, 0x5a301a],
        "손잡이만 남기고 초콜릿을 얇게 입힌 일본의 막대 과자입니다."),
    row("Jagariko", yen("170"), CALBEE, Disputed, Sticks, [0x2ea05a, 0xffd54f, 0xeeb84a],
        "컵에서 하나씩 꺼내 오독오독 씹는 단단한 감자 스틱입니다."),
    row("Calbee うすしお味", yen("180"), CALBEE, Liked, Bag(Chip), [0xf57c00, 0xfff3c4, 0xf3cc60],
        "소금만 살짝 뿌려 감자 맛이 그대로 느껴지는 칼비의 감자칩입니다."),
    row("きのこの山", yen("258"), MEIJI, Liked, Carton(Horn), [0x2e7d32, 0xffcc66, 0x7a4626],
        "버섯 모양 크래커에 초콜릿 갓을 씌워 죽순파와 늘 다투는 과자입니다."),
    row("하겐다즈 바닐라", won("5200"), "https://www.haagendazs.co.kr/", Liked, Tub, [0x7b1f3a, 0xd4af37, 0xffefc9],
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
