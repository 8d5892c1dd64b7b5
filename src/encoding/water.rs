/// A part that wants tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vessel {
    /// How many tokens the part has.
    pub tokens: usize,
    /// Its share, 1 to `Vessel::FULL`; equal parts get equal shares.
    pub weight: u32,
}

impl Vessel {
    /// The largest weight.
    pub const FULL: u32 = 1024;
}

/// Shares `budget` tokens: short parts keep everything, long ones share the rest by weight, none falls
/// below `floor` while another is above its own; where not even the floors fit, all fall alike.
///
/// The result sums to at most `budget`, is the lengths themselves when they fit, grows with the budget in
/// every part, and gives equal parts equal numbers; for the last two a few tokens (fewer than there are
/// parts) may stay unused.
#[must_use]
pub fn water_fill(vessels: &[Vessel], floor: usize, budget: usize) -> Vec<usize> {
    let floors: usize = vessels.iter().map(|vessel| vessel.tokens.min(floor)).sum();
    if floors > budget {
        let level =
            highest(floor as u64, |level| below_floor(vessels, level).iter().sum::<usize>() <= budget);
        return below_floor(vessels, level);
    }
    let top = vessels
        .iter()
        .map(|vessel| (vessel.tokens as u64 * u64::from(Vessel::FULL)) / u64::from(vessel.weight.max(1)) + 1)
        .max()
        .unwrap_or(0);
    let level = highest(top, |level| at_level(vessels, floor, level).iter().sum::<usize>() <= budget);
    at_level(vessels, floor, level)
}

fn below_floor(vessels: &[Vessel], level: u64) -> Vec<usize> {
    let level = usize::try_from(level).unwrap_or(usize::MAX);
    vessels.iter().map(|vessel| vessel.tokens.min(level)).collect()
}

fn at_level(vessels: &[Vessel], floor: usize, level: u64) -> Vec<usize> {
    vessels
        .iter()
        .map(|vessel| {
            let share = level * u64::from(vessel.weight.max(1)) / u64::from(Vessel::FULL);
            let share = usize::try_from(share).unwrap_or(usize::MAX);
            vessel.tokens.min(share.max(floor))
        })
        .collect()
}

/// The highest level in `0..=top` that fits; `fits(0)` must hold and fitting must end once.
fn highest(top: u64, fits: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, top);
    while low < high {
        let middle = high - (high - low) / 2;
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vessels(parts: &[(usize, u32)]) -> Vec<Vessel> {
        parts.iter().map(|&(tokens, weight)| Vessel { tokens, weight }).collect()
    }

    #[test]
    fn short_parts_keep_everything_and_long_ones_share_the_rest() {
        assert_eq!(water_fill(&vessels(&[(10, 1024), (500, 1024), (500, 1024)]), 0, 210), [10, 100, 100]);
        assert_eq!(water_fill(&vessels(&[(500, 512), (500, 1024), (500, 1024)]), 0, 250), [50, 100, 100]);
        assert_eq!(water_fill(&vessels(&[(500, 512), (20, 1024), (500, 1024)]), 0, 320), [100, 20, 200]);
    }

    #[test]
    fn floors_hold_while_they_fit_and_fall_alike_when_not() {
        assert_eq!(water_fill(&vessels(&[(500, 1), (500, 1024)]), 30, 130), [30, 100]);
        assert_eq!(water_fill(&vessels(&[(500, 1), (500, 1024), (4, 1024)]), 30, 24), [10, 10, 4]);
        assert_eq!(water_fill(&[], 3, 10), Vec::<usize>::new());
        assert_eq!(water_fill(&vessels(&[(5, 1)]), 3, 0), [0]);
    }
}
