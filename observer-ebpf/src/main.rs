//! The probes. On the host this is an empty program; the real one is built for the BPF target by
//! `observer`'s build script and embedded in the agent.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

#[cfg(not(target_arch = "bpf"))]
fn main() {}

#[cfg(target_arch = "bpf")]
mod bpf;
