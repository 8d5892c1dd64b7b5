use serde::{Deserialize, Serialize};

use super::{IntegerType, LowBits};

/// The numbers in which the frozen weights of a model are kept while adapters beside them are trained (`QLoRA`, Dettmers
/// et al. 2023). Vectors of norms and biases stay in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BaseNumbers {
    /// As they are computed.
    #[default]
    F32,
    /// Matrices and tables in bf16.
    Bf16,
    /// Matrices of linear maps in blocks of 8 bits, tables in bf16.
    Int8,
    /// Matrices of linear maps in blocks of 4 bits, tables in bf16.
    Int4,
}

/// How a matrix is kept in less than f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NarrowForm {
    /// Each number rounded to bf16, ties to even.
    Bf16,
    /// Whole numbers with scales in f32.
    Blocks(LowBits),
}

impl BaseNumbers {
    /// Its name in configurations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
            Self::Int4 => "int4",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::F32, Self::Bf16, Self::Int8, Self::Int4].into_iter().find(|base| base.name() == name)
    }

    /// How the matrix of a linear map is kept, where not in f32.
    #[must_use]
    pub fn of_maps(self) -> Option<NarrowForm> {
        let blocks = |weights| NarrowForm::Blocks(LowBits { weights, block_size: LowBits::USUAL_BLOCK });
        match self {
            Self::F32 => None,
            Self::Bf16 => Some(NarrowForm::Bf16),
            Self::Int8 => Some(blocks(IntegerType::Int8)),
            Self::Int4 => Some(blocks(IntegerType::Int4)),
        }
    }

    /// How a table is kept, where not in f32.
    #[must_use]
    pub fn of_tables(self) -> Option<NarrowForm> {
        (self != Self::F32).then_some(NarrowForm::Bf16)
    }
}
