//! A page of snacks as JSON: what everybody sees is written once for all who asked for the page together, and each viewer's own
//! reactions are put in between.

use axum::body::Bytes;

use super::store::{Reactions, Snack};
use crate::{error::ApiError, http::Page, reaction::ReactionType};

/// What follows the last value that everybody sees; `my_reaction` is the last field of a [`Snack`].
const UNRATED: &str = "null}";

/// A page of snacks, written but for the viewers' reactions.
#[derive(Debug)]
pub struct WrittenPage {
    /// The row of each snack, and its JSON up to the value of `my_reaction`.
    snacks: Vec<(i64, String)>,
    /// The end of the page.
    end: String,
}

impl WrittenPage {
    /// Writes `page`.
    ///
    /// # Errors
    /// None that anybody can cause.
    pub fn of(page: &Page<Snack>) -> Result<Self, ApiError> {
        let mut snacks = Vec::with_capacity(page.results.len());
        for snack in &page.results {
            let mut json = serde_json::to_string(snack).map_err(ApiError::internal)?;
            let shared =
                json.strip_suffix(UNRATED).ok_or_else(|| ApiError::internal("my_reaction is not the last field"))?;
            json.truncate(shared.len());
            snacks.push((snack.id, json));
        }
        let cursor = serde_json::to_string(&page.next_cursor).map_err(ApiError::internal)?;
        Ok(Self { snacks, end: format!("],\"next_cursor\":{cursor}}}") })
    }

    /// The page as `viewer` sees it.
    #[must_use]
    pub fn seen_by(&self, viewer: i64, reactions: &Reactions) -> Bytes {
        let begin = "{\"results\":[";
        let length = self.snacks.iter().map(|(_, json)| json.len() + ",\"like\"}".len()).sum::<usize>();
        let mut page = String::with_capacity(begin.len() + length + self.end.len());
        page.push_str(begin);
        for (at, (id, json)) in self.snacks.iter().enumerate() {
            page.push_str(if at == 0 { "" } else { "," });
            page.push_str(json);
            page.push_str(match reactions.get(&(viewer, *id)) {
                None => UNRATED,
                Some(ReactionType::Like) => "\"like\"}",
                Some(ReactionType::Hate) => "\"hate\"}",
            });
        }
        page.push_str(&self.end);
        page.into()
    }
}
