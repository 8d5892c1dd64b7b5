//! How long work tells a person where it is, without knowing who draws the bar.

/// Somebody who wants to know how long work is going.
pub trait Progress: Send + Sync {
    /// Begins a piece of work of `total` steps of one `unit` (`rows`, `folds`); it ends when the
    /// returned task is dropped. A total that is not known is `None`.
    fn start(&self, label: &str, total: Option<u64>, unit: &'static str) -> Box<dyn ProgressTask>;
    /// A line that stays, whatever work is running.
    fn remark(&self, text: &str) {
        let _ = text;
    }
    /// A warning, which is shown even where progress and remarks are not wanted.
    fn warn(&self, text: &str) {
        let _ = text;
    }
}

/// One running piece of work.
pub trait ProgressTask: Send + Sync {
    /// `steps` more steps are done.
    fn advance(&self, steps: u64);
    /// A short remark shown behind the bar, such as the current loss.
    fn note(&self, remark: &str);
}

/// Nobody watches: remarks and warnings are dropped too.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _: &str, _: Option<u64>, _: &'static str) -> Box<dyn ProgressTask> {
        Box::new(Self)
    }
}

impl ProgressTask for Silent {
    fn advance(&self, _: u64) {}
    fn note(&self, _: &str) {}
}
