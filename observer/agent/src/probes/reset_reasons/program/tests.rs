use super::*;

#[test]
fn the_number_is_read_where_the_kernel_has_it() {
    let info = "pos:\t0\nflags:\t02000002\nprog_type:\t17\nrecursion_misses:\t3\nverified_insns:\t267\n";
    assert_eq!(missed(info), Some(3));
    assert_eq!(missed("pos:\t0\nprog_type:\t17\n"), None);
}
