//! Texts of notifications.

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;

use crate::{
    domain::money::Currency,
    error::Text,
    outbox::{Details, NotificationKind},
};

/// Text of a notification. `actor` is the name of the user who did it; none for the command line.
pub fn text(kind: NotificationKind, actor: Option<&str>, details: &Details, timezone: Tz) -> Text {
    let order = order(details);
    let of_order = |ko: &str, en: &str| Text::new(format!("{ko}: {}", order.ko), format!("{en}: {}", order.en));
    match kind {
        NotificationKind::OrderCreated => {
            let Some(actor) = actor else { return of_order("새 주문이 있습니다", "New order") };
            Text::new(format!("{actor} 님이 주문했습니다: {}", order.ko), format!("{actor} ordered {}", order.en))
        }
        NotificationKind::OrderApproved => with_reason(of_order("주문이 승인되었습니다", "Order approved"), details),
        NotificationKind::OrderOrdered => {
            with_arrival(of_order("간식을 주문했습니다", "Order placed"), details, timezone)
        }
        NotificationKind::OrderShipping => {
            with_arrival(of_order("배송이 시작되었습니다", "Order shipping"), details, timezone)
        }
        NotificationKind::OrderCompleted => of_order("간식이 도착했습니다", "Order completed"),
        NotificationKind::OrderCanceled => with_reason(of_order("주문이 취소되었습니다", "Order canceled"), details),
        NotificationKind::OrderArrivalChanged => {
            let text = of_order("도착 예정이 변경되었습니다", "Expected arrival changed");
            with_reason(with_arrival(text, details, timezone), details)
        }
        NotificationKind::OrderEditedByAdmin => of_order("관리자가 주문을 수정했습니다", "An admin edited the order"),
        NotificationKind::MemberTypeChanged if details.is_admin == Some(true) => {
            Text::new("관리자로 지정되었습니다.", "You are an admin now.")
        }
        NotificationKind::MemberTypeChanged => {
            Text::new("일반 회원으로 변경되었습니다.", "You are no longer an admin.")
        }
        NotificationKind::BudgetReached => budget(details),
    }
}

/// First snack of an order and the number of the others.
fn order(details: &Details) -> Text {
    let snack = details.snack.as_deref().unwrap_or_default();
    match details.other_snacks {
        None | Some(0) => Text::new(snack.to_owned(), snack.to_owned()),
        Some(others) => Text::new(format!("{snack} 외 {others}가지"), format!("{snack} and {others} more")),
    }
}

fn with_reason(text: Text, details: &Details) -> Text {
    match &details.reason {
        None => text,
        Some(reason) => Text::new(format!("{} (사유: {reason})", text.ko), format!("{} (reason: {reason})", text.en)),
    }
}

fn with_arrival(text: Text, details: &Details, timezone: Tz) -> Text {
    let Some(arrival) = details.estimated_arrival_time else { return text };
    let day = day(arrival, timezone);
    Text::new(format!("{} ({} 도착 예정)", text.ko, day.ko), format!("{} (expected on {})", text.en, day.en))
}

/// `11월 27일`, `27 November`.
pub(super) fn day(at: DateTime<Utc>, timezone: Tz) -> Text {
    let day = at.with_timezone(&timezone);
    Text::new(format!("{}월 {}일", day.month(), day.day()), day.format("%-d %B").to_string())
}

fn budget(details: &Details) -> Text {
    let month = details.month.map(|month| month.to_string()).unwrap_or_default();
    let currency = details.currency.map(Currency::code).unwrap_or_default();
    let percent = details.percent.unwrap_or_default();
    if percent >= 100 {
        return Text::new(
            format!("{month} 예산({currency})을 모두 사용했습니다."),
            format!("The budget for {month} ({currency}) is used up."),
        );
    }
    Text::new(
        format!("{month} 예산({currency})의 {percent}%를 사용했습니다."),
        format!("{percent}% of the budget for {month} ({currency}) is used."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_name_what_happened_in_both_languages() {
        let details = Details {
            snack: Some("새우깡".to_owned()),
            other_snacks: Some(2),
            reason: Some("품절".to_owned()),
            estimated_arrival_time: "2026-11-26T16:00:00Z".parse().ok(),
            month: "2026-11".parse().ok(),
            percent: Some(80),
            ..Details::default()
        };
        let table = [
            (
                NotificationKind::OrderCreated,
                "김간식 님이 주문했습니다: 새우깡 외 2가지",
                "김간식 ordered 새우깡 and 2 more",
            ),
            // The day of the office: 16:00 in UTC is the next day in Seoul.
            (
                NotificationKind::OrderOrdered,
                "간식을 주문했습니다: 새우깡 외 2가지 (11월 27일 도착 예정)",
                "Order placed: 새우깡 and 2 more (expected on 27 November)",
            ),
            (
                NotificationKind::OrderCanceled,
                "주문이 취소되었습니다: 새우깡 외 2가지 (사유: 품절)",
                "Order canceled: 새우깡 and 2 more (reason: 품절)",
            ),
            (NotificationKind::MemberTypeChanged, "일반 회원으로 변경되었습니다.", "You are no longer an admin."),
            (
                NotificationKind::BudgetReached,
                "2026-11 예산()의 80%를 사용했습니다.",
                "80% of the budget for 2026-11 () is used.",
            ),
        ];
        for (kind, ko, en) in table {
            let found = text(kind, Some("김간식"), &details, Tz::Asia__Seoul);
            assert_eq!((found.ko.as_ref(), found.en.as_ref()), (ko, en));
        }
    }

    #[test]
    fn a_single_snack_has_no_others() {
        let details = Details { snack: Some("새우깡".to_owned()), other_snacks: Some(0), ..Details::default() };
        let found = text(NotificationKind::OrderCompleted, None, &details, Tz::Asia__Seoul);
        assert_eq!((found.ko.as_ref(), found.en.as_ref()), ("간식이 도착했습니다: 새우깡", "Order completed: 새우깡"));
    }
}
