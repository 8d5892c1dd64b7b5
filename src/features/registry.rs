use std::sync::LazyLock;

use super::measure::{Facts, Measure, Shared, contents};
use super::{Column, FeatureGroup, Parity};

/// Everything that can be counted, in a fixed order: columns point into it.
pub(super) struct Registry {
    measures: Vec<(FeatureGroup, &'static Measure)>,
    shared: Vec<(FeatureGroup, &'static Shared)>,
}

/// The numbers of one battle: one a measure and side, one a shared number.
pub(super) struct Numbers {
    pub(super) a: Vec<f64>,
    pub(super) b: Vec<f64>,
    pub(super) shared: Vec<f64>,
}

/// What the values of a column are made of, as places in `Numbers`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// A less B.
    Difference(usize),
    /// The size of the difference.
    Gap(usize),
    /// The mean of A and B.
    Mean(usize),
    /// A number of the battle.
    Shared(usize),
    /// A difference times an even factor.
    Product(usize, Factor),
}

/// The even factor of a product.
#[derive(Clone, Copy, Debug)]
pub(super) enum Factor {
    Mean(usize),
    Shared(usize),
}

impl Source {
    /// The value of the column, finite.
    pub(super) fn value(self, numbers: &Numbers) -> f64 {
        let difference = |place: usize| numbers.a[place] - numbers.b[place];
        let mean = |place: usize| f64::midpoint(numbers.a[place], numbers.b[place]);
        match self {
            Self::Difference(place) => difference(place),
            Self::Gap(place) => difference(place).abs(),
            Self::Mean(place) => mean(place),
            Self::Shared(place) => numbers.shared[place],
            Self::Product(place, Factor::Mean(factor)) => difference(place) * mean(factor),
            Self::Product(place, Factor::Shared(factor)) => difference(place) * numbers.shared[factor],
        }
    }
}

impl Registry {
    /// The one registry.
    pub(super) fn get() -> &'static Self {
        static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
            let mut registry = Registry { measures: Vec::new(), shared: Vec::new() };
            for group in FeatureGroup::ALL {
                let (measures, shared, _) = contents(group);
                registry.measures.extend(measures.iter().map(|measure| (group, measure)));
                registry.shared.extend(shared.iter().map(|shared| (group, shared)));
            }
            registry
        });
        &REGISTRY
    }

    /// All numbers of one battle.
    pub(super) fn numbers(&self, facts: &Facts) -> Numbers {
        // No measure divides by zero or takes the logarithm of a negative number; this keeps it so.
        let checked = |value: f64| if value.is_finite() { value.clamp(-50.0, 50.0) } else { 0.0 };
        let [a, b] = facts.views().map(|view| {
            self.measures.iter().map(|(_, measure)| checked((measure.value)(&view))).collect::<Vec<_>>()
        });
        let shared = self.shared.iter().map(|(_, shared)| checked((shared.value)(facts))).collect();
        Numbers { a, b, shared }
    }

    /// The columns of one group with what they are made of.
    pub(super) fn columns(&self, group: FeatureGroup) -> Vec<(Column, Source)> {
        let mut columns = Vec::new();
        let mut add = |name: String, parity: Parity, source: Source| {
            columns.push((Column { name: format!("{}.{name}", group.name()), group, parity }, source));
        };
        for (place, (_, measure)) in
            self.measures.iter().enumerate().filter(|(_, (owner, _))| *owner == group)
        {
            add(format!("{}_difference", measure.name), Parity::Odd, Source::Difference(place));
            if measure.even {
                add(format!("{}_gap", measure.name), Parity::Even, Source::Gap(place));
                add(format!("{}_mean", measure.name), Parity::Even, Source::Mean(place));
            }
        }
        for (place, (_, shared)) in self.shared.iter().enumerate().filter(|(_, (owner, _))| *owner == group) {
            add(shared.name.to_owned(), Parity::Even, Source::Shared(place));
        }
        for product in contents(group).2 {
            let factor = self.shared_place(product.even).map(Factor::Shared);
            let factor = factor.or_else(|| self.measure_place(product.even).map(Factor::Mean));
            if let (Some(place), Some(factor)) = (self.measure_place(product.odd), factor) {
                let name = format!("{}_by_{}", product.odd, product.even).replace('.', "_");
                add(name, Parity::Odd, Source::Product(place, factor));
            }
        }
        columns
    }

    /// The measures of one group: their places, names, and whether they have even columns.
    pub(super) fn measures(&self, group: FeatureGroup) -> impl Iterator<Item = (usize, &'static Measure)> {
        let all = self.measures.iter().enumerate();
        all.filter(move |(_, (owner, _))| *owner == group).map(|(place, (_, measure))| (place, *measure))
    }

    /// The shared numbers of one group.
    pub(super) fn shared(&self, group: FeatureGroup) -> impl Iterator<Item = (usize, &'static Shared)> {
        let all = self.shared.iter().enumerate();
        all.filter(move |(_, (owner, _))| *owner == group).map(|(place, (_, shared))| (place, *shared))
    }

    fn measure_place(&self, name: &str) -> Option<usize> {
        let matches =
            |group: &FeatureGroup, own: &str| name.strip_prefix(group.name()) == Some(&format!(".{own}"));
        self.measures.iter().position(|(group, measure)| matches(group, measure.name))
    }

    fn shared_place(&self, name: &str) -> Option<usize> {
        let matches =
            |group: &FeatureGroup, own: &str| name.strip_prefix(group.name()) == Some(&format!(".{own}"));
        self.shared.iter().position(|(group, shared)| matches(group, shared.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_product_finds_its_factors_and_every_name_is_unique() {
        let registry = Registry::get();
        let mut names = Vec::new();
        for group in FeatureGroup::ALL {
            let (measures, shared, products) = contents(group);
            let even = measures.iter().filter(|measure| measure.even).count();
            let columns = registry.columns(group);
            assert_eq!(columns.len(), measures.len() + 2 * even + shared.len() + products.len(), "{group:?}");
            names.extend(columns.into_iter().map(|(column, _)| column.name));
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
