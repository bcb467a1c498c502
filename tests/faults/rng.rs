//! Random decisions that the same seed repeats.

use fastrand::Rng;

/// A generator for one purpose. Draws for one purpose do not change those for another.
pub fn seeded(seed: u64, purpose: &str) -> Rng {
    let mix = |mut rng: Rng, byte| Rng::with_seed(rng.u64(..) ^ u64::from(byte));
    purpose.bytes().fold(Rng::with_seed(seed), mix)
}

/// One of `items`, which are not empty.
pub fn pick<'a, T>(rng: &mut Rng, items: &'a [T]) -> &'a T {
    &items[rng.usize(..items.len())]
}
