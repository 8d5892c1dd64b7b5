use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use linfa_preprocessing::linear_scaling::LinearScaler;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use crate::features::{Column, Parity};

/// A scaled value is cut here: a battle unlike all others must not decide a prediction alone, in
/// training or after.
const LARGEST: f64 = 5.0;

/// Brings dense features to a common scale, each by its parity.
///
/// Even columns are centred and divided by their standard deviation. Odd ones are divided by their
/// root mean square and not centred: over both orders of every battle their mean is zero, and only
/// so a change of sign before is one after, bit for bit. Constant columns are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaler {
    /// Columns that change their sign when the sides are exchanged.
    pub odd: Vec<ScaledColumn>,
    /// Columns that stay.
    pub even: Vec<ScaledColumn>,
}

/// How one column is scaled: `(x - offset) * scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaledColumn {
    /// Its name.
    pub name: String,
    /// Its place in the matrix of all features.
    pub index: usize,
    /// What is subtracted; zero for an odd column.
    pub offset: f64,
    /// What it is multiplied by then.
    pub scale: f64,
}

impl Scaler {
    /// Learns the scales of a matrix with these columns.
    ///
    /// # Errors
    /// What linfa says when the matrix has no row.
    pub fn fit(
        matrix: &Array2<f64>,
        columns: &[Column],
    ) -> Result<Self, linfa_preprocessing::PreprocessingError> {
        let targets = Array1::<()>::default(matrix.nrows());
        let standard = LinearScaler::standard().fit(&DatasetBase::new(matrix.view(), targets.view()))?;
        let mut scaler = Self { odd: Vec::new(), even: Vec::new() };
        for (index, (column, values)) in columns.iter().zip(matrix.columns()).enumerate() {
            let odd = column.parity == Parity::Odd;
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let largest = high.abs().max(low.abs());
            let (offset, spread) = if odd {
                (0.0, (values.dot(&values) / values.len() as f64).sqrt())
            } else {
                (standard.offsets()[index], 1.0 / standard.scales()[index])
            };
            // linfa leaves the scale of a constant column at 1; a range within rounding error is none.
            let varies = if odd { largest > 0.0 } else { high - low > 1e-9 * largest };
            if varies && spread.is_finite() {
                let scaled = ScaledColumn { name: column.name.clone(), index, offset, scale: 1.0 / spread };
                if odd { scaler.odd.push(scaled) } else { scaler.even.push(scaled) }
            }
        }
        Ok(scaler)
    }

    /// The scaled odd columns and the scaled even ones.
    #[must_use]
    pub fn transform(&self, matrix: &Array2<f64>) -> (Array2<f64>, Array2<f64>) {
        let scaled = |columns: &[ScaledColumn]| {
            Array2::from_shape_fn((matrix.nrows(), columns.len()), |(row, place)| {
                let column = &columns[place];
                ((matrix[[row, column.index]] - column.offset) * column.scale).clamp(-LARGEST, LARGEST)
            })
        };
        (scaled(&self.odd), scaled(&self.even))
    }

    /// Whether every column lies within a matrix of this many columns.
    #[must_use]
    pub fn fits(&self, columns: usize) -> bool {
        self.odd.iter().chain(&self.even).all(|column| column.index < columns)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::features::FeatureGroup;

    fn column(name: &str, parity: Parity) -> Column {
        Column { name: name.to_owned(), group: FeatureGroup::Length, parity }
    }

    #[test]
    fn odd_columns_keep_their_zero_and_even_ones_lose_their_mean() {
        let matrix = array![[3.0, 1.0, 7.0], [4.0, 3.0, 7.0]];
        let columns = [column("a", Parity::Odd), column("b", Parity::Even), column("c", Parity::Even)];
        let scaler = Scaler::fit(&matrix, &columns).unwrap();
        let (odd, even) = scaler.transform(&matrix);
        assert_eq!(even, array![[-1.0], [1.0]], "the constant column is left out");
        assert!((odd[[0, 0]] / odd[[1, 0]] - 0.75).abs() < 1e-15);
        let (negated, _) = scaler.transform(&(-&matrix));
        assert_eq!(negated, -odd);
    }

    #[test]
    fn one_row_has_no_even_column_and_far_values_are_cut() {
        let columns = [column("a", Parity::Odd), column("b", Parity::Even)];
        let scaler = Scaler::fit(&array![[2.0, 5.0]], &columns).unwrap();
        assert_eq!((scaler.odd.len(), scaler.even.len()), (1, 0));
        let (odd, _) = scaler.transform(&array![[1e300, 5.0]]);
        assert_eq!(odd, array![[LARGEST]]);
    }
}
