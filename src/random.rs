//! Seeded randomness: one named stream per purpose.
//!
//! A stream depends on the seed and its name alone, so a new draw for one purpose never changes
//! what another one sees. All draws are integers.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

/// A stream of random numbers: a plain value, equal for equal seeds and names on every machine.
#[derive(Clone, Debug)]
pub struct Random(Pcg64Mcg);

impl Random {
    /// The stream called `name` of the world with this seed.
    #[must_use]
    pub fn stream(seed: u64, name: &str) -> Self {
        let purpose = u64::from(crc32fast::hash(name.as_bytes()));
        // The generator forgets the lowest bits of its state, and close states begin alike. So seed
        // and purpose are spread over all bits first.
        let low = spread(seed ^ spread(purpose));
        let high = spread(low ^ seed.rotate_left(32));
        let mut state = [0; 16];
        state[..8].copy_from_slice(&low.to_le_bytes());
        state[8..].copy_from_slice(&high.to_le_bytes());
        Random(Pcg64Mcg::from_seed(state))
    }

    /// A number in `0..bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The high half of a 128-bit product is as even as the bound is small beside 2^64.
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// 128 random bits.
    pub fn bits128(&mut self) -> u128 {
        u128::from(self.0.next_u64()) << 64 | u128::from(self.0.next_u64())
    }

    /// `value` changed by up to `permille` thousandths up or down.
    pub fn jitter(&mut self, value: u64, permille: u64) -> u64 {
        let spread = value.saturating_mul(permille) / 1000;
        (value - spread.min(value)) + self.below(2 * spread + 1)
    }
}

/// Lets every bit of a number change every other one: the finalizer of SplitMix64.
fn spread(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_and_by_name_and_repeat() {
        let first = |seed, name| Random::stream(seed, name).bits128();
        assert_eq!(first(7, "topic ids"), first(7, "topic ids"));
        assert_ne!(first(7, "topic ids"), first(8, "topic ids"));
        assert_ne!(first(7, "topic ids"), first(7, "latency"));
    }

    /// Seeds that differed in their lowest bits only once gave the same stream: the generator sets
    /// those bits of its state itself.
    #[test]
    fn neighbouring_seeds_have_streams_of_their_own() {
        let firsts: std::collections::BTreeSet<u128> =
            (0..1000).map(|seed| Random::stream(seed, "latency").bits128()).collect();
        assert_eq!(firsts.len(), 1000);
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let mut random = Random::stream(1, "test");
        assert_eq!(random.below(0), 0);
        for _ in 0..1000 {
            assert!(random.below(3) < 3);
            assert!((80..=120).contains(&random.jitter(100, 200)));
        }
    }
}
