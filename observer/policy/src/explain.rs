//! Verdicts with their reasons, in sentences.

mod allowed;
mod miss;
mod names;
mod nearest;
mod why;

use flow_model::connection::{Connection, Who};
use flow_model::decision::{Decision, DirectionVerdict, Nearest, REFUSED_BY, Ruling, Verdict};
use flow_model::network::Enforcer;
use flow_model::policies::{Action, Direction, TierPeer};

use crate::plain::{Basis, Judgement, Plain, TierRef, View};
use crate::readings::tier_rules;
use names::{listed, policies, rule_name, rules, tier_rule_name};
use nearest::Candidate;

impl Plain {
    /// Judges a connection in both directions and explains the decisions.
    #[must_use]
    pub fn judge(&self, connection: &Connection<'_>) -> Verdict {
        self.judge_between(connection, connection)
    }

    /// Judges a connection that changes on its way: egress as it leaves the client's node, ingress as it arrives at the
    /// server's.
    #[must_use]
    pub fn judge_between(&self, leaving: &Connection<'_>, arriving: &Connection<'_>) -> Verdict {
        let ingress = direction(self, &self.view(arriving, Direction::Ingress));
        let egress = direction(self, &self.view(leaving, Direction::Egress));
        let mut verdict =
            Verdict { decision: Decision::Unknown, ingress, egress, explanation: String::new() };
        verdict.decision = verdict.ruling().decision();
        verdict.explanation = whole(&verdict);
        if let Some(other) = self.by_specification(leaving, arriving).filter(|d| *d != verdict.decision) {
            let name = self.enforcer();
            verdict.explanation.push_str(&format!(" (by {name}; {})", by_specification(other)));
        }
        verdict
    }

    /// Returns the decision of the specification, where the enforcer has rules of its own.
    fn by_specification(&self, leaving: &Connection<'_>, arriving: &Connection<'_>) -> Option<Decision> {
        let decide = |connection, direction| {
            let view = View::new(connection, direction, Enforcer::Spec);
            self.direction(&view).basis.decision()
        };
        (self.enforcer() == Enforcer::KubeRouter).then(|| {
            let (ingress, egress) =
                (decide(arriving, Direction::Ingress), decide(leaving, Direction::Egress));
            Ruling { ingress, egress }.decision()
        })
    }
}

fn by_specification(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "the specification says that it is allowed",
        Decision::Deny => "the specification says that it is refused",
        Decision::Unknown => "what the specification says is not known",
    }
}

fn direction(plain: &Plain, view: &View<'_>) -> DirectionVerdict {
    let judgement = plain.direction(view);
    let nearest = match (&judgement.basis, view.subject.who) {
        (Basis::Isolated, Who::Pod(pod)) => nearest::nearest(plain, view, pod),
        _ => None,
    };
    DirectionVerdict {
        decision: judgement.basis.decision(),
        policies: policies(&judgement),
        rules: rules(&judgement.basis, view.direction),
        explanation: sentence(plain, view, &judgement, nearest.as_ref()),
        nearest: nearest.map(|candidate| as_nearest(plain, view, &candidate)),
    }
}

fn as_nearest(plain: &Plain, view: &View<'_>, candidate: &Candidate<'_>) -> Nearest {
    Nearest {
        policy: candidate.rule.policy.object_ref(),
        rule: rule_name(candidate.rule, view.direction),
        why: why::all(plain, view, candidate),
    }
}

/// Returns the sentence for both directions: on allow it names both, on deny those that deny, else what isn't known.
fn whole(verdict: &Verdict) -> String {
    let Verdict { ingress, egress, .. } = verdict;
    match verdict.decision {
        Decision::Allow => allowed(ingress, egress),
        Decision::Deny if ingress.decision == egress.decision => {
            format!("{}; also {}", ingress.explanation, egress.explanation)
        }
        decision if ingress.decision != decision => egress.explanation.clone(),
        decision if egress.decision != decision => ingress.explanation.clone(),
        _ if ingress.explanation == egress.explanation => ingress.explanation.clone(),
        _ => format!("{}; {}", ingress.explanation, egress.explanation),
    }
}

