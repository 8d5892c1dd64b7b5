use serde::{Deserialize, Serialize};

/// The three classes in the order of every column, array and matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Model A wins.
    A = 0,
    /// Model B wins.
    B = 1,
    /// Neither wins.
    Tie = 2,
}

impl Class {
    /// All classes in column order.
    pub const ALL: [Self; 3] = [Self::A, Self::B, Self::Tie];

    /// The column of the class: 0, 1 or 2.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// The class after the two sides are exchanged.
    #[must_use]
    pub fn swapped(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
            Self::Tie => Self::Tie,
        }
    }

    /// How reports and tables call the class.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::A => "A wins",
            Self::B => "B wins",
            Self::Tie => "tie",
        }
    }
}

/// What the person said, as recorded; "both are bad" is kept apart from a tie until a task merges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// Model A won.
    A,
    /// Model B won.
    B,
    /// Both were good.
    Tie,
    /// Both were bad.
    BothBad,
}

impl Vote {
    /// The class of the three-way task: both bad counts as a tie.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::A => Class::A,
            Self::B => Class::B,
            Self::Tie | Self::BothBad => Class::Tie,
        }
    }

    /// The vote after the two sides are exchanged.
    #[must_use]
    pub fn swapped(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
            other => other,
        }
    }

    /// The one spelling we write; `from_spelling` reads it back.
    #[must_use]
    pub fn spelling(self) -> &'static str {
        match self {
            Self::A => "model_a",
            Self::B => "model_b",
            Self::Tie => "tie",
            Self::BothBad => "both_bad",
        }
    }

    /// Reads the spellings found in released files, and nothing else.
    #[must_use]
    pub fn from_spelling(text: &str) -> Option<Self> {
        match text {
            "model_a" => Some(Self::A),
            "model_b" => Some(Self::B),
            "tie" => Some(Self::Tie),
            "tie (bothbad)" | "both_bad" | "bothbad" => Some(Self::BothBad),
            _ => None,
        }
    }
}

/// What is predicted and scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A, B or tie, judged by log loss (LMSYS).
    #[default]
    ThreeWay,
    /// A or B, judged by accuracy, with log loss as the tie-break (WSDM).
    TwoWay,
}
