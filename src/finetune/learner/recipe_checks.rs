//! What a recipe may not say: numbers out of their range, and keys that would change nothing.

use super::recipe::{
    EarlyStopping, FinetuneRecipe, HeadStart, LoraRecipe, TuningMethod, batch, checkpoint_every, epsilon,
    micro_batch_tokens, one, one_epoch, three, warmup, weight_decay,
};
use crate::checkpoint::BaseNumbers;
use crate::encoding::Orders;
use crate::finetune::{Decay, FinetuneError};

impl FinetuneRecipe {
    /// Checks every number.
    ///
    /// # Errors
    /// `FinetuneError::Settings` names the key, its value and what it must be.
    pub fn check(&self) -> Result<(), FinetuneError> {
        self.beginning()?;
        let share = |value: f64| (0.0..1.0).contains(&value);
        let [rate, head_rate] = self.learning_rates();
        let mut faults = vec![
            ("outputs", self.outputs.to_string(), (1..=4).contains(&self.outputs), "1 to 4"),
            ("learning_rate", rate.to_string(), positive(rate), "above 0"),
            ("head_learning_rate", head_rate.to_string(), positive(head_rate), "above 0"),
            ("weight_decay", self.weight_decay.to_string(), self.weight_decay >= 0.0, "at least 0"),
            ("epsilon", self.epsilon.to_string(), positive(self.epsilon), "above 0"),
            ("clip_norm", self.clip_norm.to_string(), positive(self.clip_norm), "above 0"),
            ("warmup", self.warmup.to_string(), share(self.warmup), "a share from 0 to below 1"),
            (
                "label_smoothing",
                self.label_smoothing.to_string(),
                share(self.label_smoothing),
                "a share from 0 to below 1",
            ),
            ("epochs", self.epochs.to_string(), self.epochs > 0, "at least 1"),
            ("batch", self.batch.to_string(), self.batch > 0, "at least 1"),
            (
                "micro_batch_tokens",
                self.micro_batch_tokens.to_string(),
                self.micro_batch_tokens > 0,
                "at least 1",
            ),
            ("checkpoint_every", self.checkpoint_every.to_string(), self.checkpoint_every > 0, "at least 1"),
            ("lora.rank", self.lora.rank.to_string(), self.lora.rank > 0, "at least 1"),
            (
                "lora.dropout",
                self.lora.dropout.to_string(),
                share(self.lora.dropout),
                "a share from 0 to below 1",
            ),
            ("lora.alpha", self.lora.alpha.to_string(), positive(self.lora.alpha), "above 0"),
        ];
        if let Some(early) = self.early_stopping {
            faults.push((
                "early_stopping.share",
                early.share.to_string(),
                early.share > 0.0 && early.share < 1.0,
                "a share between 0 and 1",
            ));
            faults.push(("early_stopping.every", early.every.to_string(), early.every > 0, "at least 1"));
            faults.push((
                "early_stopping.patience",
                early.patience.to_string(),
                early.patience > 0,
                "at least 1",
            ));
        }
        for teacher in &self.teacher {
            faults.push((
                "teacher.weight",
                teacher.weight.to_string(),
                teacher.weight > 0.0 && teacher.weight <= 1.0,
                "above 0 and at most 1",
            ));
            faults.push((
                "teacher.temperature",
                teacher.temperature.to_string(),
                positive(teacher.temperature),
                "above 0",
            ));
        }
        let total: f64 = self.teacher.iter().map(|teacher| teacher.weight).sum();
        faults.push((
            "teacher.weight",
            total.to_string(),
            total <= 1.0 + 1e-9,
            "at most 1 over all teachers",
        ));
        if self.method == TuningMethod::Head {
            let fits = self.outputs == 3 && self.head == HeadStart::Fresh;
            faults.push(("outputs", self.outputs.to_string(), fits, "3 with a fresh head for `method = \"head\"`, whose solver knows A, B and tie; `lora` and `full` train every head"));
        }
        if let Some((key, value, _, must)) = faults.into_iter().find(|(_, _, holds, _)| !holds) {
            return Err(FinetuneError::Settings(format!("`{key}` is `{value}`, it must be {must}")));
        }
        let is_reward = self.head == HeadStart::Fresh && self.outputs == 1;
        self.check_effects(is_reward)
    }

