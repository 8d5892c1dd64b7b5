/// How many values two ascending lists without repetition share.
pub(in crate::features) fn common(one: &[u64], other: &[u64]) -> usize {
    let (mut i, mut j, mut shared) = (0, 0, 0);
    while let (Some(left), Some(right)) = (one.get(i), other.get(j)) {
        shared += usize::from(left == right);
        i += usize::from(left <= right);
        j += usize::from(right <= left);
    }
    shared
}

/// Shared values over all values, 1 for two empty lists.
pub(in crate::features) fn jaccard(one: &[u64], other: &[u64]) -> f64 {
    let shared = common(one, other);
    let all = one.len() + other.len() - shared;
    if all == 0 { 1.0 } else { shared as f64 / all as f64 }
}

/// How many bytes two texts have in common at their beginning.
pub(in crate::features) fn common_prefix(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(left, right)| left == right).count()
}

/// How many bytes two texts have in common at their end.
pub(in crate::features) fn common_suffix(one: &str, other: &str) -> usize {
    one.bytes().rev().zip(other.bytes().rev()).take_while(|(left, right)| left == right).count()
}
