use super::kinds::Kind;

/// A model that answers: how good it is, and its habits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contestant {
    /// The invented name.
    pub(super) name: &'static str,
    /// How often it takes part, in proportion.
    pub(super) popularity: f64,
    /// Overall ability, about standard normal over the models.
    pub(super) ability: f64,
    /// Logarithm of how much longer than usual its answers are.
    pub(super) verbosity: f64,
    /// How often it writes lists and headings.
    pub(super) formatting: f64,
    /// How often it refuses a harmless request.
    pub(super) refusals: f64,
    /// Ability in languages other than English, added.
    pub(super) languages: f64,
    /// Where it is better than its overall ability.
    pub(super) speciality: Kind,
}

const fn contestant(
    name: &'static str,
    popularity: f64,
    skill: [f64; 2],
    habits: [f64; 3],
    speciality: Kind,
) -> Contestant {
    let [ability, languages] = skill;
    let [verbosity, formatting, refusals] = habits;
    Contestant { name, popularity, ability, verbosity, formatting, refusals, languages, speciality }
}

/// The models of the arena, strongest first.
pub(super) const CONTESTANTS: [Contestant; 14] = [
    contestant("meridian-4-large", 1.6, [1.7, 0.2], [0.20, 0.70, 0.010], Kind::Code),
    contestant("cantor-ultra", 1.3, [1.4, 0.1], [0.05, 0.55, 0.020], Kind::Arithmetic),
    contestant("meridian-3.5", 1.5, [1.0, 0.1], [0.00, 0.45, 0.015], Kind::Factual),
    contestant("halcyon-2", 1.1, [0.9, -0.1], [0.30, 0.60, 0.070], Kind::Unsafe),
    contestant("borealis-70b-chat", 1.0, [0.6, 0.3], [0.25, 0.65, 0.030], Kind::Translation),
    contestant("halcyon-1-fast", 1.0, [0.4, -0.1], [-0.15, 0.35, 0.080], Kind::Creative),
    contestant("juniper-34b", 0.9, [0.2, 0.0], [0.10, 0.40, 0.015], Kind::Advice),
    contestant("zephyrine-mix", 0.9, [0.1, 0.2], [0.15, 0.50, 0.010], Kind::List),
    contestant("borealis-13b-chat", 0.9, [-0.2, -0.3], [0.20, 0.55, 0.050], Kind::Summary),
    contestant("tamarack-7b-instruct", 0.8, [-0.5, -0.4], [-0.10, 0.30, 0.010], Kind::Code),
    contestant("quillfeather-13b", 0.8, [-0.7, -0.6], [0.05, 0.25, 0.020], Kind::Creative),
    contestant("pocket-meridian-2b", 0.6, [-1.0, -0.5], [-0.35, 0.20, 0.010], Kind::Factual),
    contestant("openferret-6b", 0.6, [-1.4, -0.9], [-0.20, 0.10, 0.005], Kind::Advice),
    contestant("dustbunny-3b", 0.5, [-1.8, -1.0], [-0.45, 0.08, 0.005], Kind::List),
];
