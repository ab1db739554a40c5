//! What a person is shown of a text that comes from elsewhere.

/// A character that shows nothing, or turns what is round it: in a text from elsewhere it can make
/// a command look like another one (https://www.unicode.org/reports/tr36/, Bidirectional Text
/// Spoofing), and a terminal obeys it. U+FFFD stands for it. The joiners stay: letters and emoji
/// are made with them.
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if hides(c) { '\u{fffd}' } else { c }).collect()
}

/// The same of a name, which has one line: a second one could look like our own words.
pub fn one_line(text: &str) -> String {
    visible(text).replace(['\n', '\t', '\u{2028}', '\u{2029}'], "\u{fffd}")
}

fn hides(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_turns_is_seen_to_stand_there() {
        assert_eq!(visible("a\u{202e}b\u{0}c\nd"), "a\u{fffd}b\u{fffd}c\nd");
        assert_eq!(visible("\u{1b}[31m"), "\u{fffd}[31m");
        let family = "👩\u{200d}👧";
        assert_eq!(visible(family), family);
        assert_eq!(one_line("a\nNext: b"), "a\u{fffd}Next: b");
    }
}
