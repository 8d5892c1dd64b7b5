/// What an adapter adds to a weight: `scaling B A`.
#[derive(Clone, Debug, PartialEq)]
pub struct Delta {
    /// Width of A's rows.
    pub inputs: usize,
    /// Rows of A, width of B's rows.
    pub rank: usize,
    /// A, [rank, inputs].
    pub a: Vec<f32>,
    /// B, [outputs, rank].
    pub b: Vec<f32>,
    /// What the product is multiplied by.
    pub scaling: f64,
}

impl Delta {
    /// Adds it to the rows of a weight, in f32.
    #[expect(clippy::cast_possible_truncation, reason = "the merge is in f32, as PEFT does it")]
    pub fn add_to(&self, weight: &mut [f32]) {
        let (inputs, rank, scaling) = (self.inputs.max(1), self.rank.max(1), self.scaling as f32);
        let mut product = vec![0.0; inputs];
        for (row, b) in weight.chunks_exact_mut(inputs).zip(self.b.chunks_exact(rank)) {
            product.fill(0.0);
            for (&factor, a) in b.iter().zip(self.a.chunks_exact(inputs)) {
                product.iter_mut().zip(a).for_each(|(sum, &value)| *sum += factor * value);
            }
            row.iter_mut().zip(&product).for_each(|(value, &change)| *value += scaling * change);
        }
    }

    /// What it adds to some of the rows.
    pub(in crate::checkpoint) fn rows(&self, first: usize, count: usize) -> Self {
        let b = self.b.chunks_exact(self.rank.max(1)).skip(first).take(count).flatten().copied().collect();
        Self { b, a: self.a.clone(), ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta() -> Delta {
        Delta { inputs: 2, rank: 1, a: vec![1.0, 2.0], b: vec![3.0, -1.0], scaling: 0.5 }
    }

    #[test]
    fn the_scaled_product_is_added() {
        let mut weight = [10.0, 20.0, 30.0, 40.0];
        delta().add_to(&mut weight);
        assert_eq!(weight, [11.5, 23.0, 29.5, 39.0]);
    }

    #[test]
    fn some_rows_get_their_part_of_it() {
        let mut weight = [30.0, 40.0];
        delta().rows(1, 1).add_to(&mut weight);
        assert_eq!(weight, [29.5, 39.0]);
    }
}
