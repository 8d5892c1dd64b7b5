use super::tokens::mixed;

/// Values in a signature.
const BINS: usize = 128;

/// The chance to look at a pair of texts whose similarity is just the threshold.
const RECALL: f64 = 0.98;

/// How texts are looked for that may be similar: locality-sensitive hashing of `MinHash` signatures.
///
/// The signature is a one-permutation hash with optimal densification (Shrivastava 2017, "Optimal
/// densification for fast and accurate minwise hashing"): linear in the text, and two signatures agree
/// in a value with the probability of the Jaccard similarity of their sets. It is cut into bands of
/// `r` values; texts that agree in a whole band are compared. A pair of similarity `s` is found with
/// probability 1 - (1 - s^r)^(128/r); `r` is the largest that finds 98 % of the pairs at the threshold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bands {
    rows: usize,
}

impl Bands {
    /// The bands for a threshold in 0..1.
    pub(super) fn new(threshold: f64) -> Self {
        let found = |rows: usize| {
            let exponent = rows as f64;
            1.0 - (1.0 - threshold.powf(exponent)).powf((BINS / rows) as f64)
        };
        Self { rows: (1..=32).rev().find(|rows| found(*rows) >= RECALL).unwrap_or(1) }
    }

    /// One key a band; none for an empty set.
    pub(super) fn keys(self, shingles: &[u64]) -> Vec<u64> {
        if shingles.is_empty() {
            return Vec::new();
        }
        let signature = signature(shingles);
        let key = |band: &[u32]| {
            band.iter().fold(0, |state: u64, value| mixed(state.rotate_left(7) ^ u64::from(*value)))
        };
        signature.chunks_exact(self.rows).map(key).collect()
    }

    /// How many bands there are.
    pub(super) fn count(self) -> usize {
        BINS / self.rows
    }
}

fn signature(shingles: &[u64]) -> [u32; BINS] {
    let mut least = [u64::MAX; BINS];
    for shingle in shingles {
        let hash = mixed(shingle.wrapping_add(0x9e37_79b9_7f4a_7c15));
        // The highest bits choose the bin, the others are the value.
        let bin = &mut least[bin_of(hash)];
        *bin = (*bin).min(hash & (u64::MAX >> BINS.ilog2()));
    }
    let mut signature = [0; BINS];
    for (bin, value) in signature.iter_mut().enumerate() {
        // An empty bin borrows from another one, tried in an order of its own that all texts share.
        let mut source = bin;
        let mut attempt = 0_u64;
        while least[source] == u64::MAX {
            attempt += 1;
            source = bin_of(mixed(attempt << 32 | bin as u64));
        }
        #[expect(clippy::cast_possible_truncation, reason = "32 of its bits are enough")]
        let low = mixed(least[source]) as u32;
        *value = low;
    }
    signature
}

/// The bin that the highest bits of a hash choose.
fn bin_of(hash: u64) -> usize {
    usize::try_from(hash >> (64 - BINS.ilog2())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often sets of `size` elements with about this similarity share a band.
    fn found(size: u32, similarity: f64, threshold: f64) -> f64 {
        let bands = Bands::new(threshold);
        let common = 2.0 * f64::from(size) * similarity / (1.0 + similarity);
        let trials = 400;
        let hits = (0..trials).filter(|trial| {
            let element = |side: u64, n: u64| {
                mixed(trial * 1_000_003 + n + if (n as f64) < common { 0 } else { side << 40 })
            };
            let [x, y] = [1, 2]
                .map(|side| bands.keys(&(0..u64::from(size)).map(|n| element(side, n)).collect::<Vec<_>>()));
            x.iter().zip(&y).any(|(x, y)| x == y)
        });
        hits.count() as f64 / trials as f64
    }

    #[test]
    fn similar_sets_are_found_and_others_hardly_ever() {
        for size in [12, 100, 1000] {
            assert!(found(size, 0.8, 0.7) > 0.97, "{size}");
            assert!(found(size, 0.15, 0.7) < 0.05, "{size}");
        }
        assert!(found(100, 0.6, 0.5) > 0.95);
    }

    #[test]
    fn more_similar_thresholds_need_fewer_bands() {
        let counts: Vec<usize> = [0.3, 0.5, 0.7, 0.9].map(|threshold| Bands::new(threshold).count()).to_vec();
        assert!(counts.is_sorted_by(|a, b| a > b), "{counts:?}");
    }
}
