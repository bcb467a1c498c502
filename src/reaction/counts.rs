//! Reactions and their counts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Reaction to a snack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "reaction_type", rename_all = "lowercase")]
pub enum ReactionType {
    Like,
    Hate,
}

impl ReactionType {
    /// Reaction that a change to this one replaces.
    pub const fn other(self) -> Self {
        match self {
            Self::Like => Self::Hate,
            Self::Hate => Self::Like,
        }
    }
}

/// Number of reactions to a snack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub likes: i32,
    pub hates: i32,
}

impl Counts {
    /// Likes divided by hates; the likes if there are no hates; 1 if there are no reactions. The column `snacks.like_ratio` is computed
    /// in the same way.
    pub fn ratio(self) -> f64 {
        match (self.likes, self.hates) {
            (0, 0) => 1.0,
            (likes, 0) => f64::from(likes),
            (likes, hates) => f64::from(likes) / f64::from(hates),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn an_unrated_snack_stands_between_the_liked_and_the_hated() {
        let table = [((7, 3), 7.0 / 3.0), ((60, 40), 1.5), ((5, 0), 5.0), ((0, 0), 1.0), ((0, 4), 0.0), ((3, 3), 1.0)];
        for ((likes, hates), expected) in table {
            let ratio = Counts { likes, hates }.ratio();
            assert!((ratio - expected).abs() < f64::EPSILON, "{likes} to {hates} is {ratio}");
            assert_eq!(ratio < 1.0, hates > likes, "{likes} to {hates}");
        }
    }
}
