/// A language that people of the arena write in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Language {
    English,
    Russian,
    German,
    Chinese,
    Spanish,
    French,
    Japanese,
}

impl Language {
    pub(super) const ALL: [Self; 7] = [
        Self::English,
        Self::Russian,
        Self::German,
        Self::Chinese,
        Self::Spanish,
        Self::French,
        Self::Japanese,
    ];

    /// The English name, as releases of the arena write it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Russian => "Russian",
            Self::German => "German",
            Self::Chinese => "Chinese",
            Self::Spanish => "Spanish",
            Self::French => "French",
            Self::Japanese => "Japanese",
        }
    }

    /// The two letters that the texts use.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Russian => "ru",
            Self::German => "de",
            Self::Chinese => "zh",
            Self::Spanish => "es",
            Self::French => "fr",
            Self::Japanese => "ja",
        }
    }

    /// Share of the prompts.
    pub(super) fn share(self) -> f64 {
        match self {
            Self::English => 0.87,
            Self::Russian => 0.03,
            Self::German | Self::Chinese => 0.025,
            Self::Spanish => 0.02,
            Self::French | Self::Japanese => 0.015,
        }
    }

    /// Characters that say as much as one character of English.
    pub(super) fn density(self) -> f64 {
        match self {
            Self::Chinese => 0.3,
            Self::Japanese => 0.45,
            Self::German | Self::French | Self::Spanish => 1.1,
            Self::English | Self::Russian => 1.0,
        }
    }

    /// What stands between two sentences.
    pub(super) fn blank(self) -> &'static str {
        if matches!(self, Self::Chinese | Self::Japanese) { "" } else { " " }
    }

    pub(super) fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }
}

/// What a prompt asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Factual,
    Advice,
    List,
    Creative,
    Code,
    Arithmetic,
    Translation,
    Unsafe,
    Summary,
}

impl Kind {
    pub(super) const ALL: [Self; 9] = [
        Self::Factual,
        Self::Advice,
        Self::List,
        Self::Creative,
        Self::Code,
        Self::Arithmetic,
        Self::Translation,
        Self::Unsafe,
        Self::Summary,
    ];

    /// The word that the texts and phrase keys use.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Factual => "factual",
            Self::Advice => "advice",
            Self::List => "list",
            Self::Creative => "creative",
            Self::Code => "code",
            Self::Arithmetic => "arithmetic",
            Self::Translation => "translation",
            Self::Unsafe => "unsafe",
            Self::Summary => "summary",
        }
    }

    /// Share of the prompts.
    pub(super) fn share(self) -> f64 {
        match self {
            Self::Factual => 0.22,
            Self::Advice | Self::Creative | Self::Code => 0.13,
            Self::List => 0.12,
            Self::Arithmetic => 0.09,
            Self::Translation => 0.06,
            Self::Unsafe => 0.04,
            Self::Summary => 0.08,
        }
    }
}
