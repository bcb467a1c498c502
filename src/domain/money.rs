//! Money: exact decimals with the digits of their currency. Amounts of different currencies are never added.

use std::{fmt, str::FromStr};

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{PartialSchema, ToSchema, openapi};

/// Currency of prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "UPPERCASE")]
#[sqlx(type_name = "currency", rename_all = "UPPERCASE")]
pub enum Currency {
    /// South Korean won, no decimal places.
    #[default]
    Krw,
    /// US dollar, two decimal places.
    Usd,
    /// Japanese yen, no decimal places.
    Jpy,
}

impl Currency {
    /// In the order of the columns of the CSV.
    pub const ALL: [Self; 3] = [Self::Krw, Self::Usd, Self::Jpy];
    /// Currency with the most decimal places. A price that does not fit it fits none.
    pub const FINEST: Self = Self::Usd;

    /// Number of decimal places.
    pub const fn digits(self) -> u32 {
        match self {
            Self::Krw | Self::Jpy => 0,
            Self::Usd => 2,
        }
    }

    /// ISO 4217 code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Krw => "KRW",
            Self::Usd => "USD",
            Self::Jpy => "JPY",
        }
    }

    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|currency| currency.code() == code)
    }

    /// Formats an amount: `28000`, `3.90`.
    pub fn format(self, amount: Decimal) -> String {
        format!("{amount:.*}", self.digits() as usize)
    }

    /// Code of the rule that `price` violates in this currency, for a [`crate::error::FieldError`].
    pub fn violated_rule(self, price: &Price) -> Option<&'static str> {
        if price.0.is_sign_negative() && !price.0.is_zero() {
            Some("negative")
        } else if price.0 >= Decimal::from(1_000_000_000_000_i64) {
            Some("invalid_amount")
        } else if price.0.scale() > self.digits() {
            Some("too_many_digits")
        } else {
            None
        }
    }
}

/// Price from a client, a decimal string or a JSON number, not yet checked against a currency. A string has the decimal places that are
/// written ("1500.00" has two), a number those of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price(pub Decimal);

impl FromStr for Price {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        // The parser of Decimal also accepts "1_000" and "+5".
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.len() <= 28 && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(fraction) {
            return Err(());
        }
        Decimal::from_str_exact(text).map(Self).map_err(|_| ())
    }
}

/// Price in a body. Text that is no amount becomes `Invalid`, so that it is reported together with other invalid fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PriceInput {
    Amount(Price),
    Invalid,
}

impl From<&str> for PriceInput {
    fn from(text: &str) -> Self {
        text.parse().map_or(Self::Invalid, Self::Amount)
    }
}

impl PriceInput {
    /// Price in `currency`.
    ///
    /// # Errors
    /// Code of the violated rule, for a [`crate::error::FieldError`].
    pub fn within(&self, currency: Currency) -> Result<Decimal, &'static str> {
        match self {
            Self::Invalid => Err("invalid_amount"),
            Self::Amount(price) => currency.violated_rule(price).map_or(Ok(price.0), Err),
        }
    }
}

impl<'de> Deserialize<'de> for PriceInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PriceVisitor)
    }
}

/// Accepts a string or a number. A list or an object is rejected before it is parsed.
struct PriceVisitor;

impl PriceVisitor {
    fn number(number: &serde_json::Number) -> PriceInput {
        let text = number.to_string();
        let value = Decimal::from_str_exact(&text).or_else(|_| Decimal::from_scientific(&text));
        value.map_or(PriceInput::Invalid, |value| PriceInput::Amount(Price(value.normalize())))
    }
}

