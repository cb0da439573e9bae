//! Policy objects to the policies of the model. Reading is strict: nothing that isn't understood is ignored, because a policy
//! that is read without one of its fields has another meaning.

mod broken;
mod dialect;
mod field;
pub(crate) mod foreign;
pub(crate) mod misnamed;
pub(crate) mod names;
mod namespaced;
mod origin;
mod ports;
mod selector;
mod tier_peers;
mod tier_ports;
mod tiered;

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::object_ref::ObjectRef;
use flow_model::policies::{BrokenPolicy, NetworkPolicy, Tier, TierPolicy};
use serde_json::Value;

use crate::kinds::{Kind, Purpose};
use dialect::Dialect;
use field::{Field, OBJECT, Result};

/// A policy as it could be read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PolicyBody {
    Namespaced(Arc<NetworkPolicy>),
    Tiered(Arc<TierPolicy>),
    /// A policy that can't be read; [`BrokenPolicy::why`] is the note that goes with it.
    Broken(Arc<BrokenPolicy>),
}

/// Reads a policy. One that can't be read as a whole becomes a [`PolicyBody::Broken`] and is never dropped.
pub(crate) fn read(kind: Kind, key: &ObjectRef, object: &Value) -> PolicyBody {
    match whole(kind, key, object) {
        Ok(body) => body,
        Err(why) => PolicyBody::Broken(Arc::new(broken::policy(kind, key, object, &why))),
    }
}

/// Returns what stands for all policies of a kind while none can be read. It is `None` for a kind that is no policy.
pub(crate) fn missing(kind: Kind, why: &ArcStr) -> Option<Arc<BrokenPolicy>> {
    if kind.row().purpose != Purpose::Policies {
        return None;
    }
    let tier = Dialect::of(kind).map(|dialect| dialect.tier.unwrap_or(Tier::Admin));
    Some(Arc::new(BrokenPolicy::any_of(kind.into(), why.clone(), tier)))
}

/// Returns what stands for a policy whose text says two things: nobody knows which of them its author means.
pub(crate) fn doubtful(kind: Kind, key: &ObjectRef, why: &str) -> PolicyBody {
    let ObjectRef { namespace, name } = key.clone();
    let tier = Dialect::of(kind).map(|dialect| dialect.tier.unwrap_or(Tier::Admin));
    let why = why.into();
    let kind = kind.into();
    let policy =
        BrokenPolicy { kind, namespace, name, why, selector: None, ingress: true, egress: true, tier };
    PolicyBody::Broken(Arc::new(policy))
}

fn whole(kind: Kind, key: &ObjectRef, object: &Value) -> Result<PolicyBody> {
    kind.check_version(object)?;
    names::check(&key.name)?;
    let object = Field::root(object).record(&OBJECT)?;
    let origin = origin::read(&object);
    Ok(match Dialect::of(kind) {
        None => PolicyBody::Namespaced(Arc::new(namespaced::read(key, &object, origin)?)),
        Some(dialect) => PolicyBody::Tiered(Arc::new(tiered::read(dialect, key, &object, origin)?)),
    })
}
