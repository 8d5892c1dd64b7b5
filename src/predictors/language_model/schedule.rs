//! Which items run together and in which order. An item is one sequence: row `i` of a run with `orders`
//! orders has the items `i * orders .. (i + 1) * orders`.

use crate::encoding::{Batch, Row, plan};

/// How items are put into batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleOptions {
    /// Padded tokens that a batch may hold; a longer item runs alone.
    pub batch_tokens: usize,
    /// Orders in which each row is asked.
    pub orders: usize,
    /// Whether every row gets one pass before any gets its second; else the orders of a row run together.
    pub one_pass_first: bool,
}

/// Batches of the items that are not done, longest first.
#[must_use]
pub fn schedule(lengths: &[usize], done: &[bool], options: &ScheduleOptions) -> Vec<Vec<usize>> {
    schedule_rows(&rows_of(lengths.len(), options.orders), lengths, done, options)
}

/// The items of each row where every row has `orders` of its own.
#[must_use]
pub fn rows_of(items: usize, orders: usize) -> Vec<Vec<usize>> {
    let orders = orders.max(1);
    let rows = items.div_ceil(orders);
    (0..rows).map(|row| (row * orders..((row + 1) * orders).min(items)).collect()).collect()
}

/// The same for rows that name their items, which may be fewer than there are orders: an item that two rows
/// share is computed for the first of them.
#[must_use]
pub fn schedule_rows(
    rows: &[Vec<usize>],
    lengths: &[usize],
    done: &[bool],
    options: &ScheduleOptions,
) -> Vec<Vec<usize>> {
    let is_pending = |item: &usize| !done.get(*item).copied().unwrap_or(false);
    let pending = |row: &Vec<usize>| row.iter().copied().filter(is_pending).collect::<Vec<_>>();
    if !options.one_pass_first {
        let units: Vec<Vec<usize>> = rows.iter().map(pending).collect();
        return together(&units, lengths, options.batch_tokens);
    }
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for row in rows {
        let mut seen = !row.iter().all(is_pending);
        for item in pending(row) {
            if seen {
                later.push(vec![item]);
            } else {
                first.push(vec![item]);
            }
            seen = true;
        }
    }
    let mut batches = together(&first, lengths, options.batch_tokens);
    batches.extend(together(&later, lengths, options.batch_tokens));
    batches
}

/// Batches of whole units; a unit that is larger than the budget is broken into its items.
fn together(units: &[Vec<usize>], lengths: &[usize], budget: usize) -> Vec<Vec<usize>> {
    let length = |item: &usize| lengths[*item];
    let mut whole: Vec<Vec<usize>> = Vec::new();
    for unit in units.iter().filter(|unit| !unit.is_empty()) {
        if unit.len() * unit.iter().map(length).max().unwrap_or(0) <= budget {
            whole.push(unit.clone());
        } else {
            whole.extend(unit.iter().map(|item| vec![*item]));
        }
    }
    let rows: Vec<Row> = whole
        .iter()
        .map(|unit| Row {
            sequences: unit.len(),
            longest: unit.iter().map(|item| lengths[*item]).max().unwrap_or(0),
        })
        .collect();
    let items = |batch: Batch| batch.rows.into_iter().flat_map(|row| whole[row].iter().copied()).collect();
    plan(&rows, budget).into_iter().map(items).collect()
}

/// Rows and padded length of each batch.
#[must_use]
pub fn shapes(batches: &[Vec<usize>], lengths: &[usize]) -> Vec<(usize, usize)> {
    let longest = |batch: &Vec<usize>| batch.iter().map(|item| lengths[*item]).max().unwrap_or(0);
    batches.iter().map(|batch| (batch.len(), longest(batch))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [usize; 8] = [10, 11, 90, 88, 40, 40, 300, 299];

    fn options(one_pass_first: bool) -> ScheduleOptions {
        ScheduleOptions { batch_tokens: 200, orders: 2, one_pass_first }
    }

    fn sorted(batches: &[Vec<usize>]) -> Vec<usize> {
        let mut items: Vec<usize> = batches.iter().flatten().copied().collect();
        items.sort_unstable();
        items
    }

    #[test]
    fn the_orders_of_a_row_run_in_one_batch_and_longer_ones_first() {
        let batches = schedule(&LENGTHS, &[false; 8], &options(false));
        assert_eq!(batches, [vec![6], vec![7], vec![2, 3], vec![4, 5, 0, 1]]);
        assert_eq!(shapes(&batches, &LENGTHS)[3], (4, 40));
    }

    #[test]
    fn every_row_gets_one_pass_before_any_second() {
        let batches = schedule(&LENGTHS, &[false; 8], &options(true));
        assert_eq!(sorted(&batches), (0..8).collect::<Vec<_>>());
        let order: Vec<usize> = batches.iter().flatten().map(|item| item % 2).collect();
        assert_eq!(order, [0, 0, 0, 0, 1, 1, 1, 1]);
    }

    #[test]
    fn what_is_done_is_left_out_and_counts_as_the_first_pass() {
        let mut done = [false; 8];
        (done[1], done[6], done[7]) = (true, true, true);
        let batches = schedule(&LENGTHS, &done, &options(true));
        assert_eq!(sorted(&batches), [0, 2, 3, 4, 5]);
        let first: Vec<usize> = batches.iter().flatten().copied().take(2).collect();
        assert_eq!(first, [2, 4]);
        assert!(schedule(&LENGTHS, &[true; 8], &options(false)).is_empty());
    }
}
