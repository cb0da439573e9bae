//! Where a side of a flow may be.

use std::net::IpAddr;
use std::str::FromStr;

use flow_model::record::Endpoint;
use ipnet::IpNet;

use crate::filter::values::{is_label, is_object_name};

/// A place as people write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The namespace of the pod, or of the Service addressed.
    Namespace(String),
    /// A pod, a workload or a Service.
    Object { namespace: String, name: String },
    /// An address is a network of one.
    Network(IpNet),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Network(address.into()));
        }
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network));
        }
        match text.split_once('/') {
            None if is_label(text) => Ok(Self::Namespace(text.to_owned())),
            Some((namespace, name)) if is_label(namespace) && is_object_name(name) => {
                Ok(Self::Object { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(format!(
                "`{text}` is neither a namespace nor NAMESPACE/NAME (of a pod, a workload or a Service) nor an address nor a \
                 CIDR"
            )),
        }
    }
}

impl Place {
    /// Is true when this side of a flow is there. A Service is where its client addressed it, and its backend where the
    /// connection went.
    pub(super) fn holds(&self, side: &Endpoint) -> bool {
        match self {
            Self::Namespace(wanted) => {
                side.namespace.as_deref() == Some(wanted)
                    || side.service.as_ref().is_some_and(|service| service.namespace == *wanted)
            }
            Self::Object { namespace, name } => is_object(side, namespace, name),
            Self::Network(network) => {
                network.contains(&side.ip) || side.backend_ip.is_some_and(|ip| network.contains(&ip))
            }
        }
    }
}

/// Is true for the pod, the workload or the Service of this name.
fn is_object(side: &Endpoint, namespace: &str, name: &str) -> bool {
    let in_namespace = side.namespace.as_deref() == Some(namespace);
    let own_name = [&side.pod, &side.workload].into_iter().any(|own| own.as_deref() == Some(name));
    in_namespace && own_name || side.service.as_ref().is_some_and(|service| service.is(namespace, name))
}

#[cfg(test)]
mod tests;
