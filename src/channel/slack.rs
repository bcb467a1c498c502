//! Messages for Slack, as Block Kit has them: who did what, how much, why, and a link.

use chrono::{DateTime, Datelike, Utc, Weekday};
use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::{
    error::ApiError,
    http::headers::{Language, Language::Korean},
};

/// Maximum number of lines of an order that are listed.
const MAX_LINES: usize = 10;
/// Maximum length of a name in a message, in characters. Ten escaped ones fit into the 3,000 characters of a section.
const MAX_NAME: usize = 40;
/// Maximum length of a note or a reason in a message, in characters, for the same limit.
const MAX_NOTE: usize = 500;

/// JSON of an event.
#[derive(Deserialize)]
struct Event {
    r#type: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    actor: Option<Person>,
    order: Option<Order>,
    snack: Option<Snack>,
    budget: Option<Budget>,
    percent: Option<u32>,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Person {
    id: i64,
    name: String,
}

#[derive(Deserialize)]
struct Order {
    uid: String,
    user: Person,
    purchases: Vec<Purchase>,
    amounts: Vec<Amount>,
    note: String,
    estimated_arrival_time: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct Purchase {
    snack: SnackName,
    quantity: u32,
    amount: String,
    currency: String,
}

#[derive(Deserialize)]
struct SnackName {
    name: String,
}

#[derive(Deserialize)]
struct Amount {
    currency: String,
    amount: String,
}

#[derive(Deserialize)]
struct Snack {
    uid: String,
    name: String,
    desc: String,
    currency: String,
    price: String,
}

#[derive(Deserialize)]
struct Budget {
    month: String,
    currency: String,
    amount: Option<String>,
    committed: String,
    remaining: Option<String>,
}

/// Message of an event.
///
/// # Errors
/// The payload is no event.
pub fn message(payload: &str, language: Language, public_url: &Url, timezone: Tz) -> Result<String, ApiError> {
    let Event { r#type, data } = serde_json::from_str(payload).map_err(ApiError::internal)?;
    let writer = Writer { language, public_url, timezone };
    let actor = data.actor.as_ref();
    let reason = data.reason.as_deref().unwrap_or_default();
    let message = match (&data.order, &data.snack, &data.budget) {
        (Some(order), ..) => writer.order(&r#type, actor, order, reason),
        (_, Some(snack), _) => writer.snack(actor, snack),
        (.., Some(budget)) => writer.budget(budget, data.percent.unwrap_or_default()),
        _ => writer.test(actor),
    };
    Ok(message.to_string())
}

struct Writer<'a> {
    language: Language,
    public_url: &'a Url,
    timezone: Tz,
}

impl Writer<'_> {
    fn choose<'t>(&self, ko: &'t str, en: &'t str) -> &'t str {
        if self.language == Korean { ko } else { en }
    }

    fn name(&self, actor: Option<&Person>) -> String {
        match actor {
            Some(actor) => shortened(&actor.name, MAX_NAME),
            None => self.choose("관리자", "An admin").to_owned(),
        }
    }

    fn order(&self, event: &str, actor: Option<&Person>, order: &Order, reason: &str) -> Value {
        let owner = shortened(&order.user.name, MAX_NAME);
        let is_own = actor.is_some_and(|actor| actor.id == order.user.id);
        let actor = self.name(actor);
        let (ko, en) = match event {
            "order.created" => (format!("{owner} 님이 주문했습니다."), format!("{owner} placed an order.")),
            "order.approved" => (
                format!("{actor} 님이 {owner} 님의 주문을 승인했습니다."),
                format!("{actor} approved {owner}'s order."),
            ),
            "order.ordered" => (
                format!("{owner} 님의 주문이 주문 완료로 변경되었습니다."),
                format!("{owner}'s order has been placed with the shop."),
            ),
            "order.shipping" => {
                (format!("{owner} 님의 주문이 배송 중입니다."), format!("{owner}'s order is on its way."))
            }
            "order.completed" => {
                (format!("{owner} 님의 주문이 배송 완료되었습니다."), format!("{owner}'s order has arrived."))
            }
            "order.canceled" if is_own => {
                (format!("{owner} 님이 주문을 취소했습니다."), format!("{owner} canceled the order."))
            }
            "order.canceled" => (
                format!("{actor} 님이 {owner} 님의 주문을 취소했습니다."),
                format!("{actor} canceled {owner}'s order."),
            ),
            _ => (
                format!("{owner} 님 주문의 도착 예정이 변경되었습니다."),
                format!("The expected arrival of {owner}'s order has changed."),
            ),
        };
        let title = self.choose(&ko, &en).to_owned();
        let mut fields = vec![(self.choose("금액", "Amount"), Self::amounts(&order.amounts))];
        if let Some(arrival) = order.estimated_arrival_time
            && ["order.approved", "order.ordered", "order.shipping", "order.arrival_changed"].contains(&event)
        {
            fields.push((self.choose("도착 예정", "Expected arrival"), self.time(arrival)));
        }
        let mut notes = Vec::new();
        if event == "order.created" && !order.note.is_empty() {
            notes.push((self.choose("요청 사항", "Note"), order.note.as_str()));
        }
        if !reason.is_empty() {
            notes.push((self.choose("사유", "Reason"), reason));
        }
        let link = (self.choose("주문 보기", "View the order"), self.link(&format!("orders/{}", order.uid)));
        blocks(&title, Some(&self.lines(&order.purchases)), &fields, &notes, Some(link))
    }

    fn snack(&self, actor: Option<&Person>, snack: &Snack) -> Value {
        let actor = self.name(actor);
        let name = shortened(&snack.name, MAX_NAME);
        let ko = format!("{actor} 님이 새 간식을 등록했습니다: {name}");
        let en = format!("{actor} registered a new snack: {name}");
        let fields = [(self.choose("가격", "Price"), money(&snack.currency, &snack.price))];
        let notes: Vec<_> = Some((self.choose("설명", "Description"), snack.desc.as_str()))
            .filter(|(_, text)| !text.is_empty())
            .into_iter()
            .collect();
        let link = (self.choose("간식 보기", "View the snack"), self.link(&format!("snacks/{}", snack.uid)));
        blocks(self.choose(&ko, &en), None, &fields, &notes, Some(link))
    }

    fn budget(&self, budget: &Budget, percent: u32) -> Value {
        let (month, currency) = (&budget.month, &budget.currency);
        let (ko, en) = if percent >= 100 {
            (
                format!("{month} 예산({currency})을 모두 사용했습니다."),
                format!("The budget for {month} ({currency}) is used up."),
            )
        } else {
            (
                format!("{month} 예산({currency})의 {percent}%를 사용했습니다."),
                format!("{percent}% of the budget for {month} ({currency}) is used."),
            )
        };
        let mut fields = vec![(self.choose("승인된 금액", "Approved"), money(currency, &budget.committed))];
        if let Some(amount) = &budget.amount {
            fields.push((self.choose("예산", "Budget"), money(currency, amount)));
        }
        if let Some(remaining) = &budget.remaining {
            fields.push((self.choose("남은 금액", "Remaining"), money(currency, remaining)));
        }
        let link = (self.choose("예산 보기", "View the budget"), self.link("budgets"));
        blocks(self.choose(&ko, &en), None, &fields, &[], Some(link))
    }

    fn test(&self, actor: Option<&Person>) -> Value {
        let actor = self.name(actor);
        let ko = format!("{actor} 님이 보낸 테스트 메시지입니다. 이 채널로 간식 주문 알림을 받습니다.");
        let en = format!("This is a test from {actor}. Messages about snack orders come to this channel.");
        let link = (self.choose("간식 주문 열기", "Open the snack orders"), self.link("orders"));
        blocks(self.choose(&ko, &en), None, &[], &[], Some(link))
    }

    /// A line for each snack, and the number of those that are not listed.
    fn lines(&self, purchases: &[Purchase]) -> String {
        let mut lines: Vec<String> = purchases
            .iter()
            .take(MAX_LINES)
            .map(|purchase| {
                let name = escaped(&shortened(&purchase.snack.name, MAX_NAME));
                let amount = money(&purchase.currency, &purchase.amount);
                format!("• {name} × {} ({amount})", purchase.quantity)
            })
            .collect();
        let others = purchases.len().saturating_sub(MAX_LINES);
        if others > 0 {
            lines.push(self.choose(&format!("외 {others}가지"), &format!("and {others} more")).to_owned());
        }
        lines.join("\n")
    }

    fn amounts(amounts: &[Amount]) -> String {
        amounts.iter().map(|amount| money(&amount.currency, &amount.amount)).collect::<Vec<_>>().join(" + ")
    }

    /// `2026년 11월 27일 (금) 15:00`, `Fri 27 Nov 2026, 15:00`.
    fn time(&self, at: DateTime<Utc>) -> String {
        let at = at.with_timezone(&self.timezone);
        if self.language == Korean {
            let day = match at.weekday() {
                Weekday::Mon => '월',
                Weekday::Tue => '화',
                Weekday::Wed => '수',
                Weekday::Thu => '목',
                Weekday::Fri => '금',
                Weekday::Sat => '토',
                Weekday::Sun => '일',
            };
            at.format(&format!("%Y년 %-m월 %-d일 ({day}) %H:%M")).to_string()
        } else {
            at.format("%a %-d %b %Y, %H:%M").to_string()
        }
    }

    /// URL of a page of the web app.
    fn link(&self, page: &str) -> String {
        format!("{}/app/{page}", self.public_url.as_str().trim_end_matches('/'))
    }
}

/// Message with its blocks. `text` is shown where blocks are not, such as in notifications of phones.
fn blocks(
    title: &str,
    lines: Option<&str>,
    fields: &[(&str, String)],
    notes: &[(&str, &str)],
    link: Option<(&str, String)>,
) -> Value {
    // Verbatim, so that Slack makes no mentions of what people typed.
    let markdown = |text: String| json!({"type": "mrkdwn", "text": text, "verbatim": true});
    let mut blocks = vec![json!({"type": "section", "text": markdown(format!("*{}*", escaped(title)))})];
    if let Some(lines) = lines {
        blocks.push(json!({"type": "section", "text": markdown(lines.to_owned())}));
    }
    if !fields.is_empty() {
        let fields: Vec<Value> =
            fields.iter().map(|(label, text)| markdown(format!("*{label}*\n{}", escaped(text)))).collect();
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    for (label, text) in notes {
        let text = escaped(&shortened(text, MAX_NOTE));
        blocks.push(json!({"type": "section", "text": markdown(format!("*{label}*\n{text}"))}));
    }
    if let Some((label, url)) = link {
        blocks.push(json!({"type": "section", "text": markdown(format!("<{}|{label}>", escaped(&url)))}));
    }
    json!({"text": escaped(title), "blocks": blocks})
}

/// Text with the characters escaped that start links and mentions.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The first `max` characters.
fn shortened(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// `₩28,000`, `US$3.99`, as the web app writes amounts.
fn money(currency: &str, amount: &str) -> String {
    let symbol = match currency {
        "KRW" => "₩",
        "USD" => "US$",
        "JPY" => "JP¥",
        other => other,
    };
    let (sign, digits) = amount.strip_prefix('-').map_or(("", amount), |digits| ("-", digits));
    let (whole, fraction) = digits.find('.').map_or((digits, ""), |point| digits.split_at(point));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{symbol}{grouped}{fraction}")
}
