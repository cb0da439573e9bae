//! The look at listening sockets, which is optional. These tests need root.

use observer_abi::ListenerLayout;

use crate::probes::btf::testing::types;
use crate::probes::btf::{KernelTypes, VMLINUX};
use crate::probes::load::{Settings, load};

fn seen(types: Result<KernelTypes, String>) -> Option<bool> {
    load(&Settings::default(), types).expect("the classifiers load").accept_queues
}

#[test]
fn without_the_kernels_types_there_is_no_look() {
    assert_eq!(seen(Err(format!("no {VMLINUX}"))), None);
    assert_eq!(seen(Ok(types())), None);
}

#[test]
fn a_kernel_that_refuses_the_look_gets_the_classifiers_without_it() {
    let beyond = ListenerLayout { waiting: 1 << 20, backlog: (1 << 20) + 4 };
    assert_eq!(seen(Ok(KernelTypes { listeners: Ok(beyond), ..types() })), Some(false));
    let known = KernelTypes::read().expect("a kernel with BTF").listeners;
    assert_eq!(seen(Ok(KernelTypes { listeners: known, ..types() })), Some(true));
}
