use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where models run, as `--device` says it: `cpu`, `cuda`, `tensorrt` or `auto`, and behind a colon the
/// numbers of several devices, each of which gets one copy of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Device {
    kind: DeviceKind,
    numbers: Vec<u32>,
}

/// The kind of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor.
    Cpu,
    /// NVIDIA devices through CUDA.
    Cuda,
    /// NVIDIA devices through `TensorRT`, and CUDA for what it does not know.
    TensorRt,
    /// CUDA if it works, else the processor; the report says which and why.
    Auto,
}

impl DeviceKind {
    /// The word on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
            Self::Auto => "auto",
        }
    }
}

/// The text names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no device: {problem}; use `cpu`, `cuda`, `tensorrt` or `auto`, with numbers as in `cuda:0,1`"
)]
pub struct UnknownDevice {
    text: String,
    problem: String,
}

impl Device {
    /// The processor.
    pub const CPU: Self = Self { kind: DeviceKind::Cpu, numbers: Vec::new() };
    /// CUDA if it works, else the processor.
    pub const AUTO: Self = Self { kind: DeviceKind::Auto, numbers: Vec::new() };

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> DeviceKind {
        self.kind
    }

    /// The numbers of the devices, ascending as given; number 0 where none was named.
    #[must_use]
    pub fn numbers(&self) -> &[u32] {
        if self.numbers.is_empty() { &[0] } else { &self.numbers }
    }
}

impl Default for Device {
    fn default() -> Self {
        Self::AUTO
    }
}

impl FromStr for Device {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> Result<Self, UnknownDevice> {
        let unknown = |problem: String| UnknownDevice { text: text.to_owned(), problem };
        let (word, list) = match text.split_once(':') {
            Some((word, list)) => (word, Some(list)),
            None => (text, None),
        };
        let kinds = [DeviceKind::Cpu, DeviceKind::Cuda, DeviceKind::TensorRt, DeviceKind::Auto];
        let kind = kinds.into_iter().find(|kind| kind.name() == word);
        let kind = kind.ok_or_else(|| unknown(format!("there is no kind `{word}`")))?;
        let mut numbers = Vec::new();
        for part in list.into_iter().flat_map(|list| list.split(',')) {
            let number: u32 =
                part.parse().map_err(|_| unknown(format!("`{part}` is no number of a device")))?;
            if numbers.contains(&number) {
                return Err(unknown(format!("device {number} is named twice")));
            }
            numbers.push(number);
        }
        if kind == DeviceKind::Cpu && !numbers.is_empty() {
            return Err(unknown("the processor has no number".to_owned()));
        }
        Ok(Self { kind, numbers })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        for (position, number) in self.numbers.iter().enumerate() {
            write!(f, "{}{number}", if position == 0 { ':' } else { ',' })?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Device {
    type Error = UnknownDevice;

    fn try_from(text: String) -> Result<Self, UnknownDevice> {
        text.parse()
    }
}

impl From<Device> for String {
    fn from(device: Device) -> Self {
        device.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_printed_as_it_was() {
        for text in ["cpu", "cuda", "tensorrt", "auto", "cuda:0", "cuda:2,0", "tensorrt:1", "auto:0,1"] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse::<Device>().unwrap().numbers(), [0]);
        assert_eq!("cuda:2,0".parse::<Device>().unwrap().numbers(), [2, 0]);
    }

    #[test]
    fn what_is_no_device_is_refused_with_the_forms_that_are() {
        for text in ["gpu", "", "CUDA", "cuda:", "cuda:a", "cuda:0,0", "cuda:-1", "cpu:0", "cuda:0,"] {
            let message = text.parse::<Device>().unwrap_err().to_string();
            assert!(message.contains("`cuda:0,1`"), "{message}");
        }
    }
}
