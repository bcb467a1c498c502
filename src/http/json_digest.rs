//! Digests of JSON values. Two digests are equal exactly when the values are, regardless of white space, the order of fields and the
//! notation of strings and numbers.
//!
//! The digest is computed while the text is parsed. A tree of values can take a hundred times the size of the text.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use sha2::{Digest as _, Sha256};

/// SHA-256 of a JSON value in a canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JsonDigest(pub [u8; 32]);

impl JsonDigest {
    fn of(kind: u8, content: &[u8]) -> Self {
        Self(Sha256::new().chain_update([kind]).chain_update(content).finalize().into())
    }

    /// Digest of an integer in any notation: `1`, `1.0`, `1e0`.
    fn of_integer(number: i128) -> Self {
        Self::of(b'i', &number.to_be_bytes())
    }
}

impl<'de> Deserialize<'de> for JsonDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DigestVisitor)
    }
}

struct DigestVisitor;

impl<'de> Visitor<'de> for DigestVisitor {
    type Value = JsonDigest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<JsonDigest, E> {
        Ok(JsonDigest::of(b'n', &[]))
    }

    fn visit_bool<E>(self, value: bool) -> Result<JsonDigest, E> {
        Ok(JsonDigest::of(b'b', &[u8::from(value)]))
    }

    fn visit_i64<E>(self, value: i64) -> Result<JsonDigest, E> {
        Ok(JsonDigest::of_integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<JsonDigest, E> {
        Ok(JsonDigest::of_integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<JsonDigest, E> {
        // Larger integers are parsed as the nearest float.
        if value.fract() == 0.0 && value.abs() <= 18_446_744_073_709_551_616.0 {
            #[expect(clippy::cast_possible_truncation, reason = "the value is whole and within the type's range")]
            return Ok(JsonDigest::of_integer(value as i128));
        }
        Ok(JsonDigest::of(b'f', &value.to_be_bytes()))
    }

    fn visit_str<E>(self, value: &str) -> Result<JsonDigest, E> {
        Ok(JsonDigest::of(b's', value.as_bytes()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<JsonDigest, A::Error> {
        let mut hasher = Sha256::new().chain_update(b"a");
        while let Some(item) = items.next_element::<JsonDigest>()? {
            hasher.update(item.0);
        }
        Ok(JsonDigest(hasher.finalize().into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<JsonDigest, A::Error> {
        let mut digests = Vec::new();
        while let Some(field) = fields.next_entry::<JsonDigest, JsonDigest>()? {
            digests.push(field);
        }
        // Of several fields with one name the last counts, as in most parsers. The sort is stable.
        digests.sort_by_key(|(name, _)| *name);
        let mut hasher = Sha256::new().chain_update(b"o");
        for fields in digests.chunk_by(|(one, _), (other, _)| one == other) {
            if let Some((name, value)) = fields.last() {
                hasher.update(name.0);
                hasher.update(value.0);
            }
        }
        Ok(JsonDigest(hasher.finalize().into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use serde_json::{Map, Value, json};

    use super::*;

    fn digest(text: &str) -> JsonDigest {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn equal_values_have_one_digest_however_they_are_written() {
        for (one, other) in [
            (r#"{"a":1,"b":[true,null]}"#, "{ \"b\" : [ true , null ],\n\"a\" : 1 }"),
            (r#"{"a":1.0}"#, r#"{"a":1}"#),
            ("[1e2]", "[100]"),
            ("[-0.0]", "[0]"),
            (r#""\uc0c8""#, r#""새""#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        ] {
            assert_eq!(digest(one), digest(other), "{one} and {other}");
        }
    }

    #[test]
    fn different_values_have_different_digests() {
        let values = [
            "null",
            "true",
            "false",
            "0",
            "1",
            "-1",
            "1.5",
            "\"\"",
            "\"1\"",
            "\"null\"",
            "[]",
            "{}",
            "[[]]",
            "[null]",
            "[0]",
            "[1,2]",
            "[2,1]",
            r#"{"a":1}"#,
            r#"{"a":2}"#,
            r#"{"b":1}"#,
            r#"{"a":1,"b":1}"#,
            r#"[{"a":1},{"b":1}]"#,
            r#"{"a":null}"#,
            r#"["a",1]"#,
            r#"{"":[]}"#,
        ];
        for (at, one) in values.iter().enumerate() {
            for other in &values[at + 1..] {
                assert_ne!(digest(one), digest(other), "{one} and {other}");
            }
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-100..100_i32).prop_map(|number| json!(f64::from(number) / 4.0)),
            "[ab\"é새]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                vec(("[ab]{0,2}", inner), 0..4)
                    .prop_map(|fields| Value::from(fields.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    /// As Postgres compares jsonb: 1 and 1.0 are equal.
    fn same(one: &Value, other: &Value) -> bool {
        match (one, other) {
            (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
            (Value::Array(one), Value::Array(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
            }
            (Value::Object(one), Value::Object(other)) => {
                one.len() == other.len()
                    && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| same(value, other)))
            }
            (one, other) => one == other,
        }
    }

    proptest! {
        #[test]
        fn digests_are_equal_exactly_when_values_are(one in value(), other in value()) {
            let pretty = serde_json::to_string_pretty(&one)?;
            prop_assert_eq!(digest(&pretty), digest(&one.to_string()));
            prop_assert_eq!(digest(&one.to_string()) == digest(&other.to_string()), same(&one, &other));
        }
    }
}
