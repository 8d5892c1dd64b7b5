use crate::architectures::Role;
use crate::checkpoint::{BaseNumbers, Head};
use crate::compute::{AdapterSettings, Model, Part};

use super::FinetuneError;

/// What is trained.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// The head alone.
    Head,
    /// Adapters and the head.
    Adapters(AdapterSettings),
    /// Everything.
    Full,
}

impl Method {
    /// Gives the model its head, adapters where they are wanted, and the choice of what is trained. The heads of
    /// decoders have no bias in their files; `head_bias` says whether one is trained all the same.
    ///
    /// # Errors
    /// `FinetuneError` for adapters without a place, and for everything where the base is kept in less than f32.
    pub fn prepare(&self, model: &mut Model, head: &Head, head_bias: bool) -> Result<(), FinetuneError> {
        if *self == Self::Full && model.base() != BaseNumbers::F32 {
            let message = format!(
                "the base is kept in `{}`, which nothing trains; keep it in `f32`, or train adapters beside it",
                model.base().name()
            );
            return Err(FinetuneError::Settings(message));
        }
        model.attach(head)?;
        if let Self::Adapters(settings) = self {
            model.adapt(settings)?;
        }
        model.choose(|info| match self {
            _ if info.part == Part::Head => head_bias || info.parameter.role != Role::Bias,
            Self::Head => false,
            Self::Adapters(_) => info.part == Part::Adapter,
            Self::Full => true,
        });
        Ok(())
    }
}
