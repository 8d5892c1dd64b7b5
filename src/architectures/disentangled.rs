use super::{Linear, Norm, Parameter};

/// Scores between contents and distances (He et al. 2021), which are added to those between contents and are scaled
/// like them: the query of a token on the key of the distance to the other one (c2p), and the key of the other one
/// on the query of that distance (p2c).
#[derive(Clone, Debug, PartialEq)]
pub struct Disentangled {
    /// One row a distance, [2 x span, width], shared by the layers.
    pub table: Parameter,
    /// Normalises its rows.
    pub norm: Option<Norm>,
    /// To keys of distances, which contents ask.
    pub key: Option<Linear>,
    /// To queries of distances, which ask contents.
    pub query: Option<Linear>,
    /// Distances from here on share a row.
    pub max_distance: usize,
    /// Whether distances beyond half of the span share rows that widen with their logarithm.
    pub logarithmic: bool,
    /// The longest text, in tokens.
    pub max_positions: usize,
}

impl Disentangled {
    /// Rows of the table for either direction.
    #[must_use]
    pub fn span(&self) -> usize {
        self.table.shape.first().copied().unwrap_or(0) / 2
    }

    /// The row of the table for a token that looks `distance` places back.
    #[must_use]
    pub fn row(&self, distance: i64) -> usize {
        let span = i64::try_from(self.span()).unwrap_or(i64::MAX);
        let bucket = if self.logarithmic { self.bucket(distance) } else { distance };
        usize::try_from((bucket + span).clamp(0, (2 * span - 1).max(0))).unwrap_or(0)
    }

    /// Near distances have a bucket each; beyond, the buckets widen with the logarithm. In f32 and in the order of
    /// the programs that the models were trained with, because a ceiling is taken.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "buckets are few, and the models were trained on f32"
    )]
    fn bucket(&self, distance: i64) -> i64 {
        let middle = i64::try_from(self.span() / 2).unwrap_or(i64::MAX);
        let far = distance.abs();
        if far <= middle || middle < 1 {
            return distance;
        }
        let last = self.max_distance.saturating_sub(1) as f64 / middle as f64;
        let share = (far as f32 / middle as f32).ln() / (last as f32).ln();
        let beyond = (share * (middle - 1) as f32).ceil() as i64;
        distance.signum() * (beyond + middle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architectures::Embedding;

    #[test]
    fn rows_are_those_of_the_reference() {
        let disentangled = |rows, max_distance, logarithmic| Disentangled {
            table: Embedding::table("rel_embeddings.weight", rows, 4),
            norm: None,
            key: None,
            query: None,
            max_distance,
            logarithmic,
            max_positions: 512,
        };
        let distances = [0, 1, -1, 127, 128, 129, 200, 300, 400, 511, -129, -300, -511];
        // As make_log_bucket_position of transformers 5.24.0 gives them for v3, plus the span.
        let expected = [256, 257, 255, 383, 384, 385, 425, 463, 489, 511, 127, 49, 1];
        let three = disentangled(512, 512, true);
        assert_eq!(distances.map(|distance| three.row(distance)), expected);
        assert_eq!((-700..=700).map(|distance| three.bucket(distance).abs()).sum::<i64>(), 276_946);
        let plain = disentangled(8, 512, false);
        assert_eq!([-9, -4, -1, 0, 3, 4, 9].map(|distance| plain.row(distance)), [0, 0, 3, 4, 7, 7, 7]);
    }
}
