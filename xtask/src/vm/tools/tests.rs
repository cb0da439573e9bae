use super::*;

#[test]
fn libraries_of_a_listing() {
    let listing = "\tlinux-vdso.so.1 (0x7ffe)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x7f1)\n\
        \t/lib64/ld-linux-x86-64.so.2 (0x7f2)\n";
    let found = parse_ldd(listing).unwrap();
    assert_eq!(found, ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from));
    assert!(parse_ldd("\tlibx.so.1 => not found\n").is_err());
    assert!(parse_ldd("\tstatically linked\n").unwrap().is_empty());
}

#[test]
fn version_of_qemu() {
    assert_eq!(major("QEMU emulator version 10.0.2 (Debian 1:10.0.2)"), Some(10));
    assert_eq!(major(""), None);
}
