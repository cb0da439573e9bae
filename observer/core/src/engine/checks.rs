//! Results of synthetic checks, named like flows.

use flow_model::input::CheckResult;
use flow_model::output::Output;
use flow_model::record::{Check, Event};

use crate::engine::Engine;

impl Engine {
    /// Records the result of a check.
    pub(super) fn check(&mut self, result: CheckResult) {
        let CheckResult { time, name, service, tuple: t, failed, duration_us } = result;
        let (step, error) = failed.unzip();
        let resolved = self.identity.resolve(&t, time);
        let (src, mut dst) = (resolved.client_endpoint(), resolved.server_endpoint());
        // The check knows its Service even where the address belongs to none, or where there is no address.
        dst.service = service.or(dst.service);
        self.outputs.push_back(Output::Check { name: name.clone(), step, duration_us });
        let check = Check { name, ok: step.is_none(), step, error, duration_us, src, dst };
        self.record(time, Event::Check(check));
    }
}
