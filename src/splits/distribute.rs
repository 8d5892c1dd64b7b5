use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{GroupedRow, SplitError};
use crate::battle::GroupId;

/// How much an uneven number of rows counts against unevenly spread classes.
const ROWS_AGAINST_CLASSES: f64 = 16.0;

/// Exchanges of two groups are tried among this many of the largest: they are what makes sizes
/// uneven, and the search is quadratic.
const LARGEST_EXCHANGED: usize = 256;

/// How often the whole search may go over all groups; it converges in a handful.
const MOST_PASSES: usize = 50;

/// Shares are summed as whole numbers of this size, so that no order of rows changes a bit.
const UNIT: f64 = 65_536.0;

/// Rows, then rows of A, B and tie (perhaps fractions).
type Load = [f64; 4];

struct Group {
    rows: Vec<usize>,
    load: Load,
}

/// The part, 0.., that each row goes to, so that part `p` gets about `shares[p]` of all rows and of
/// each class, and no group is divided.
///
/// Groups are dealt from large to small, seeded order among similar sizes, each to the part where the
/// cost falls most; then single groups are moved and pairs exchanged as long as that lowers the cost
/// sum over parts of (16 (rows - wanted)^2 + sum over classes (rows of the class - wanted)^2) / wanted.
/// Every part gets at least one group.
pub(super) fn distribute(rows: &[GroupedRow<'_>], shares: &[f64], seed: u64) -> Result<Vec<u32>, SplitError> {
    if rows.is_empty() {
        return Err(SplitError::NoRows);
    }
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let groups = ordered(collected(rows), &mut generator);
    if groups.len() < shares.len() {
        return Err(SplitError::TooFewGroups { rows: rows.len(), groups: groups.len(), parts: shares.len() });
    }
    let mut table = Table::new(&groups, shares);
    table.deal();
    table.improve();
    let mut parts = vec![0; rows.len()];
    for (group, part) in groups.iter().zip(&table.part_of) {
        for row in &group.rows {
            parts[*row] = u32::try_from(*part).unwrap_or(u32::MAX);
        }
    }
    Ok(parts)
}

/// The groups in the order of their names.
fn collected(rows: &[GroupedRow<'_>]) -> Vec<Group> {
    let mut members: BTreeMap<&GroupId, Vec<usize>> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        members.entry(row.group).or_default().push(index);
    }
    let load_of = |members: &[usize]| {
        let mut units = [0_i64; 3];
        for row in members {
            let shares = rows[*row].target.to_array();
            for (unit, share) in units.iter_mut().zip(shares) {
                #[expect(clippy::cast_possible_truncation, reason = "a share is at most 1")]
                let share = (share * UNIT).round() as i64;
                *unit += share;
            }
        }
        let [a, b, tie] = units.map(|unit| unit as f64 / UNIT);
        [members.len() as f64, a, b, tie]
    };
    members.into_values().map(|rows| Group { load: load_of(&rows), rows }).collect()
}

/// From large to small; groups whose size has the same binary logarithm come in random order, or few
/// groups would be dealt alike under every seed.
fn ordered(mut groups: Vec<Group>, generator: &mut ChaCha8Rng) -> Vec<Group> {
    groups.shuffle(generator);
    groups.sort_by_key(|group| std::cmp::Reverse(group.rows.len().ilog2()));
    groups
}

struct Table<'a> {
    groups: &'a [Group],
    wanted: Vec<Load>,
    held: Vec<Load>,
    count: Vec<usize>,
    part_of: Vec<usize>,
}

impl<'a> Table<'a> {
    fn new(groups: &'a [Group], shares: &[f64]) -> Self {
        let mut total = [0.0; 4];
        for group in groups {
            add(&mut total, &group.load, 1.0);
        }
        Self {
            groups,
            wanted: shares.iter().map(|share| total.map(|amount| amount * share)).collect(),
            held: vec![[0.0; 4]; shares.len()],
            count: vec![0; shares.len()],
            part_of: vec![0; groups.len()],
        }
    }

    /// How much the cost of a part changes when its load changes by `change`.
    fn cost_of(&self, part: usize, change: &Load) -> f64 {
        let (held, wanted) = (&self.held[part], &self.wanted[part]);
        let term = |column: usize| change[column] * (2.0 * (held[column] - wanted[column]) + change[column]);
        (ROWS_AGAINST_CLASSES * term(0) + term(1) + term(2) + term(3)) / wanted[0]
    }

    fn deal(&mut self) {
        let parts = self.held.len();
        for group in 0..self.groups.len() {
            let empty = self.count.iter().filter(|count| **count == 0).count();
            // As many groups as empty parts are left: each of these gets one.
            let only_empty = empty >= self.groups.len() - group;
            let load = self.groups[group].load;
            let mut best: Option<(f64, usize)> = None;
            for part in (0..parts).filter(|part| !only_empty || self.count[*part] == 0) {
                let cost = self.cost_of(part, &load);
                if best.is_none_or(|(least, _)| cost < least) {
                    best = Some((cost, part));
                }
            }
            let (_, part) = best.unwrap_or_default();
            self.put(group, part);
        }
    }

    fn put(&mut self, group: usize, part: usize) {
        add(&mut self.held[part], &self.groups[group].load, 1.0);
        self.count[part] += 1;
        self.part_of[group] = part;
    }

    fn take(&mut self, group: usize) {
        let part = self.part_of[group];
        add(&mut self.held[part], &self.groups[group].load, -1.0);
        self.count[part] -= 1;
    }

    /// Moves and exchanges groups until no such step lowers the cost.
    fn improve(&mut self) {
        for _ in 0..MOST_PASSES {
            let moved = (0..self.groups.len()).filter(|group| self.move_if_better(*group)).count();
            let last = self.groups.len().min(LARGEST_EXCHANGED);
            let exchanged = (0..last).filter(|group| self.exchange_if_better(*group, last)).count();
            if moved + exchanged == 0 {
                return;
            }
        }
    }

    fn move_if_better(&mut self, group: usize) -> bool {
        let from = self.part_of[group];
        if self.count[from] == 1 {
            return false;
        }
        let load = self.groups[group].load;
        let without = self.cost_of(from, &load.map(|amount| -amount));
        let (mut least, mut best) = (-LEAST_GAIN, None);
        for part in (0..self.held.len()).filter(|part| *part != from) {
            let change = without + self.cost_of(part, &load);
            if change < least {
                (least, best) = (change, Some(part));
            }
        }
        let Some(part) = best else { return false };
        self.take(group);
        self.put(group, part);
        true
    }

    fn exchange_if_better(&mut self, group: usize, last: usize) -> bool {
        let from = self.part_of[group];
        let (mut least, mut best) = (-LEAST_GAIN, None);
        for other in group + 1..last {
            let part = self.part_of[other];
            if part == from {
                continue;
            }
            let mut change = self.groups[other].load;
            add(&mut change, &self.groups[group].load, -1.0);
            let cost = self.cost_of(from, &change) + self.cost_of(part, &change.map(|amount| -amount));
            if cost < least {
                (least, best) = (cost, Some(other));
            }
        }
        let Some(other) = best else { return false };
        let part = self.part_of[other];
        self.take(group);
        self.take(other);
        self.put(group, part);
        self.put(other, from);
        true
    }
}

/// A step must gain more than rounding could feign.
const LEAST_GAIN: f64 = 1e-9;

fn add(sum: &mut Load, load: &Load, sign: f64) {
    for (total, amount) in sum.iter_mut().zip(load) {
        *total += sign * amount;
    }
}
