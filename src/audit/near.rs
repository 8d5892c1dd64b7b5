use std::collections::HashSet;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::minhash::Bands;
use super::tokens::{as_set, jaccard, shingles};
use crate::splits::Components;

/// Texts that fall into one bucket are compared with this many neighbours, so that a bucket of ten
/// thousand costs ten thousand times this and not its square.
const NEIGHBOURS: usize = 8;

/// The shingles of the parts of a document: a prompt alone, or a prompt and two responses whose
/// order does not matter.
pub(super) enum Document {
    Prompt(Vec<u64>),
    Battle { prompt: Vec<u64>, responses: [Vec<u64>; 2] },
}

impl Document {
    pub(super) fn prompt(text: &str) -> Self {
        Self::Prompt(shingles(text))
    }

    pub(super) fn battle(prompt: &str, responses: [&str; 2]) -> Self {
        Self::Battle { prompt: shingles(prompt), responses: responses.map(shingles) }
    }

    /// The same with sets of shingles, ready to be compared.
    fn into_sets(self) -> Self {
        match self {
            Self::Prompt(prompt) => Self::Prompt(as_set(prompt)),
            Self::Battle { prompt, responses } => {
                Self::Battle { prompt: as_set(prompt), responses: responses.map(as_set) }
            }
        }
    }

    /// The least Jaccard similarity of the parts, responses paired the better way.
    fn similarity(&self, other: &Self) -> f64 {
        match (self, other) {
            (Self::Prompt(one), Self::Prompt(two)) => jaccard(one, two),
            (
                Self::Battle { prompt: one, responses: [a, b] },
                Self::Battle { prompt: two, responses: [c, d] },
            ) => {
                let straight = jaccard(a, c).min(jaccard(b, d));
                let crossed = jaccard(a, d).min(jaccard(b, c));
                jaccard(one, two).min(straight.max(crossed))
            }
            _ => 0.0,
        }
    }

    /// The keys of all shingles together: where every part is similar, the whole is at least as much.
    fn keys(self, bands: Bands) -> Vec<u64> {
        match self {
            Self::Prompt(shingles) => bands.keys(&shingles),
            Self::Battle { prompt, responses: [a, b] } => bands.keys(&[prompt, a, b].concat()),
        }
    }
}

/// Which of some documents are near-duplicates of each other.
pub(super) struct Clusters {
    /// For each document the smallest one of its cluster: the connected components of similar pairs.
    pub(super) roots: Vec<usize>,
    /// Documents that met others in a crowded bucket, where not all pairs are compared, and are not in
    /// one cluster with all of these.
    pub(super) crowded: usize,
}

/// Clusters `n` distinct documents whose similarity is at least `threshold`: candidates by
/// locality-sensitive hashing, each verified on the shingle sets themselves.
///
/// `document` gives a document again whenever it is needed, so that only those are kept that are
/// compared. The caller passes documents in an order of their own (by content): the result then depends
/// on their set alone.
pub(super) fn cluster(n: usize, document: &(dyn Fn(usize) -> Document + Sync), threshold: f64) -> Clusters {
    let bands = Bands::new(threshold);
    let keys: Vec<Vec<u64>> = (0..n).into_par_iter().map(|one| document(one).keys(bands)).collect();
    let kept: Vec<OnceLock<Document>> = std::iter::repeat_with(OnceLock::new).take(n).collect();
    let get = |one: usize| kept[one].get_or_init(|| document(one).into_sets());
    let mut components = Components::new(n);
    let mut compared: HashSet<(usize, usize)> = HashSet::new();
    let mut crowded_buckets = Vec::new();
    for band in 0..bands.count() {
        let mut candidates = Vec::new();
        for bucket in buckets(&keys, band) {
            for (place, one) in bucket.iter().enumerate() {
                for other in bucket.iter().skip(place + 1).take(NEIGHBOURS) {
                    let pair = (*one.min(other), *one.max(other));
                    if components.root(*one) != components.root(*other) && compared.insert(pair) {
                        candidates.push(pair);
                    }
                }
            }
            if bucket.len() > NEIGHBOURS + 1 {
                crowded_buckets.push(bucket);
            }
        }
        let similar: Vec<bool> = candidates
            .par_iter()
            .map(|(one, other)| get(*one).similarity(get(*other)) >= threshold)
            .collect();
        for ((one, other), _) in candidates.into_iter().zip(similar).filter(|(_, similar)| *similar) {
            components.join(one, other);
        }
    }
    let roots = components.into_roots();
    let divided = |bucket: &&Vec<usize>| bucket.iter().any(|one| roots[*one] != roots[bucket[0]]);
    let crowded: HashSet<usize> = crowded_buckets.iter().filter(divided).flatten().copied().collect();
    Clusters { crowded: crowded.len(), roots }
}

/// Texts that agree in a band, two or more; those that agree in the following bands too stand next to
/// each other.
fn buckets(keys: &[Vec<u64>], band: usize) -> Vec<Vec<usize>> {
    let key = |text: usize, ahead: usize| keys[text][(band + ahead) % keys[text].len()];
    let mut texts: Vec<usize> = (0..keys.len()).filter(|text| !keys[*text].is_empty()).collect();
    texts.par_sort_unstable_by_key(|text| (key(*text, 0), key(*text, 1), key(*text, 2), *text));
    texts
        .chunk_by(|one, other| key(*one, 0) == key(*other, 0))
        .filter(|b| b.len() > 1)
        .map(<[usize]>::to_vec)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(from: usize, count: usize, changed: Option<usize>) -> String {
        let word = |n: usize| if Some(n) == changed { "other".to_owned() } else { format!("w{}", from + n) };
        (0..count).map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn changed_copies_are_clustered_and_other_texts_stay_alone() {
        let mut texts: Vec<String> = (0..300).map(|n| words(n * 1000, 40, None)).collect();
        texts.extend((0..100).map(|n| words(n * 1000, 40, Some(n % 40))));
        let clusters = cluster(texts.len(), &|n| Document::prompt(&texts[n]), 0.7);
        for n in 0..100 {
            assert_eq!(clusters.roots[300 + n], n, "a copy with one word of 40 changed");
        }
        assert!((100..300).all(|n| clusters.roots[n] == n));
    }

    #[test]
    fn a_family_of_thousands_is_one_cluster_without_all_pairs() {
        let texts: Vec<String> = (0..3000).map(|n| format!("{} {n}", words(0, 60, None))).collect();
        let clusters = cluster(texts.len(), &|n| Document::prompt(&texts[n]), 0.7);
        assert!(clusters.roots.iter().all(|root| *root == 0));
        assert_eq!(clusters.crowded, 0, "all of them met, and all are in one cluster");
    }

    #[test]
    fn texts_without_shingles_stay_alone() {
        let texts = ["", "hello", "hello !"];
        let clusters = cluster(3, &|n| Document::prompt(texts[n]), 0.7);
        assert_eq!(clusters.roots, [0, 1, 1]);
    }

    #[test]
    fn battles_are_alike_only_when_both_responses_are() {
        let prompt = words(0, 20, None);
        let [a, b, c] = [1000, 2000, 3000].map(|from| words(from, 30, None));
        let changed = words(2000, 30, Some(15));
        let battles = [[&a, &b], [&changed, &a], [&a, &c], [&c, &b]];
        let document = |n: usize| Document::battle(&prompt, battles[n].map(String::as_str));
        assert_eq!(cluster(4, &document, 0.7).roots, [0, 0, 2, 3]);
    }
}
