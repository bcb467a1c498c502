//! The demo members, as a table. They all sign in with the same password.

/// The password of every demo user.
pub const PASSWORD: &str = "snack-demo-2024!";
/// The first admin's email. A database that has this user has the demo data.
pub const ADMIN_EMAIL: &str = "admin@snack.example";
/// The first member's email.
pub const MEMBER_EMAIL: &str = "member@snack.example";

/// How many of [`PEOPLE`] are admins; they come first.
pub(super) const ADMINS: u32 = 2;
/// The member who has resigned, by the place in [`PEOPLE`].
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
