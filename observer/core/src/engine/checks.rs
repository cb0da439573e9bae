//! Results of synthetic checks, named like flows.

use flow_model::input::CheckResult;
use flow_model::output::Output;
use flow_model::record::{Check, Event};

use crate::engine::Engine;

impl Engine {
    pub(super) fn check(&mut self, result: CheckResult) {
        let CheckResult { time, name, service, tuple: t, failed, duration_us } = result;
        let (step, error) = failed.unzip();
        let src = self.identity.endpoint(t.src, t.sport, time);
        let mut dst = self.identity.server(t.dst, t.dport, t.backend, time);
        // The check knows what it is for also where the address doesn't say so, or where there is none.
        dst.service = service.or(dst.service);
        self.outputs.push_back(Output::Check { name: name.clone(), step, duration_us });
        let check = Check { name, ok: step.is_none(), step, error, duration_us, src, dst };
        self.record(time, Event::Check(check));
    }
}
