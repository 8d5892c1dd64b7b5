use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use rayon::prelude::*;

use super::terms::{Analyzer, Side, document};
use crate::battle::Battle;

/// How many tables share the counting; a term belongs to the one of its highest bits.
const SHARDS: u64 = 16;
/// How many battles are cut into terms before the tables take them in; bounds the memory.
const BLOCK: usize = 2_048;

/// Keys are hashes already; one multiplication spreads what the shard took from them.
#[derive(Clone, Default)]
pub(super) struct KeyHasher(u64);

pub(super) type KeyBuilder = BuildHasherDefault<KeyHasher>;

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = (self.0 ^ key).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }
}

/// A term with the number of documents that hold it.
pub(super) struct Counted {
    pub(super) key: u64,
    pub(super) documents: u32,
    /// A document that holds it: the row times 2, plus 1 for side B.
    holder: u32,
}

/// In how many responses each term occurs; the order of the result has no meaning.
pub(super) fn document_frequencies(analyzer: Analyzer, battles: &[&Battle]) -> Vec<Counted> {
    let mut shards: Vec<HashMap<u64, (u32, u32), KeyBuilder>> =
        (0..SHARDS).map(|_| HashMap::default()).collect();
    for (block, battles) in battles.chunks(BLOCK).enumerate() {
        let documents: Vec<Vec<u64>> = battles
            .par_iter()
            .flat_map_iter(|battle| [Side::A, Side::B].map(|side| keys(analyzer, &document(battle, side))))
            .collect();
        let first = u32::try_from(2 * block * BLOCK).unwrap_or(0);
        shards.par_iter_mut().enumerate().for_each(|(number, shard)| {
            let number = number as u64;
            for (keys, holder) in documents.iter().zip(first..) {
                let start = keys.partition_point(|key| shard_of(*key) < number);
                for key in keys[start..].iter().take_while(|key| shard_of(**key) == number) {
                    shard.entry(*key).or_insert((0, holder)).0 += 1;
                }
            }
        });
    }
    let flat = shards.into_iter().flatten();
    flat.map(|(key, (documents, holder))| Counted { key, documents, holder }).collect()
}

/// The text of each term with its document frequency; the order of the result has no meaning.
pub(super) fn texts_of(analyzer: Analyzer, battles: &[&Battle], terms: &[Counted]) -> Vec<(String, u32)> {
    let mut wanted: Vec<&Counted> = terms.iter().collect();
    wanted.sort_unstable_by_key(|term| (term.holder, term.key));
    let by_holder: Vec<&[&Counted]> = wanted.chunk_by(|one, next| one.holder == next.holder).collect();
    by_holder
        .into_par_iter()
        .flat_map_iter(|terms| {
            let side = if terms[0].holder.is_multiple_of(2) { Side::A } else { Side::B };
            let text = document(battles[terms[0].holder as usize / 2], side);
            let mut found: Vec<Option<String>> = vec![None; terms.len()];
            analyzer.visit(&text, |hash, term| {
                if let Ok(place) = terms.binary_search_by_key(&hash, |term| term.key) {
                    found[place].get_or_insert_with(|| term.text());
                }
            });
            let named =
                found.into_iter().zip(terms).map(|(text, term)| text.map(|text| (text, term.documents)));
            named.flatten().collect::<Vec<_>>()
        })
        .collect()
}

fn shard_of(key: u64) -> u64 {
    key / (u64::MAX / SHARDS + 1)
}

/// The different terms of a document, ascending.
fn keys(analyzer: Analyzer, document: &str) -> Vec<u64> {
    let mut keys = Vec::with_capacity(document.len() / 3);
    analyzer.visit(document, |hash, _| keys.push(hash));
    keys.sort_unstable();
    keys.dedup();
    keys
}
