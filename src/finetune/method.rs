use crate::checkpoint::Head;
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
    /// Gives the model its head, adapters where they are wanted, and the choice of what is trained.
    ///
    /// # Errors
    /// `FinetuneError` for adapters without a place.
    pub fn prepare(&self, model: &mut Model, head: &Head) -> Result<(), FinetuneError> {
        model.attach(head)?;
        if let Self::Adapters(settings) = self {
            model.adapt(settings)?;
        }
        model.choose(|info| match self {
            Self::Head => info.part == Part::Head,
            Self::Adapters(_) => matches!(info.part, Part::Head | Part::Adapter),
            Self::Full => true,
        });
        Ok(())
    }
}
