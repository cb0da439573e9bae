//! `broken-policy`.

use crate::audit::draft::{Draft, Drafts, Subject};
use crate::audit::report::RuleId;
use crate::audit::view::View;

pub(super) fn check(view: &View<'_>, out: &mut Drafts) {
    for proposed in view.change.broken.iter().filter(|proposed| !proposed.object.is_unjudged()) {
        let broken = &proposed.object;
        let name = broken.object_ref();
        let message = format!("can't be read whole, so what it does is not known: {}", broken.why);
        let draft = Draft::new(RuleId::BrokenPolicy, arcstr::format!("{} {name}", broken.kind), message);
        out.push(draft.at(Some(&proposed.place)).about(Subject::Namespace(broken.namespace.clone())));
    }
    for (place, why) in &view.change.unreadable {
        let message = format!("a document can't be read, and a policy may be in it: {why}");
        out.push(Draft::new(RuleId::BrokenPolicy, arcstr::literal!("document"), message).at(Some(place)));
    }
}
