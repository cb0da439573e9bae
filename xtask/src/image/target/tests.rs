use super::*;

#[test]
fn names_are_debians_and_rusts() {
    assert_eq!(Arch::Arm64.cross_packages(), "gcc-aarch64-linux-gnu libc6-dev-arm64-cross");
    assert_eq!(Arch::Amd64.cross_packages(), "gcc-x86-64-linux-gnu libc6-dev-amd64-cross");
    assert_eq!(Arch::Arm64.triple(), "aarch64-unknown-linux-gnu");
    assert_eq!(Arch::host().unwrap().cross_compiler(), None);
}
