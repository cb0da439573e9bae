//! Headers that requests carry, and other lists of names and values. They may be secret, so they are never printed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

/// The reason why headers can't be used.
#[derive(Debug, thiserror::Error)]
pub enum HeadersError {
    /// A text is no list.
    #[error("expected NAME=VALUE[,NAME=VALUE...], with a comma in a value written as %2C")]
    List,
    /// A name or value can't be in a header. The value is not told.
    #[error("`{0}` is no name of a header, or its value can't be in one")]
    Header(String),
    /// The file can't be read.
    #[error("{} can't be read: {source}", path.display())]
    File {
        /// The path as given.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A line of the file is no header.
    #[error("{}: line {line}: expected NAME: VALUE", path.display())]
    Line {
        /// The path as given.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
    },
}

/// Names and values as OpenTelemetry's variables hold them: `name=value,name=value`, with other characters percent-encoded
/// (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables>).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pairs(pub Vec<(String, String)>);

/// The headers of each request.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// Those that don't change.
    pub fixed: Pairs,
    /// A file that is read for each request, because tokens are renewed.
    pub file: Option<PathBuf>,
}

impl FromStr for Pairs {
    type Err = HeadersError;

    fn from_str(text: &str) -> Result<Self, HeadersError> {
        let pair = |item: &str| {
            let (name, value) = item.split_once('=').ok_or(HeadersError::List)?;
            let value = percent_decode_str(value.trim()).decode_utf8().map_err(|_| HeadersError::List)?;
            match name.trim() {
                "" => Err(HeadersError::List),
                name => Ok((name.to_owned(), value.into_owned())),
            }
        };
        text.split(',').filter(|item| !item.trim().is_empty()).map(pair).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Headers {
    /// Returns the headers as they are now.
    ///
    /// # Errors
    /// Fails when the file can't be read, or something in it is no header.
    pub(super) fn now(&self) -> Result<HeaderMap, HeadersError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.fixed.0 {
            insert(&mut headers, name, value)?;
        }
        if let Some(path) = &self.file {
            read(path, &mut headers)?;
        }
        Ok(headers)
    }
}

/// Adds the headers of a file: one a line, `name: value`. Empty lines and those that begin with `#` are left out.
fn read(path: &Path, headers: &mut HeaderMap) -> Result<(), HeadersError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| HeadersError::File { path: path.to_owned(), source })?;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = || HeadersError::Line { path: path.to_owned(), line: number + 1 };
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        insert(headers, name.trim(), value.trim()).map_err(|_| bad())?;
    }
    Ok(())
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), HeadersError> {
    let bad = || HeadersError::Header(name.to_owned());
    let key = HeaderName::try_from(name).map_err(|_| bad())?;
    let mut value = HeaderValue::try_from(value).map_err(|_| bad())?;
    value.set_sensitive(true);
    headers.insert(key, value);
    Ok(())
}

#[cfg(test)]
mod tests;
