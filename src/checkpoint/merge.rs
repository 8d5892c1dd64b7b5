use rayon::prelude::*;

/// An adapter that was trained beside a linear map: `scale B A` is added to its weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Merge {
    /// Width of A's rows.
    pub inputs: usize,
    /// A: [rank, inputs].
    pub down: Vec<f32>,
    /// B: [outputs, rank].
    pub up: Vec<f32>,
    /// alpha / rank.
    pub scale: f32,
}

impl Merge {
    /// Adds it to the rows of a weight, summed in f64.
    #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
    pub fn add_to(&self, weight: &mut [f32]) {
        let (inputs, scale) = (self.inputs.max(1), f64::from(self.scale));
        let rank = self.down.len() / inputs;
        let rows = weight.par_chunks_exact_mut(inputs).zip(self.up.par_chunks_exact(rank.max(1)));
        rows.for_each(|(row, up)| {
            for (column, weight) in row.iter_mut().enumerate() {
                let products = up.iter().enumerate();
                let product: f64 =
                    products.map(|(r, &up)| f64::from(up) * f64::from(self.down[r * inputs + column])).sum();
                *weight = (f64::from(*weight) + scale * product) as f32;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scaled_product_is_added() {
        let merge = Merge { inputs: 2, down: vec![1.0, 2.0], up: vec![3.0, -1.0], scale: 0.5 };
        let mut weight = [10.0, 20.0, 30.0, 40.0];
        merge.add_to(&mut weight);
        assert_eq!(weight, [11.5, 23.0, 29.5, 39.0]);
    }
}
