//! Where a model is trained.

use std::fmt;

use crate::compute::{ComputeError, Engine};
use crate::finetune::FinetuneError;
use crate::onnx::{Device, DeviceKind};
use crate::predictors::language_model::Serving;

/// Where a model is trained, and why there.
#[derive(Clone, Debug)]
pub(super) struct TrainingPlace {
    pub(super) engine: Engine,
    reason: String,
}

impl fmt::Display for TrainingPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, {}", self.engine, self.reason)
    }
}

impl TrainingPlace {
    /// The one that the flags name: a GPU that is named is used or refused, and never replaced by the processor.
    ///
    /// # Errors
    /// `FinetuneError::Device` with the ways out.
    pub(super) fn chosen(serving: &Serving) -> Result<Self, FinetuneError> {
        let (flag, device) = match &serving.training {
            Some(device) => ("--train-device", device),
            None => ("--device", &serving.device),
        };
        let number = device.numbers().first().map_or(0, |&number| number as usize);
        match device.kind() {
            DeviceKind::Cpu => Ok(Self::on_processor(format!("by `{flag} cpu`"))),
            DeviceKind::Auto => Ok(Self::automatic(number)),
            DeviceKind::Cuda | DeviceKind::TensorRt => match Engine::cuda(number) {
                Ok(engine) => Ok(Self { engine, reason: format!("by `{flag} {device}`") }),
                Err(source) => Err(refused((flag, device), Box::new(source))),
            },
        }
    }

    fn on_processor(reason: String) -> Self {
        Self { engine: Engine::PROCESSOR, reason }
    }

    /// A GPU where one works.
    fn automatic(number: usize) -> Self {
        match Engine::cuda(number) {
            Ok(engine) => Self { engine, reason: "because it works".to_owned() },
            Err(why_not) => Self::on_processor(format!("because {why_not}")),
        }
    }
}

fn refused((flag, device): (&'static str, &Device), source: Box<ComputeError>) -> FinetuneError {
    let way_out = if flag == "--device" {
        "`--train-device cpu` trains on the processor and predicts there"
    } else {
        "`--train-device cpu` trains on the processor"
    };
    FinetuneError::Device { device: format!("{flag} {device}"), way_out, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(device: &str, training: Option<&str>) -> Result<TrainingPlace, FinetuneError> {
        let mut serving = Serving::new(1, 1);
        serving.device = device.parse().unwrap();
        serving.training = training.map(|device| device.parse().unwrap());
        TrainingPlace::chosen(&serving)
    }

    #[test]
    fn the_processor_trains_where_it_is_named_and_says_so() {
        assert_eq!(chosen("cpu", None).unwrap().to_string(), "cpu, by `--device cpu`");
        assert_eq!(chosen("cuda", Some("cpu")).unwrap().to_string(), "cpu, by `--train-device cpu`");
    }

    #[test]
    fn a_gpu_that_is_named_and_cannot_be_used_is_an_error_and_never_the_processor() {
        // Number 99 is nowhere.
        for (device, training, said) in [
            ("cuda:99", None, "`--device cuda:99`"),
            ("tensorrt:99", None, "`--device tensorrt:99`"),
            ("cpu", Some("cuda:99"), "`--train-device cuda:99`"),
        ] {
            let message = chosen(device, training).unwrap_err().to_string();
            assert!(message.contains(said) && message.contains("`--train-device cpu`"), "{message}");
        }
    }

    #[test]
    fn what_is_left_open_is_decided_with_a_reason() {
        let place = chosen("auto:99", None).unwrap();
        assert!(!place.engine.is_gpu() && place.to_string().starts_with("cpu, because "), "{place}");
    }
}
