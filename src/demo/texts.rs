//! The texts of the demo orders.

/// Notes of owners. Some orders have one.
pub(super) const NOTES: [&str; 8] = [
    "금요일 회의 때 먹을 간식이에요.",
    "3층 탕비실로 부탁드려요.",
    "지난번에 금방 떨어져서 넉넉하게 담았어요.",
    "이번 주 신규 입사자 환영회용입니다.",
    "단 것보다 짭짤한 걸로 골랐어요.",
    "급하지 않아요. 다음 주문과 합쳐도 됩니다.",
    "야근하는 팀이 많아서 조금 더 주문합니다.",
    "Please leave them on the shelf next to the coffee machine.",
];

/// Reasons of cancellations.
pub(super) const CANCELLATIONS: [&str; 5] = [
    "같은 종류의 간식이 아직 많이 남아 있어요.",
    "판매처에서 품절되었습니다.",
    "이번 달 예산이 얼마 남지 않아 다음 달에 다시 주문해 주세요.",
    "가격이 많이 올라서 다른 간식으로 부탁드려요.",
    "다른 주문과 내용이 같아서 취소합니다.",
];

/// Reason of a delivery that is later than expected.
pub(super) const DELAY: &str = "판매처 사정으로 배송이 하루 늦어져요.";
