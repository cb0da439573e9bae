//! The numbers of namespaces, and a layout that is missing.

use super::*;
use crate::probes::btf::Missing;
use crate::probes::btf::testing::types;

#[test]
fn own_namespace_has_a_number_of_namespaces() {
    let own = own().unwrap();
    assert!(NamespaceLayout::INUMS.contains(&own), "{own:#x}");
    let types = types();
    assert_eq!(layout(&types).unwrap(), NamespaceLayout { own, ..types.namespaces.unwrap() });
}

#[test]
fn other_numbers_are_not_taken_for_namespaces() {
    let first_since_6_18 = 0xefff_fff9;
    for inode in [first_since_6_18, 0xf000_0000, 0xf012_3456] {
        assert_eq!(known(inode.into()), Some(inode), "{inode:#x}");
    }
    let upper_half_of_a_kernel_address = 0xffff_8881;
    for inode in [0, 1_024, 0xefff_feff, 0xff00_0000, upper_half_of_a_kernel_address, 0x1_f000_0000] {
        assert_eq!(known(inode), None, "{inode:#x}");
    }
}

#[test]
fn a_missing_offset_refuses_the_layout() {
    let types = KernelTypes { namespaces: Err(Missing("sk_buff.dev")), ..types() };
    assert_eq!(layout(&types), Err("the BTF has no sk_buff.dev".to_owned()));
}
