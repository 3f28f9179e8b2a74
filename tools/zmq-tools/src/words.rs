//! Numbers in sentences.

/// A number with what it counts.
pub(crate) fn count(number: u64, what: &str) -> String {
    let plural = if what.ends_with('s') { "es" } else { "s" };
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}{plural}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_others_are_many() {
        assert_eq!([count(1, "message"), count(2, "message")], ["1 message", "2 messages"]);
        assert_eq!([count(1, "process"), count(0, "process")], ["1 process", "0 processes"]);
    }
}
