/// Sets of rows that grow together: union-find with path halving, joined by smallest member.
#[derive(Clone, Debug)]
pub struct Components {
    parent: Vec<usize>,
}

impl Components {
    /// `n` rows, each alone.
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self { parent: (0..n).collect() }
    }

    /// The smallest row of the set that `row` is in.
    pub fn root(&mut self, mut row: usize) -> usize {
        while self.parent[row] != row {
            self.parent[row] = self.parent[self.parent[row]];
            row = self.parent[row];
        }
        row
    }

    /// Puts the sets of two rows together.
    pub fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.parent[one.max(other)] = one.min(other);
    }

    /// The smallest row of its set, for every row.
    #[must_use]
    pub fn into_roots(mut self) -> Vec<usize> {
        (0..self.parent.len()).map(|row| self.root(row)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_joined_through_others_share_the_smallest_root() {
        let mut components = Components::new(6);
        components.join(5, 4);
        components.join(2, 4);
        components.join(0, 3);
        assert_eq!(components.into_roots(), [0, 1, 2, 0, 2, 2]);
    }
}
