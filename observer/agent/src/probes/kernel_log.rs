//! Forwards the log of the kernel programs to the agent's log.

use aya::Ebpf;
use tracing::warn;

use crate::probes::poll::poll;

/// Prints what the programs log. Only called when a level was asked for.
pub(super) fn forward(ebpf: &mut Ebpf) {
    match aya_log::EbpfLogger::init(ebpf) {
        Ok(logger) => {
            tokio::spawn(async move {
                let Ok(mut logger) = poll(logger) else { return };
                while let Ok(mut ready) = logger.readable_mut().await {
                    ready.get_inner_mut().flush();
                    ready.clear_ready();
                }
            });
        }
        Err(error) => warn!(%error, "the log of the eBPF programs can't be read"),
    }
}
