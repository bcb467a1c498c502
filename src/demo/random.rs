//! A small seeded generator (splitmix64): the same seed draws the same pictures and writes the same year of orders.

/// A stream of numbers that depends on its seed alone. Good enough for demo data, and for nothing that must be secret.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// The stream of a number.
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream of a text, such as the name of a snack (FNV-1a).
    pub(super) fn of(text: &str) -> Self {
        Self(
            text.bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)),
        )
    }

    fn next(&mut self) -> [u8; 8] {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_be_bytes()
    }

    /// A whole number from 0 up to, but without, `end`.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        let [a, b, c, d, ..] = self.next();
        let product = u64::from(u32::from_be_bytes([a, b, c, d])) * u64::from(end);
        let [a, b, c, d, ..] = product.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// A whole number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    /// True in `percent` of 100 cases.
    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// A number between `low` and `high`, for drawing.
    pub(super) fn float(&mut self, low: f32, high: f32) -> f32 {
        let [a, b, ..] = self.next();
        low + (high - low) * f32::from(u16::from_be_bytes([a, b])) / 65_536.0
    }
}
