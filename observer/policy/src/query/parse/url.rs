//! URLs, as they stand in an application's settings.

/// Returns the host and port of a URL, as a side of a question, and the usual port of its scheme where it names none.
/// Anything else is returned as it is.
pub(super) fn place(text: &str) -> (&str, Option<u16>) {
    let Some((scheme, rest)) = text.split_once("://") else { return (text, None) };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    // An IPv6 address stands in brackets, so the last colon is that of the port.
    let has_port = place.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    (place, if has_port { None } else { usual(scheme) })
}

fn usual(scheme: &str) -> Option<u16> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        "postgres" | "postgresql" => Some(5432),
        "mysql" => Some(3306),
        "redis" | "valkey" => Some(6379),
        "amqp" => Some(5672),
        "mongodb" => Some(27017),
        _ => None,
    }
}
