//! Temporary: takes the object built beside.
fn main() {
    let out = std::env::var("OUT_DIR").unwrap();
    let src = "/work/scratch/bpf-target/bpfel-unknown-none/release/flow-observer-probes";
    println!("cargo::rerun-if-changed={src}");
    std::fs::copy(src, format!("{out}/flow-observer-probes")).unwrap();
}
