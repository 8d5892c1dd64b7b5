/// Why an entry point of the library did not finish.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input or a parameter is wrong. The message names the file, row, column and value, and the way out.
    #[error("{0}")]
    Input(String),
    /// The work failed, although the input was right.
    #[error(transparent)]
    Work(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// A fault of the input, with its message.
    pub fn input(message: impl Into<String>) -> Self {
        Self::Input(message.into())
    }

    /// A failure of the work, as an error or as a message.
    pub fn work(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Work(source.into())
    }
}

/// Says whose fault an error is.
pub trait OrFailed<T> {
    /// The same result; its error is a fault of the input.
    ///
    /// # Errors
    /// `Error::Input` with the error and its causes in one line.
    fn or_input(self) -> Result<T, Error>;

    /// The same result; its error is a failure of the work.
    ///
    /// # Errors
    /// `Error::Work` with the error as its source.
    fn or_work(self) -> Result<T, Error>;
}

impl<T, E: std::error::Error + Send + Sync + 'static> OrFailed<T> for Result<T, E> {
    fn or_input(self) -> Result<T, Error> {
        self.map_err(|error| Error::Input(one_line(&error)))
    }

    fn or_work(self) -> Result<T, Error> {
        self.map_err(Error::work)
    }
}

/// An error with its causes in one line. A cause that the line quotes already is left out.
pub(crate) fn one_line(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write `a`")]
    struct Unwritten(#[source] std::io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write `a`: {0}")]
    struct Quoted(#[source] std::io::Error);

    #[test]
    fn a_cause_that_is_quoted_already_is_not_said_twice() {
        let cause = || std::io::Error::other("the disk is full");
        for error in [Err::<(), _>(Unwritten(cause())).or_input(), Err(Quoted(cause())).or_input()] {
            assert_eq!(error.unwrap_err().to_string(), "cannot write `a`: the disk is full");
        }
    }
}
