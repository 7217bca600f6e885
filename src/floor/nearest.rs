//! "did you mean": the known name nearest to a misspelt one.

/// The candidate nearest to `name`, if one is near enough to be meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    let mut shortened: Option<&str> = None;
    for candidate in candidates {
        let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
        let limit = (name.chars().count().max(candidate.chars().count()) / 3).clamp(1, 3);
        // Of two equally near, the one that begins alike is meant: `stat` is `state` rather than `start`.
        let rank = 2 * distance + usize::from(!candidate.starts_with(&lower));
        if distance <= limit && candidate != name && best.is_none_or(|(least, _)| rank < least) {
            best = Some((rank, candidate));
        }
        // An abbreviation (`prio`) or an over-long form (`timeout_seconds`).
        let long = lower.len().min(candidate.len()) >= 3;
        if long
            && candidate != name
            && (candidate.starts_with(&lower) || lower.starts_with(candidate))
            && shortened.is_none_or(|known| candidate.len() < known.len())
        {
            shortened = Some(candidate);
        }
    }
    best.map(|(_, candidate)| candidate).or(shortened)
}

/// [`nearest`] as a hint.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, candidates).map(|found| format!("did you mean `{found}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_misspellings_and_abbreviations_but_not_strangers() {
        let names = ["timeout", "interval", "source", "priority"];
        assert_eq!(nearest("timout", names), Some("timeout"));
        assert_eq!(nearest("Timeuot", names), Some("timeout"));
        assert_eq!(nearest("prio", names), Some("priority"));
        assert_eq!(nearest("timeout_seconds", names), Some("timeout"));
        assert_eq!(nearest("colour", names), None);
    }
}
