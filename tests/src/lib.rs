//! The lab: k3s-like nodes built from network namespaces, real traffic, and the real agent inside.
//!
//! `Drop` removes everything, also after a panic; the next start removes the leftovers of a killed process.
//! It needs root and Debian's iproute2, iptables and ipset.

pub mod agent;
pub mod announce;
pub mod bpffs;
pub mod browser;
pub mod cgroup;
pub mod cluster;
pub mod cmd;
pub mod containerd;
pub mod findings;
pub mod firewall;
pub mod foreign;
pub mod guard;
pub mod helm;
pub mod http;
pub mod keepalived;
pub mod kube;
pub mod lan;
pub mod manifest;
pub mod metrics;
pub mod netns;
pub mod node;
pub mod overlay;
pub mod pod;
pub mod policy;
pub mod product;
pub mod prometheus;
pub mod real;
pub mod service;
pub mod tcx;
pub mod test_bed;
pub mod traffic;
pub mod victoria_logs;
pub mod vip;
pub mod wait;
pub mod world;
