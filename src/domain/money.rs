//! Money: an exact decimal and the digits that its currency has. Amounts of different currencies never meet.

use std::{fmt, str::FromStr};

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{PartialSchema, ToSchema, openapi};

/// The currencies that snacks are sold in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "UPPERCASE")]
#[sqlx(type_name = "currency", rename_all = "UPPERCASE")]
pub enum Currency {
    /// South Korean won, no digits.
    #[default]
    Krw,
    /// US dollar, two digits.
    Usd,
    /// Japanese yen, no digits.
    Jpy,
}

impl Currency {
    /// Every currency, in the order of the CSV's columns.
    pub const ALL: [Self; 3] = [Self::Krw, Self::Usd, Self::Jpy];
    /// The currency with the most digits: what does not fit it fits none.
    pub const FINEST: Self = Self::Usd;

    /// How many digits stand behind the point.
    #[must_use]
    pub const fn digits(self) -> u32 {
        match self {
            Self::Krw | Self::Jpy => 0,
            Self::Usd => 2,
        }
    }

    /// The ISO 4217 code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Krw => "KRW",
            Self::Usd => "USD",
            Self::Jpy => "JPY",
        }
    }

    /// `amount` as it is written in this currency: `28000`, `3.90`.
    #[must_use]
    pub fn format(self, amount: Decimal) -> String {
        format!("{amount:.*}", self.digits() as usize)
    }

    /// Why `price` cannot be a price in this currency: the code of a [`crate::error::FieldError`].
    #[must_use]
    pub fn refuses(self, price: &Price) -> Option<&'static str> {
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

/// A price as a client sent it: a decimal string or a JSON number, not yet held against a currency.
///
/// A string counts the digits that it writes ("1500.00" has two); a number has none but its value's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price(pub Decimal);

impl FromStr for Price {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        // Only what a person would write; Decimal's own parser takes "1_000" and "+5" as well.
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.len() <= 28 && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(fraction) {
            return Err(());
        }
        Decimal::from_str_exact(text).map(Self).map_err(|_| ())
    }
}

/// A price field of a body. What is readable but no amount becomes `Invalid`, so that it is reported with the other fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PriceInput {
    /// An amount.
    Amount(Price),
    /// A string that is not one, or a number beyond all bounds.
    Invalid,
}

impl From<&str> for PriceInput {
    fn from(text: &str) -> Self {
        text.parse().map_or(Self::Invalid, Self::Amount)
    }
}

impl PriceInput {
    /// The price in `currency`.
    ///
    /// # Errors
    /// The code of the broken rule, for a [`crate::error::FieldError`].
    pub fn within(&self, currency: Currency) -> Result<Decimal, &'static str> {
        match self {
            Self::Invalid => Err("invalid_amount"),
            Self::Amount(price) => currency.refuses(price).map_or(Ok(price.0), Err),
        }
    }
}

impl<'de> Deserialize<'de> for PriceInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PriceVisitor)
    }
}

/// Takes a string or a number; a list or an object is refused before it is read.
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
            .description(Some("A decimal with no more digits than the currency has, below 10^12."))
            .examples([serde_json::json!("1500")])
            .into()
    }
}

impl ToSchema for PriceInput {}

/// A sum of money in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    /// The currency.
    pub currency: Currency,
    /// The sum, in units of the currency.
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

/// A sum of money as it is sent.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"currency": "KRW", "amount": "28000"}))]
struct Amount {
    currency: Currency,
    /// A decimal with the digits that the currency has.
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
