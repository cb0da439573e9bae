//! The two text formats.

/// The format that a scraper asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// The older text format 0.0.4, which every tool reads.
    Text,
}

impl Format {
    /// Returns the format that an `Accept` header asks for; without one, the text format.
    #[must_use]
    pub fn from_accept(accept: Option<&str>) -> Self {
        let openmetrics = accept.is_some_and(|accept| {
            accept.split(',').any(|range| {
                let (media, parameters) = range.split_once(';').unwrap_or((range, ""));
                let refused = parameters.split(';').any(|p| {
                    p.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q <= 0.0)
                });
                media.trim().eq_ignore_ascii_case("application/openmetrics-text") && !refused
            })
        });
        if openmetrics { Self::OpenMetrics } else { Self::Text }
    }

    /// Returns the `Content-Type` of an answer.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Converts OpenMetrics to the text format. Samples are the same in both. OpenMetrics names a counter's family without
/// `_total`, where the text format knows only the samples' name; units have no line; the end marker is a comment.
pub(super) fn from_openmetrics(openmetrics: &str) -> String {
    let mut out = String::with_capacity(openmetrics.len() + 1024);
    let mut lines = openmetrics.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("# UNIT ") {
            continue;
        }
        // HELP comes right before TYPE, which has the type for both.
        let kind = if line.starts_with("# HELP ") { lines.peek().copied() } else { Some(line) };
        let counter = kind.is_some_and(|l| l.starts_with("# TYPE ") && l.ends_with(" counter"));
        match line.splitn(4, ' ').collect::<Vec<_>>()[..] {
            ["#", keyword @ ("HELP" | "TYPE"), name, rest] if counter => {
                out.extend(["# ", keyword, " ", name, "_total ", rest]);
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests;
