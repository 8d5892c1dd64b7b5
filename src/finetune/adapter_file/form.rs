use crate::checkpoint::{Family, Head, HeadActivation, Pooling, head_modules};
use crate::compute::Model;
use crate::finetune::FinetuneError;

/// Which class of transformers the adapter is for.
pub(super) enum Form {
    /// The one for sequence classification, with these modules as its head.
    Classifier(&'static [&'static str], &'static str),
    /// The bare model: its class for sequences has another head.
    Bare,
}

impl Form {
    pub(super) fn of(model: &Model) -> Result<Self, FinetuneError> {
        let family = model.config().family();
        let head = model.head()?;
        let modules = head_modules(family).filter(|_| is_usual(&head, family));
        Ok(modules.map_or(Self::Bare, |modules| Self::Classifier(modules, family.prefix())))
    }

    /// What stands before the names of the bare model.
    pub(super) fn prefix(&self, model: &Model) -> &'static str {
        match self {
            Self::Classifier(..) => model.config().family().prefix(),
            Self::Bare => "",
        }
    }

    /// PEFT's word for it.
    pub(super) fn task(&self) -> &'static str {
        match self {
            Self::Classifier(..) => "SEQ_CLS",
            Self::Bare => "FEATURE_EXTRACTION",
        }
    }

    /// The modules of the head, a layer each.
    pub(super) fn head_modules(&self) -> &'static [&'static str] {
        match self {
            Self::Classifier(modules, _) => modules,
            Self::Bare => &[],
        }
    }

    /// The outermost modules of the head, which PEFT saves whole.
    pub(super) fn saved_modules(&self) -> Vec<&'static str> {
        let Self::Classifier(modules, prefix) = self else { return Vec::new() };
        let mut saved: Vec<&str> = Vec::new();
        for module in *modules {
            let module = module.strip_prefix(prefix).unwrap_or(module);
            let first = module.split('.').next().unwrap_or(module);
            if !saved.contains(&first) {
                saved.push(first);
            }
        }
        saved
    }
}

/// Whether a head computes what the family's class for sequences does.
fn is_usual(head: &Head, family: Family) -> bool {
    use HeadActivation::{Gelu, Linear, Tanh};
    let (layers, pooling): (&[HeadActivation], _) = match family {
        Family::Bert | Family::Roberta => (&[Tanh, Linear], Pooling::First),
        Family::DebertaV2 => (&[Gelu, Linear], Pooling::First),
        Family::ModernBert => return false,
        _ => (&[Linear], Pooling::Last),
    };
    let has_layers = head.layers.iter().map(|layer| layer.activation).eq(layers.iter().copied());
    // The heads of decoders have no bias there.
    let fits = !family.is_decoder() || head.layers.iter().all(|layer| layer.bias.iter().all(|&b| b == 0.0));
    has_layers && fits && head.pooling == pooling && head.softcap.is_none()
}