fn allowed(ingress: &DirectionVerdict, egress: &DirectionVerdict) -> String {
    let (ruled, open): (Vec<_>, Vec<_>) =
        [ingress, egress].into_iter().partition(|one| !one.rules.is_empty());
    let mut open: Vec<_> = open.into_iter().map(|one| one.explanation.clone()).collect();
    open.dedup();
    if ruled.is_empty() {
        return format!("allowed: {}", open.join("; "));
    }
    let by: Vec<_> = ruled.into_iter().map(|one| listed(&one.rules)).collect();
    [format!("allowed by {}", by.join(" and "))].into_iter().chain(open).collect::<Vec<_>>().join("; ")
}

fn sentence(
    plain: &Plain,
    view: &View<'_>,
    judgement: &Judgement<'_>,
    nearest: Option<&Candidate<'_>>,
) -> String {
    match &judgement.basis {
        Basis::Rules(_) => format!("allowed by {}", listed(&rules(&judgement.basis, view.direction))),
        Basis::Tier(rule) => by_tier(*rule, view.direction),
        Basis::Isolated => {
            format!("{REFUSED_BY}{}; {}", isolating(judgement), missing(plain, view, judgement, nearest))
        }
        Basis::Unknown(why) => format!("not known: {why}"),
        Basis::NotIsolated => match view.subject.who {
            Who::Pod(pod) => {
                format!("no policy selects {}/{} for {}", pod.namespace, pod.name, view.direction.as_str())
            }
            _ => format!("no policy isolates any pod for {}", view.direction.as_str()),
        },
        Basis::Outside => format!("the {} is outside the cluster", side(view.direction)),
        Basis::Crosswise => {
            let other = match view.direction {
                Direction::Ingress => Direction::Egress,
                Direction::Egress => Direction::Ingress,
            };
            format!(
                "kube-router takes {} rules of {} for {} too, as it selects both sides",
                other.as_str(),
                isolating(judgement),
                view.direction.as_str()
            )
        }
        Basis::HostNetwork => {
            format!("the {} is a node or in its network, which no policy selects", side(view.direction))
        }
        Basis::Itself => "a pod can't block itself".to_owned(),
        Basis::OwnNode => match view.direction {
            Direction::Ingress => "a node may always reach its own pods".to_owned(),
            // kube-router jumps to the pod chains from INPUT too, except for node ports: pkg/controllers/netpol.
            Direction::Egress if view.by_kube_router() => {
                "kube-router lets a pod reach the node ports of its own node".to_owned()
            }
            Direction::Egress => {
                "a pod may reach its own node by the Kubernetes documentation, though k3s applies \
                                  egress rules there too"
                    .to_owned()
            }
        },
    }
}

fn by_tier(rule: TierRef<'_>, direction: Direction) -> String {
    let name = tier_rule_name(rule, direction);
    let body = tier_rules(rule.policy, direction).get(rule.index);
    let unreadable = body.into_iter().flat_map(|body| &body.peers).find_map(|peer| match peer {
        TierPeer::Unreadable(field) => Some(field),
        _ => None,
    });
    match (rule.action, unreadable) {
        (Action::Deny, Some(field)) => {
            format!("{REFUSED_BY}{name}; it denies everything, as its peer {field} can't be read")
        }
        (Action::Deny, None) => format!("{REFUSED_BY}{name}"),
        (Action::Accept | Action::Pass, _) => format!("allowed by {name}"),
    }
}

fn isolating(judgement: &Judgement<'_>) -> String {
    let names: Vec<_> = judgement.selecting.iter().map(|policy| policy.object_ref()).collect();
    let what = if names.len() == 1 { "NetworkPolicy" } else { "NetworkPolicies" };
    format!("{what} {}", listed(&names))
}

/// Returns what no rule admits, and what the nearest rule admits instead.
fn missing(
    plain: &Plain,
    view: &View<'_>,
    judgement: &Judgement<'_>,
    nearest: Option<&Candidate<'_>>,
) -> String {
    let ruled = judgement.selecting.iter().any(|policy| names::has_rules(policy, view.direction));
    let default_deny =
        format!("default deny: no policy has an {} rule for this pod", view.direction.as_str());
    match nearest {
        None => default_deny,
        Some(nearest) if ruled => why::short(plain, view, nearest),
        Some(nearest) => format!("{default_deny}; {}", why::short(plain, view, nearest)),
    }
}

/// Returns the side that policies of this direction select.
fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "destination",
        Direction::Egress => "source",
    }
}
