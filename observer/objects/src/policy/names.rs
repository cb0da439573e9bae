//! The spelling that the API requires of names.

/// Is true for a label value: empty, or up to 63 characters that begin and end with a letter or digit.
pub(super) fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_name_part(text)
}

/// Is true for a label key: `name` or `prefix/name`.
pub(super) fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_name_part(name),
        None => is_name_part(text),
    }
}

/// Is true for a container port's name: an IANA service name, in lower case.
pub(super) fn is_port_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=15).contains(&text.len())
        && text.bytes().all(allowed)
        && text.bytes().any(|b| b.is_ascii_lowercase())
        && !text.contains("--")
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Is true for a domain name of at least two labels, perhaps with `*.` before it.
pub(super) fn is_domain(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let name = name.strip_suffix('.').unwrap_or(name);
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let is_label = |label: &str| ends_alphanumeric(label) && label.bytes().all(inner);
    text.len() <= 255 && name.contains('.') && name.split('.').all(is_label)
}

fn is_name_part(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.len() <= 63 && ends_alphanumeric(text) && text.bytes().all(inner)
}

fn is_subdomain(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_label = |label: &str| ends_alphanumeric(label) && label.bytes().all(inner);
    text.len() <= 253 && text.split('.').all(is_label)
}

fn ends_alphanumeric(text: &str) -> bool {
    let bytes = text.as_bytes();
    [bytes.first(), bytes.last()].iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", true)]
    #[case("a", true)]
    #[case("v1.2_b-C", true)]
    #[case("-a", false)]
    #[case("a.", false)]
    #[case("a b", false)]
    #[case("é", false)]
    fn label_values(#[case] text: &str, #[case] expect: bool) {
        assert_eq!(is_label_value(text), expect);
    }

    #[test]
    fn a_label_value_has_63_characters_at_most() {
        assert!(is_label_value(&"a".repeat(63)));
        assert!(!is_label_value(&"a".repeat(64)));
    }

    #[rstest]
    #[case("app", true)]
    #[case("app.kubernetes.io/name", true)]
    #[case("App_x", true)]
    #[case("", false)]
    #[case("/name", false)]
    #[case("App.io/name", false)]
    #[case("a..b/name", false)]
    #[case("a/b/c", false)]
    fn label_keys(#[case] text: &str, #[case] expect: bool) {
        assert_eq!(is_label_key(text), expect);
    }

    #[rstest]
    #[case("http", true)]
    #[case("h2-c", true)]
    #[case("123456789012-ab", true)]
    #[case("1234567890123-ab", false)]
    #[case("80", false)]
    #[case("", false)]
    #[case("Http", false)]
    #[case("a--b", false)]
    #[case("-a", false)]
    #[case("a-", false)]
    fn port_names(#[case] text: &str, #[case] expect: bool) {
        assert_eq!(is_port_name(text), expect);
    }

    #[rstest]
    #[case("kubernetes.io", true)]
    #[case("*.kubernetes.io.", true)]
    #[case("io", false)]
    #[case("a.*.io", false)]
    #[case("a..io", false)]
    #[case("", false)]
    fn domains(#[case] text: &str, #[case] expect: bool) {
        assert_eq!(is_domain(text), expect);
    }
}
