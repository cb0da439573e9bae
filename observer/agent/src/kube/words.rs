//! Errors of the Kubernetes client in plain words. Its own texts have the names of its types, and what it read, at any
//! length.

use kube::config::KubeconfigError;

use crate::causes::causes;

/// At most this many characters of somebody else's text are shown.
const LONGEST: usize = 300;

/// Returns the reason of a failed request.
pub(crate) fn of_request(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if is_page(&status.message) => {
            format!("it answered {} with a page, so it may be no Kubernetes API server", status.code)
        }
        kube::Error::Api(status) if status.message.is_empty() => format!("it answered {}", status.code),
        kube::Error::Api(status) => format!("it answered {}: {}", status.code, brief(&status.message)),
        error => brief(&causes(error)),
    }
}

/// Returns the reason why a kubeconfig can't be used. Its lines are not shown, because they may hold a token.
pub(crate) fn of_kubeconfig(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        KubeconfigError::Parse(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            format!("it is no kubeconfig: {}", brief(first.strip_prefix("error: ").unwrap_or(first)))
        }
        error => brief(&error.to_string()),
    }
}

fn is_page(text: &str) -> bool {
    text.trim_start().starts_with('<')
}

/// Returns the beginning of a text, in one line.
fn brief(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests;