impl de::Visitor<'_> for PriceVisitor {
    type Value = PriceInput;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a price, which is a string or a number")
    }

    fn visit_str<E>(self, text: &str) -> Result<PriceInput, E> {
        Ok(PriceInput::from(text))
    }

    fn visit_i64<E>(self, number: i64) -> Result<PriceInput, E> {
        Ok(Self::number(&number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<PriceInput, E> {
        Ok(Self::number(&number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<PriceInput, E> {
        Ok(serde_json::Number::from_f64(number).map_or(PriceInput::Invalid, |number| Self::number(&number)))
    }
}

impl PartialSchema for PriceInput {
    fn schema() -> openapi::RefOr<openapi::Schema> {
        openapi::schema::OneOfBuilder::new()
            .item(
                openapi::schema::ObjectBuilder::new()
                    .schema_type(openapi::Type::String)
                    .pattern(Some("^[0-9]{1,12}([.][0-9]{1,2})?$")),
            )
            .item(
                openapi::schema::ObjectBuilder::new()
                    .schema_type(openapi::Type::Number)
                    .minimum(Some(0))
                    .multiple_of(Some(0.01))
                    .exclusive_maximum(Some(1_000_000_000_000_i64)),
            )
            .description(Some("Decimal below 10^12 with no more decimal places than the currency has."))
            .examples([serde_json::json!("1500")])
            .into()
    }
}

impl ToSchema for PriceInput {}

/// Amount in a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    pub currency: Currency,
    /// In units of the currency.
    pub amount: Decimal,
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.currency.format(self.amount))
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Amount { currency: self.currency, amount: self.to_string() }.serialize(serializer)
    }
}

/// Amount in a currency.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"currency": "KRW", "amount": "28000"}))]
struct Amount {
    currency: Currency,
    /// Decimal with the digits of the currency.
    amount: String,
}

impl PartialSchema for Money {
    fn schema() -> openapi::RefOr<openapi::Schema> {
        Amount::schema()
    }
}

impl ToSchema for Money {
    fn name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn schemas(schemas: &mut Vec<(String, openapi::RefOr<openapi::Schema>)>) {
        Amount::schemas(schemas);
    }
}

/// Adds `money` to the total of its currency. Totals are in the order KRW, USD, JPY.
pub fn add(amounts: &mut Vec<Money>, money: Money) {
    if let Some(sum) = amounts.iter_mut().find(|sum| sum.currency == money.currency) {
        sum.amount += money.amount;
    } else {
        amounts.push(money);
        amounts.sort_by_key(|sum| sum.currency);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(json: &str, currency: Currency) -> Result<String, &'static str> {
        let input: PriceInput = serde_json::from_str(json).expect("a string or a number");
        input.within(currency).map(|amount| currency.format(amount))
    }

    #[test]
    fn a_price_has_the_digits_of_its_currency_and_no_more() {
        use Currency::{Jpy, Krw, Usd};
        let table = [
            (r#""28000""#, Krw, Ok("28000")),
            ("28000", Krw, Ok("28000")),
            ("28000.0", Krw, Ok("28000")),
            ("1e3", Jpy, Ok("1000")),
            (r#""3.99""#, Usd, Ok("3.99")),
            ("3.9", Usd, Ok("3.90")),
            (r#""3""#, Usd, Ok("3.00")),
            ("0", Krw, Ok("0")),
            ("999999999999", Krw, Ok("999999999999")),
            (r#""999999999999.99""#, Usd, Ok("999999999999.99")),
            ("1000000000000", Krw, Err("invalid_amount")),
            (r#""1500.00""#, Krw, Err("too_many_digits")),
            ("0.5", Jpy, Err("too_many_digits")),
            (r#""3.999""#, Usd, Err("too_many_digits")),
            ("-1", Krw, Err("negative")),
            (r#""-0.01""#, Usd, Err("negative")),
            ("1e300", Krw, Err("invalid_amount")),
            (r#""1_000""#, Krw, Err("invalid_amount")),
            (r#""+5""#, Krw, Err("invalid_amount")),
            (r#""""#, Krw, Err("invalid_amount")),
            (r#"".5""#, Usd, Err("invalid_amount")),
            (r#""NaN""#, Usd, Err("invalid_amount")),
            (r#""12 000""#, Krw, Err("invalid_amount")),
            (r#""99999999999999999999999999999999999999""#, Krw, Err("invalid_amount")),
        ];
        for (json, currency, expected) in table {
            assert_eq!(read(json, currency), expected.map(str::to_owned), "{json} in {currency:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(cents in 0_i64..100_000_000_000_000) {
            let amount = Decimal::new(cents, 2);
            let written = Currency::Usd.format(amount);
            prop_assert_eq!(PriceInput::from(written.as_str()).within(Currency::Usd), Ok(amount));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = PriceInput::from(text.as_str()).within(Currency::Krw);
        }

        #[test]
        fn a_number_is_the_price_that_its_text_is(cents in 0_i64..100_000_000_000_000) {
            let written = Currency::Usd.format(Decimal::new(cents, 2));
            let quoted = format!("\"{written}\"");
            prop_assert_eq!(read(&written, Currency::Usd), Ok(written));
            prop_assert_eq!(read(&quoted, Currency::Usd), Ok(quoted.replace('"', "")));
        }

        #[test]
        fn a_number_however_it_is_written_is_a_price_within_bounds_or_refused(
            number in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?",
            currency in prop_oneof![Just(Currency::Krw), Just(Currency::Usd), Just(Currency::Jpy)],
        ) {
            // As a number and as a string; no JSON parser takes a number beyond all bounds.
            for json in [number.clone(), format!("\"{number}\"")] {
                let Ok(input) = serde_json::from_str::<PriceInput>(&json) else { continue };
                let Ok(price) = input.within(currency) else { continue };
                prop_assert!(price >= Decimal::ZERO && price < Decimal::from(1_000_000_000_000_i64), "{} {}", json, price);
                prop_assert!(price.scale() <= currency.digits(), "{} {}", json, price);
                prop_assert_eq!(PriceInput::from(currency.format(price).as_str()).within(currency), Ok(price));
            }
        }
    }
}
