//! Errors with their causes, as one sentence in plain words.

use std::error::Error;

/// Names that libraries give to their layers. They say nothing about what went wrong, where more follows.
const LAYERS: [&str; 10] = [
    "ApiError",
    "HyperError",
    "ServiceError",
    "HttpError",
    "client error (Connect)",
    "client error (SendRequest)",
    "error trying to connect",
    "tcp connect error",
    "dns error",
    "transport error",
];

/// Texts of libraries that only their authors understand.
const PLAIN: [(&str, &str); 3] = [
    ("received corrupt message of type InvalidContentType", "the other side does not speak TLS"),
    ("invalid peer certificate: UnknownIssuer", "its certificate is signed by an unknown CA"),
    ("failed to lookup address information", "the name can't be resolved"),
];

/// Returns an error with its causes. hyper's own text, for one, is only `connection error`. A cause that the text names
/// already is not repeated.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) && !text.contains(&format!(": {more}")) {
            text.extend([": ", &more]);
        }
        cause = error.source();
    }
    plain(&text)
}

fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    for layer in LAYERS {
        // At the beginning, or after another part.
        let layer = format!("{layer}: ");
        while let Some(rest) = text.strip_prefix(&layer) {
            text = rest.to_owned();
        }
        text = text.replace(&format!(": {layer}"), ": ");
    }
    PLAIN.iter().fold(text, |text, (jargon, plain)| text.replace(jargon, plain))
}

#[cfg(test)]
mod tests;
