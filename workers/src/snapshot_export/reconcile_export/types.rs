//! Whether a Parquet type holds every value of a PostgreSQL type: AWS's own mapping
//! (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-export-snapshot.Considerations.html#aurora-export-snapshot.data-types),
//! and what is wider.

/// The type in the files that AWS announces, in our words; for a table without files.
pub fn announced(expected: &str) -> String {
    let text = expected.to_lowercase();
    let physical = text.split([' ', '(']).next().unwrap_or_default();
    match physical {
        "binary" if text.contains("utf8") || text.contains("string") => "byte_array (string)".to_owned(),
        "binary" => "byte_array".to_owned(),
        physical => physical.to_owned(),
    }
}

/// `original` as information_schema says it, `parquet` in our words.
pub fn holds(original: &str, parquet: &str) -> bool {
    let physical = parquet.split(' ').next().unwrap_or_default();
    let is_one_of = |types: &[&str]| types.contains(&physical);
    match original.to_lowercase().as_str() {
        "boolean" => is_one_of(&["boolean"]),
        "smallint" | "integer" => is_one_of(&["int32", "int64"]) && !parquet.contains("decimal"),
        "bigint" => is_one_of(&["int64"]) && !parquet.contains("decimal"),
        "real" => is_one_of(&["float", "double"]),
        "double precision" => is_one_of(&["double"]),
        "bytea" => is_one_of(&["byte_array"]),
        // Text of any length holds what PostgreSQL prints; a number or a time of Parquet's does not
        // hold NaN, infinity, a time zone or more digits.
        _ => is_one_of(&["byte_array"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awss_mapping_loses_nothing_and_a_narrower_type_does() {
        for (original, parquet) in [
            ("boolean", "boolean"),
            ("smallint", "int32 (integer)"),
            ("integer", "int32"),
            ("bigint", "int64"),
            ("real", "float"),
            ("double precision", "double"),
            ("bytea", "byte_array"),
            ("numeric", "byte_array (string)"),
            ("timestamp with time zone", "byte_array (string)"),
            ("ARRAY", "byte_array (string)"),
            ("USER-DEFINED", "byte_array (string)"),
        ] {
            assert!(holds(original, parquet), "{original} in {parquet}");
        }
        for (original, parquet) in [
            ("bigint", "int32"),
            ("numeric", "double"),
            ("numeric", "fixed_len_byte_array (decimal)"),
            ("double precision", "float"),
            ("timestamp with time zone", "int96"),
            ("date", "int32 (date)"),
            ("bytea", "int32"),
        ] {
            assert!(!holds(original, parquet), "{original} in {parquet}");
        }
    }

    #[test]
    fn what_aws_announces_is_told_in_the_words_of_a_footer() {
        let told = ["binary (UTF8)", "binary", "int32 (INT_16)", "int64", "boolean"].map(announced);
        assert_eq!(told, ["byte_array (string)", "byte_array", "int32", "int64", "boolean"]);
    }
}
