//! The kinds of such policies that an API server may have.

use std::sync::LazyLock;

use arcstr::ArcStr;
use flow_model::policies::{BrokenPolicy, Tier};

use crate::kinds::Kind;
use crate::policy::foreign::table::{Row, TABLE};

/// A kind of policies of another project. Kinds are in the order of their table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ForeignKind(usize);

/// The names as they are counted. Some projects have a kind of the same name, or one in two groups.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let is_unique = |row: &Row| {
        let alike = TABLE.iter().filter(|other| other.kind == row.kind).count();
        alike == 1 && Kind::of_object(row.kind, None).is_none()
    };
    let name = |row: &Row| match is_unique(row) {
        true => row.kind.to_owned(),
        false => format!("{}.{}", row.kind, row.group),
    };
    TABLE.iter().map(name).collect()
});

impl ForeignKind {
    /// Returns all of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..TABLE.len()).map(Self)
    }

    /// Returns the name as it is counted, which no other kind has.
    #[must_use]
    pub fn name(self) -> &'static str {
        &NAMES[self.0]
    }

    /// Returns `kind` of its objects.
    #[must_use]
    pub fn kind(self) -> &'static str {
        self.row().kind
    }

    /// Returns the API group.
    #[must_use]
    pub fn group(self) -> &'static str {
        self.row().group
    }

    /// Returns the resource's name in paths and in permissions.
    #[must_use]
    pub fn plural(self) -> &'static str {
        self.row().plural
    }

    /// Returns the project that enforces such policies.
    #[must_use]
    pub fn maker(self) -> &'static str {
        self.row().foreign.maker
    }

    /// Returns the group from which this one shows the same policies, if the server has it. Calico's API server shows an account
    /// only the policies of the tiers that it may read
    /// (<https://docs.tigera.io/calico/latest/network-policy/policy-tiers/rbac-tiered-policies>).
    #[must_use]
    pub fn shown_from(self) -> Option<&'static str> {
        (self.group() == "projectcalico.org").then_some("crd.projectcalico.org")
    }

    /// Returns what stands for all policies of the kind while none can be read.
    pub(crate) fn missing(self, why: &ArcStr) -> BrokenPolicy {
        BrokenPolicy::any_of(self.name().into(), why.clone(), Some(Tier::Admin))
    }

    fn row(self) -> &'static Row {
        &TABLE[self.0]
    }
}
