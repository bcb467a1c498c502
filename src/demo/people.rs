//! The demo users as a table. They all have the same password.

/// The password of every demo user.
pub const PASSWORD: &str = "snack-demo-2024!";
/// The email of the first admin. A database with this user already has the demo data.
pub const ADMIN_EMAIL: &str = "admin@snack.example";
/// The email of the first member.
pub const MEMBER_EMAIL: &str = "member@snack.example";

/// The number of admins, which are the first of [`PEOPLE`].
pub(super) const ADMINS: usize = 2;
/// The index of the member who has resigned.
pub(super) const RESIGNED: usize = 17;

/// Names and emails.
pub(super) const PEOPLE: [(&str, &str); 30] = [
    ("관리자", ADMIN_EMAIL),
    ("정수빈", "subin.jung@snack.example"),
    ("김민준", MEMBER_EMAIL),
    ("이서연", "seoyeon.lee@snack.example"),
    ("박지훈", "jihoon.park@snack.example"),
    ("최예은", "yeeun.choi@snack.example"),
    ("강도윤", "doyun.kang@snack.example"),
    ("조하은", "haeun.cho@snack.example"),
    ("윤시우", "siwoo.yoon@snack.example"),
    ("장지우", "jiwoo.jang@snack.example"),
    ("임채원", "chaewon.lim@snack.example"),
    ("한준서", "junseo.han@snack.example"),
    ("오유진", "yujin.oh@snack.example"),
    ("서현우", "hyunwoo.seo@snack.example"),
    ("신다은", "daeun.shin@snack.example"),
    ("권건우", "gunwoo.kwon@snack.example"),
    ("황소율", "soyul.hwang@snack.example"),
    ("안재민", "jaemin.ahn@snack.example"),
    ("송나연", "nayeon.song@snack.example"),
    ("류태양", "taeyang.ryu@snack.example"),
    ("홍가람", "garam.hong@snack.example"),
    ("남궁민", "min.namgung@snack.example"),
    ("선우진", "jin.sunwoo@snack.example"),
    ("Emma Wilson", "emma.wilson@snack.example"),
    ("Lucas Müller", "lucas.mueller@snack.example"),
    ("佐藤 美咲", "misaki.sato@snack.example"),
    ("Nguyễn Thị Lan", "lan.nguyen@snack.example"),
    ("Camille Dubois", "camille.dubois@snack.example"),
    ("王小明", "xiaoming.wang@snack.example"),
    ("Priya Sharma", "priya.sharma@snack.example"),
];
