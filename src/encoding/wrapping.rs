use tokenizers::{Encoding, Token, Tokenizer};

use super::EncodingError;
use super::part::Part;
use super::tokenizer::PlacedToken;

/// A special token with its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Special {
    pub(super) id: u32,
    pub(super) type_id: u32,
}

/// The special tokens that the tokenizer writes around one text or two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wrapping {
    pub(super) before: Vec<Special>,
    pub(super) between: Vec<Special>,
    pub(super) after: Vec<Special>,
    /// The segments of the first and the second text.
    pub(super) types: [u32; 2],
}

impl Wrapping {
    /// Asks the tokenizer's own post-processor, on texts of one token: what is new around them is special.
    ///
    /// # Errors
    /// `NoPair` when it cannot join two texts.
    pub(super) fn learned(tokenizer: &Tokenizer, pair: bool) -> Result<Self, EncodingError> {
        let one = || Encoding::from_tokens(vec![Token::new(0, "x".to_owned(), (0, 1))], 0);
        let joined = tokenizer
            .post_process(one(), pair.then(one), true)
            .map_err(|error| EncodingError::NoPair { reason: error.to_string() })?;
        let mut wrapping = Self::default();
        let mut seen = 0;
        for ((&id, &type_id), &special) in
            joined.get_ids().iter().zip(joined.get_type_ids()).zip(joined.get_special_tokens_mask())
        {
            if special == 0 {
                if let Some(place) = wrapping.types.get_mut(seen) {
                    *place = type_id;
                }
                seen += 1;
                continue;
            }
            let place = match (seen, pair) {
                (0, _) => &mut wrapping.before,
                (1, true) => &mut wrapping.between,
                _ => &mut wrapping.after,
            };
            place.push(Special { id, type_id });
        }
        if seen == 1 + usize::from(pair) {
            return Ok(wrapping);
        }
        Err(EncodingError::NoPair { reason: format!("of the texts it keeps {seen}") })
    }

    pub(super) fn len(&self) -> usize {
        self.before.len() + self.between.len() + self.after.len()
    }
}

/// A token of a finished sequence.
pub(super) struct Laid {
    pub(super) token: PlacedToken,
    pub(super) type_id: u32,
}

/// The wrapping without what the template already wrote at its ends.
pub(super) fn once(wrapping: &Wrapping, segments: &[Vec<PlacedToken>]) -> Wrapping {
    let mut wrapping = wrapping.clone();
    let same =
        |(special, token): (&Special, &PlacedToken)| special.id == token.id && token.part == Part::Frame;
    let begins = segments.first().is_some_and(|first| {
        first.len() >= wrapping.before.len() && wrapping.before.iter().zip(first).all(same)
    });
    let ends = segments.last().is_some_and(|last| {
        last.len() >= wrapping.after.len() && wrapping.after.iter().rev().zip(last.iter().rev()).all(same)
    });
    if begins {
        wrapping.before.clear();
    }
    if ends {
        wrapping.after.clear();
    }
    wrapping
}

/// The segments with their special tokens.
pub(super) fn wrapped(wrapping: &Wrapping, segments: Vec<Vec<PlacedToken>>) -> Vec<Laid> {
    let special = |special: &Special| Laid {
        token: PlacedToken { id: special.id, part: Part::Special, turn: None, continues: false, place: None },
        type_id: special.type_id,
    };
    let mut laid: Vec<Laid> = wrapping.before.iter().map(special).collect();
    for (index, segment) in segments.into_iter().enumerate() {
        if index > 0 {
            laid.extend(wrapping.between.iter().map(special));
        }
        let type_id = wrapping.types[index.min(1)];
        laid.extend(segment.into_iter().map(|token| Laid { token, type_id }));
    }
    laid.extend(wrapping.after.iter().map(special));
    laid
}
