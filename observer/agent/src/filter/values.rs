//! Values of filters, as they are written.

use std::str::FromStr;

use flow_model::object_ref::ObjectRef;

/// A port, or a range of ports with both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    first: u16,
    last: u16,
}

/// The name of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PolicyName {
    /// Without a namespace, policies of any namespace and of the whole cluster have the name.
    namespace: Option<String>,
    name: String,
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(format!("`{text}` is neither a port nor a range like 8000-8999")),
        }
    }
}

impl Ports {
    pub(super) fn contain(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl FromStr for PolicyName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        if !namespace.is_none_or(is_label) || !is_object_name(name) {
            return Err(format!("`{text}` is neither NAMESPACE/NAME of a policy nor the name of one"));
        }
        Ok(Self { namespace: namespace.map(str::to_owned), name: name.to_owned() })
    }
}

impl PolicyName {
    pub(super) fn names(&self, policy: &ObjectRef) -> bool {
        policy.name == self.name && self.namespace.as_ref().is_none_or(|ns| policy.namespace == *ns)
    }
}

/// Is true for a text that can be the name of a namespace.
pub(super) fn is_label(text: &str) -> bool {
    text.len() <= 63 && !text.contains('.') && is_object_name(text)
}

/// Is true for a text that can be the name of an object. Calico names a policy of a tier with `.`, and some kinds allow `:`.
pub(super) fn is_object_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
    !text.is_empty() && text.len() <= 253 && !text.starts_with('-') && text.chars().all(allowed)
}

#[cfg(test)]
mod tests;
