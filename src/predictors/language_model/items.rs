use std::borrow::Cow;
use std::collections::HashMap;

use super::Sequences;
use crate::encoding::{Sequence, Shown};

/// The BLAKE3 of what a model reads: equal sequences have equal results.
pub(super) type Key = [u8; 32];

/// One sequence as small as it can be kept: ids, and a byte for the part of each token.
pub(super) struct Compact {
    pub(super) key: Key,
    ids: Vec<u32>,
    types: Vec<u8>,
    shown: Shown,
}

impl Compact {
    pub(super) fn of(sequence: &Sequence) -> Self {
        // A model has two segments, or as many as fit a byte.
        let types: Vec<u8> =
            sequence.type_ids.iter().map(|part| u8::try_from(*part).unwrap_or(u8::MAX)).collect();
        let mut hasher = blake3::Hasher::new();
        for id in &sequence.ids {
            hasher.update(&id.to_le_bytes());
        }
        hasher.update(&types);
        let key = *hasher.finalize().as_bytes();
        Self { key, ids: sequence.ids.clone(), types, shown: sequence.shown }
    }

    /// Its tokens.
    pub(super) fn length(&self) -> usize {
        self.ids.len()
    }
}

/// The distinct sequences of many battles that are still to be computed. Nothing but ids and types is kept of
/// a token.
#[derive(Default)]
pub(super) struct Items {
    ids: Vec<u32>,
    types: Vec<u8>,
    ends: Vec<usize>,
    keys: Vec<Key>,
    origins: Vec<(usize, Shown)>,
    known: HashMap<Key, usize>,
    /// Per battle the items that it is the first to need.
    pub(super) rows: Vec<Vec<usize>>,
}

impl Items {
    /// Adds the sequences of the next battle; one that was there before, or that `is_known`, is no new item.
    pub(super) fn add(&mut self, sequences: &[Compact], is_known: impl Fn(&Key) -> bool) {
        let battle = self.rows.len();
        let mut new = Vec::new();
        for sequence in sequences {
            if is_known(&sequence.key) || self.known.contains_key(&sequence.key) {
                continue;
            }
            self.known.insert(sequence.key, self.keys.len());
            new.push(self.keys.len());
            self.ids.extend(&sequence.ids);
            self.types.extend(&sequence.types);
            self.ends.push(self.ids.len());
            self.keys.push(sequence.key);
            self.origins.push((battle, sequence.shown));
        }
        self.rows.push(new);
    }

    /// Leaves items out that somebody else has computed meanwhile.
    pub(super) fn forget(&mut self, is_known: impl Fn(&Key) -> bool) {
        let keys = &self.keys;
        for row in &mut self.rows {
            row.retain(|item| !is_known(&keys[*item]));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.iter().all(Vec::is_empty)
    }

    /// How many are to be computed.
    pub(super) fn pending(&self) -> usize {
        self.rows.iter().map(Vec::len).sum()
    }

    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The battle that an item was met in first, and what it shows of it.
    pub(super) fn origin(&self, item: usize) -> Option<(usize, Shown)> {
        self.origins.get(item).copied()
    }

    pub(super) fn lengths(&self) -> Vec<usize> {
        (0..self.keys.len()).map(|item| self.range(item).len()).collect()
    }

    /// One hash over all of them in their order.
    pub(super) fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for key in &self.keys {
            hasher.update(key);
        }
        hasher.finalize().to_hex().to_string()
    }

    fn range(&self, item: usize) -> std::ops::Range<usize> {
        let start = item.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[item]
    }
}

impl Sequences for Items {
    fn length(&self, item: usize) -> usize {
        self.range(item).len()
    }

    fn tokens(&self, item: usize) -> (Cow<'_, [u32]>, Cow<'_, [u32]>) {
        let range = self.range(item);
        let types = self.types[range.clone()].iter().map(|part| u32::from(*part)).collect();
        (Cow::Borrowed(&self.ids[range]), Cow::Owned(types))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::PartCounts;

    fn compact(ids: &[u32], types: &[u32], shown: Shown) -> Compact {
        let counts = PartCounts::default();
        Compact::of(&Sequence { ids: ids.to_vec(), type_ids: types.to_vec(), shown, counts })
    }

    #[test]
    fn equal_sequences_are_one_item_whichever_battle_shows_them() {
        let mut items = Items::default();
        let (ab, ba) = (([1, 2, 3], [0, 0, 1]), ([1, 3, 2], [0, 0, 1]));
        items.add(&[compact(&ab.0, &ab.1, Shown::Ab), compact(&ba.0, &ba.1, Shown::Ba)], |_| false);
        items.add(&[compact(&ba.0, &ba.1, Shown::Ab), compact(&ab.0, &ab.1, Shown::Ba)], |_| false);
        items.add(&[compact(&ab.0, &[0, 1, 1], Shown::Ab), compact(&[7], &[0], Shown::Ba)], |_| false);
        assert_eq!(items.rows, [vec![0, 1], vec![], vec![2, 3]]);
        assert_eq!(items.lengths(), [3, 3, 3, 1]);
        assert_eq!(items.origin(3), Some((2, Shown::Ba)));
        let (ids, types) = items.tokens(2);
        assert_eq!((ids.as_ref(), types.as_ref()), (&[1, 2, 3][..], &[0, 1, 1][..]));
        let first = items.keys()[0];
        items.forget(|key| *key == first);
        assert_eq!((items.rows[0].clone(), items.pending()), (vec![1], 3));
    }

    #[test]
    fn ids_and_types_are_not_confused_by_their_hash() {
        let one = compact(&[1, 2], &[0, 1], Shown::Ab).key;
        assert_ne!(one, compact(&[1, 2], &[1, 1], Shown::Ab).key);
        assert_ne!(one, compact(&[2, 2], &[0, 1], Shown::Ab).key);
        assert_eq!(one, compact(&[1, 2], &[0, 1], Shown::Ba).key);
    }
}