    /// Refuses keys that would change nothing: whoever states one expects something of it. `is_reward` is known for sure
    /// only when a head of the checkpoint's own has been read.
    pub(super) fn check_effects(&self, is_reward: bool) -> Result<(), FinetuneError> {
        self.check_base()?;
        let (lora, every) = (LoraRecipe::default(), EarlyStopping::default());
        let early = self.early_stopping.unwrap_or_default();
        let lora_only = [("lora", self.lora != lora)];
        let of_steps = [
            ("learning_rate", self.learning_rate.is_some()),
            ("head_learning_rate", self.head_learning_rate.is_some()),
            ("weight_decay", self.weight_decay != weight_decay()),
            ("epsilon", self.epsilon != epsilon()),
            ("clip_norm", self.clip_norm != one()),
            ("warmup", self.warmup != warmup()),
            ("schedule", self.schedule != Decay::default()),
            ("epochs", self.epochs != one_epoch()),
            ("batch", self.batch != batch()),
            ("micro_batch_tokens", self.micro_batch_tokens != micro_batch_tokens()),
            ("recompute_layers", self.recompute_layers),
            ("label_smoothing", self.label_smoothing != 0.0),
            ("checkpoint_every", self.checkpoint_every != checkpoint_every()),
            ("early_stopping.every", early.every != every.every),
            ("early_stopping.patience", early.patience != every.patience),
        ];
        let of_verdicts = [
            ("label_smoothing", self.label_smoothing != 0.0),
            ("swap", !self.swap),
            ("orders", self.orders != Orders::default()),
        ];
        let of_fresh_heads = [("pooling", self.pooling.is_some()), ("outputs", self.outputs != three())];
        let rules: [Rule<'_>; 4] = [
            (self.method != TuningMethod::Lora, "only `method = \"lora\"` has adapters", &lora_only),
            (
                self.method == TuningMethod::Head,
                "`method = \"head\"` solves for the head at once, without steps",
                &of_steps,
            ),
            (is_reward, "a reward reads one response, and its loss is of two scores", &of_verdicts),
            (
                self.head == HeadStart::Own,
                "`head = \"own\"` takes pooling and outputs from the checkpoint",
                &of_fresh_heads,
            ),
        ];
        for (_, why, keys) in rules.into_iter().filter(|(applies, ..)| *applies) {
            if let Some((key, _)) = keys.iter().find(|(_, stated)| *stated) {
                return Err(FinetuneError::Settings(format!(
                    "`{key}` has no effect here: {why}; leave it out"
                )));
            }
        }
        Ok(())
    }

    /// Only what stays frozen may be kept in less than f32.
    fn check_base(&self) -> Result<(), FinetuneError> {
        if self.lora.base == BaseNumbers::F32 {
            return Ok(());
        }
        let (method, why) = match self.method {
            TuningMethod::Lora => return Ok(()),
            TuningMethod::Full => ("full", "it trains every weight, which must be in f32"),
            TuningMethod::Head => {
                ("head", "ONNX Runtime computes its hidden states once, with the weights as they are stored")
            }
        };
        Err(FinetuneError::Settings(format!(
            "`lora.base` is `{}` beside `method = \"{method}\"`: {why}; leave it out, or take `method = \"lora\"`, which \
             trains adapters beside a frozen base",
            self.lora.base.name()
        )))
    }
}

/// Whether a rule applies, why keys have no effect then, and which of them were stated.
type Rule<'a> = (bool, &'a str, &'a [(&'a str, bool)]);

fn positive(value: f64) -> bool {
    value > 0.0 && value.is_finite()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<FinetuneRecipe, toml::de::Error> {
        toml::from_str(&format!("model = \"m\"\n{text}"))
    }

    #[test]
    fn a_value_out_of_range_is_named() {
        for (text, key) in [
            ("outputs = 5", "`outputs` is `5`"),
            ("warmup = 1.0", "`warmup` is `1`"),
            ("lora = { rank = 0 }", "`lora.rank` is `0`"),
            ("lora = { dropout = 1.0 }", "`lora.dropout` is `1`"),
            ("method = \"head\"\noutputs = 1", "`outputs` is `1`"),
            ("early_stopping = { share = 1.5 }", "`early_stopping.share` is `1.5`"),
            (
                "teacher = [{ predictions = \"p\", weight = 0.7 }, { predictions = \"q\", weight = 0.7 }]",
                "`teacher.weight`",
            ),
        ] {
            let message = read(text).unwrap().check().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }

    #[test]
    fn a_base_in_less_than_f32_is_for_adapters_alone() {
        for base in ["bf16", "int8", "int4"] {
            read(&format!("lora = {{ base = \"{base}\" }}")).unwrap().check().unwrap();
            for method in ["full", "head"] {
                let text = format!("method = \"{method}\"\nlora = {{ base = \"{base}\" }}");
                let message = read(&text).unwrap().check().unwrap_err().to_string();
                let parts = [&format!("`lora.base` is `{base}`"), "take `method = \"lora\"`"];
                assert!(parts.iter().all(|part| message.contains(*part)), "{message}");
            }
        }
    }

    #[test]
    fn a_key_without_effect_is_refused() {
        for (text, key) in [
            ("method = \"head\"\nlearning_rate = 1e-3", "learning_rate"),
            ("method = \"head\"\nepochs = 3", "epochs"),
            ("method = \"head\"\nearly_stopping = { every = 7 }", "early_stopping.every"),
            ("method = \"full\"\nlora = { rank = 4 }", "lora"),
            ("outputs = 1\nlabel_smoothing = 0.1", "label_smoothing"),
            ("outputs = 1\nswap = false", "swap"),
            ("head = \"own\"\npooling = \"mean\"", "pooling"),
            ("head = \"own\"\noutputs = 4", "outputs"),
        ] {
            let message = read(text).unwrap().check().unwrap_err().to_string();
            assert!(message.contains(&format!("`{key}` has no effect")), "{text}: {message}");
        }
        read("method = \"head\"\nearly_stopping = { share = 0.3 }\npooling = \"mean\"")
            .unwrap()
            .check()
            .unwrap();
    }
}
