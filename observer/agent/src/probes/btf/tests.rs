//! Hand-made BTF of each kernel generation, damage, and the running kernel.

use std::fs;

use proptest::prelude::*;

use super::*;

/// Writes BTF; types number from 1 in the order of the calls.
#[derive(Default)]
struct Writer {
    types: Vec<u8>,
    strings: Vec<u8>,
    count: u32,
}

const PTR: u32 = 2;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const CONST: u32 = 10;
const FUNC_PROTO: u32 = 13;
const BITFIELDS: u32 = 1 << 31;

impl Writer {
    fn new() -> Self {
        Self { strings: vec![0], ..Self::default() }
    }

    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let offset = self.strings.len() as u32;
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        offset
    }

    fn add(&mut self, kind: u32, name: &str, reference: u32, entries: &[(&str, &[u32])]) -> u32 {
        let name = self.string(name);
        let flag = kind & BITFIELDS;
        let info = flag | (kind & !BITFIELDS) << 24 | entries.len() as u32;
        self.words(&[name, info, reference]);
        for (name, rest) in entries {
            let name = self.string(name);
            self.words(&[name]);
            self.words(rest);
        }
        self.count += 1;
        self.count
    }

    fn words(&mut self, words: &[u32]) {
        self.types.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
    }

    fn finish(&self) -> Vec<u8> {
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        let mut out = 0xeb9f_u16.to_ne_bytes().to_vec();
        out.extend([1, 0]);
        out.extend([24, 0, types, types, strings].iter().flat_map(|word: &u32| word.to_ne_bytes()));
        out.extend(&self.types);
        out.extend(&self.strings);
        out
    }
}

/// Adds the types that lead from a packet to its namespace. A newer kernel declares the driver's part of an interface.
fn add_namespaces(w: &mut Writer, int: u32, declared: bool) {
    w.add(STRUCT, "dst_entry", 64, &[("dev", &[int, 0])]);
    w.add(STRUCT, "sock_common", 136, &[("skc_family", &[int, 16 * 8]), ("skc_net", &[int, 48 * 8])]);
    w.add(STRUCT, "ns_common", 24, &[("stashed", &[int, 0]), ("inum", &[int, 16 * 8])]);
    w.add(STRUCT, "net", 4_096, &[("dev_base_head", &[int, 120 * 8]), ("ns", &[int, 144 * 8])]);
    w.add(STRUCT, "rtnl_link_ops", 200, &[("list", &[int, 0]), ("kind", &[int, 16 * 8])]);
    let members: &[(&str, &[u32])] = &[
        ("dev_list", &[int, 72 * 8]),
        ("ifindex", &[int, 208 * 8]),
        ("nd_net", &[int, 1_256 * 8]),
        ("rtnl_link_ops", &[int, 1_400 * 8]),
        ("priv", &[int, 2_432 * 8]),
    ];
    w.add(STRUCT, "net_device", 2_340, &members[..if declared { 5 } else { 4 }]);
}

/// Adds the tracepoint of sent resets, with the arguments as in 6.10 and later or as before.
fn add_resets(w: &mut Writer, int: u32, (socket, packet): (u32, u32), has_reason: bool) {
    w.add(
        STRUCT,
        "tcp_sock",
        2_000,
        &[
            ("rcv_nxt", &[int, 1_500 * 8]),
            ("snd_nxt", &[int, 1_504 * 8]),
            ("snd_una", &[int, 1_508 * 8]),
            ("snd_wnd", &[int, 1_512 * 8]),
        ],
    );
    let names = &[
        ("SK_RST_REASON_NOT_SPECIFIED", &[0][..]),
        ("SK_RST_REASON_NO_SOCKET", &[1]),
        ("SK_RST_REASON_MAX", &[9]),
    ];
    let reason = w.add(ENUM, "sk_rst_reason", 4, names);
    let (socket, packet, reason) = ([socket], [packet], [reason]);
    let arguments: &[(&str, &[u32])] =
        &[("__data", &[0]), ("sk", &socket), ("skb", &packet), ("reason", &reason)];
    let function = w.add(FUNC_PROTO, "", 0, &arguments[..if has_reason { 4 } else { 3 }]);
    let pointer = w.add(PTR, "", function, &[]);
    w.add(TYPEDEF, "btf_trace_tcp_send_reset", pointer, &[]);
}

/// Returns types like those of 5.10: flat members, no reason.
fn old_kernel() -> Vec<u8> {
    let mut w = Writer::new();
    let int = w.add(TYPEDEF, "u", 0, &[]);
    let skb = w.add(
        STRUCT,
        "sk_buff",
        232,
        &[
            ("dev", &[int, 16 * 8]),
            ("sk", &[int, 24 * 8]),
            ("_skb_refdst", &[int, 88 * 8]),
            ("len", &[int, 112 * 8]),
            ("protocol", &[int, 180 * 8]),
            ("transport_header", &[int, 182 * 8]),
            ("network_header", &[int, 184 * 8]),
            ("mac_header", &[int, 186 * 8]),
            ("head", &[int, 200 * 8]),
            ("data", &[int, 208 * 8]),
        ],
    );
    add_namespaces(&mut w, int, false);
    let void = w.add(PTR, "", 0, &[]);
    let skb = w.add(PTR, "", skb, &[]);
    let function = w.add(FUNC_PROTO, "", 0, &[("__data", &[void]), ("skb", &[skb]), ("location", &[void])]);
    let pointer = w.add(PTR, "", function, &[]);
    w.add(TYPEDEF, "btf_trace_kfree_skb", pointer, &[]);
    let sock = w.add(STRUCT, "sock", 760, &[]);
    let sock = w.add(PTR, "", sock, &[]);
    add_resets(&mut w, int, (sock, skb), false);
    w.finish()
}

/// Returns types like those of 6.11 and later: headers in a struct group, bit fields, a socket after the reason.
fn new_kernel() -> Vec<u8> {
    kernel_with_arguments(&["skb", "location", "reason", "rx_sk"])
}

fn kernel_with_arguments(arguments: &[&str]) -> Vec<u8> {
    let mut w = Writer::new();
    let int = w.add(TYPEDEF, "u", 0, &[]);
    let headers = w.add(
        STRUCT,
        "",
        60,
        &[
            ("protocol", &[int, 52 * 8]),
            ("transport_header", &[int, 54 * 8]),
            ("network_header", &[int, 56 * 8]),
            ("mac_header", &[int, 58 * 8]),
        ],
    );
    let group = w.add(UNION, "", 60, &[("", &[headers, 0]), ("headers", &[headers, 0])]);
    let links =
        w.add(STRUCT, "", 24, &[("next", &[int, 0]), ("prev", &[int, 8 * 8]), ("dev", &[int, 16 * 8])]);
    let place = w.add(UNION, "", 24, &[("", &[links, 0]), ("rbnode", &[int, 0])]);
    let bit = 1 << 24;
    let skb = w.add(
        STRUCT | BITFIELDS,
        "sk_buff",
        232,
        &[
            ("", &[place, 0]),
            ("sk", &[int, 24 * 8]),
            ("_skb_refdst", &[int, 88 * 8]),
            ("len", &[int, 112 * 8]),
            ("cloned", &[int, bit | (126 * 8 + 1)]),
            ("", &[group, 128 * 8]),
            ("head", &[int, 200 * 8]),
            ("data", &[int, 208 * 8]),
        ],
    );
    add_namespaces(&mut w, int, true);
    let void = w.add(PTR, "", 0, &[]);
    let skb = w.add(PTR, "", skb, &[]);
    let sock = w.add(STRUCT, "sock", 760, &[]);
    let sock = w.add(CONST, "", sock, &[]);
    let sock = w.add(PTR, "", sock, &[]);
    let reason = w.add(
        ENUM,
        "skb_drop_reason",
        4,
        &[
            ("SKB_NOT_DROPPED_YET", &[0]),
            ("SKB_CONSUMED", &[1]),
            ("SKB_DROP_REASON_NETFILTER_DROP", &[12]),
            ("SKB_DROP_REASON_MAX", &[128]),
            ("SKB_DROP_REASON_SUBSYS_MASK", &[0xffff_0000]),
        ],
    );
    let subsystem =
        &[("SKB_DROP_REASON_SUBSYS_CORE", &[0][..]), ("SKB_DROP_REASON_SUBSYS_OPENVSWITCH", &[3])];
    w.add(ENUM, "skb_drop_reason_subsys", 4, subsystem);
    let type_of = |name: &&str| match *name {
        "skb" => [skb],
        "reason" => [reason],
        "rx_sk" => [sock],
        _ => [void],
    };
    let types: Vec<[u32; 1]> = arguments.iter().map(type_of).collect();
    let mut parameters = vec![("__data", &[0][..])];
    parameters.extend(arguments.iter().zip(&types).map(|(name, id)| (*name, &id[..])));
    let function = w.add(FUNC_PROTO, "", 0, &parameters);
    let pointer = w.add(PTR, "", function, &[]);
    w.add(TYPEDEF, "btf_trace_kfree_skb", pointer, &[]);
    add_resets(&mut w, int, (sock, skb), true);
    w.finish()
}

const LAYOUT: SkBuff = SkBuff { head: 200, protocol: 180, network_header: 184 };

#[test]
fn a_kernel_without_reasons() {
    let types = KernelTypes::parse(&old_kernel()).unwrap();
    assert_eq!(types.sk_buff, LAYOUT);
    assert_eq!(types.kfree_skb, KfreeSkb::default());
    assert_eq!(types.drop_reasons, BTreeMap::new());
}

#[test]
fn a_kernel_with_reasons_and_nested_headers() {
    let types = KernelTypes::parse(&new_kernel()).unwrap();
    assert_eq!(types.sk_buff, LAYOUT);
    assert_eq!(types.kfree_skb, KfreeSkb { reason_arg: Some(2), socket_arg: Some(3) });
    let names = [(0, "NOT_DROPPED_YET"), (1, "CONSUMED"), (12, "NETFILTER_DROP")];
    assert_eq!(types.drop_reasons, names.map(|(value, name)| (value, name.to_owned())).into());
    let check = |value, expected: &str| assert_eq!(types.drop_reason(value), expected);
    check(12, "NETFILTER_DROP");
    check(0x3_0002, "OPENVSWITCH_2");
    check(99, "0x63");
    check(0x9_0001, "0x90001");
}

#[test]
fn the_way_to_a_namespace_is_found() {
    let expected = NamespaceLayout {
        own: 0,
        skb_dev: 16,
        skb_sk: 24,
        skb_dst: 88,
        dst_dev: 0,
        sock_net: 48,
        net_inum: 144 + 16,
        net_devices: 120,
        dev_list: 72,
        dev_net: 1_256,
        dev_index: 208,
        dev_ops: 1_400,
        ops_kind: 16,
        dev_private: 2_432,
    };
    assert_eq!(KernelTypes::parse(&new_kernel()).unwrap().namespaces, Ok(expected));
    // Behind 2,340 bytes, at the next multiple of 32.
    let expected = NamespaceLayout { dev_private: 2_368, ..expected };
    assert_eq!(KernelTypes::parse(&old_kernel()).unwrap().namespaces, Ok(expected));
}

#[test]
fn without_the_way_to_a_namespace_there_is_no_layout_and_everything_else() {
    let mut w = Writer::new();
    let int = w.add(TYPEDEF, "u", 0, &[]);
    let members: &[(&str, &[u32])] =
        &[("protocol", &[int, 180 * 8]), ("network_header", &[int, 184 * 8]), ("head", &[int, 200 * 8])];
    let skb = w.add(STRUCT, "sk_buff", 232, members);
    add_namespaces(&mut w, int, true);
    let skb = w.add(PTR, "", skb, &[]);
    w.add(ENUM, "skb_drop_reason", 4, &[("SKB_DROP_REASON_NETFILTER_DROP", &[12])]);
    let function = w.add(FUNC_PROTO, "", 0, &[("__data", &[0]), ("skb", &[skb])]);
    let pointer = w.add(PTR, "", function, &[]);
    w.add(TYPEDEF, "btf_trace_kfree_skb", pointer, &[]);
    let types = KernelTypes::parse(&w.finish()).unwrap();
    assert_eq!(types.namespaces.unwrap_err().to_string(), "the BTF has no sk_buff.dev");
    assert_eq!((types.sk_buff, types.drop_reason(12).as_str()), (LAYOUT, "NETFILTER_DROP"));
}

/// The lab checks the walk itself. This compares its offsets with those that stayed the same since 5.10.
#[test]
fn the_running_kernel_has_a_way_to_namespaces() {
    let found = KernelTypes::read().expect("these tests need a kernel with BTF").namespaces.unwrap();
    assert_eq!((found.skb_dev, found.skb_sk), (16, 24));
    assert_eq!((found.dst_dev, found.sock_net), (0, 48));
    assert_eq!((found.ops_kind % 8, found.dev_ops % 8), (0, 0));
    assert_eq!(found.dev_private % 32, 0);
    assert!(found.dev_private > found.dev_net, "{found:?}");
}

#[test]
fn resets_have_a_layout_where_the_kernel_gives_reasons() {
    let types = KernelTypes::parse(&new_kernel()).unwrap();
    let expected = ResetLayout {
        rcv_nxt: 1_500,
        snd_nxt: 1_504,
        snd_una: 1_508,
        snd_wnd: 1_512,
        head: 200,
        transport_header: 182,
        len: 112,
    };
    assert_eq!(types.resets, Ok(expected));
    let names = [(0, "not_specified"), (1, "no_socket")];
    assert_eq!(types.reset_reasons, names.map(|(value, name)| (value, name.to_owned())).into());
    let missing = KernelTypes::parse(&old_kernel()).unwrap().resets.unwrap_err().to_string();
    assert_eq!(missing, "the BTF has no reason of the tracepoint tcp_send_reset (Linux 6.10)");
}

#[test]
fn the_first_type_of_a_name_counts() {
    let mut w = Writer::new();
    let int = w.add(TYPEDEF, "u", 0, &[]);
    for offset in [8, 16] {
        w.add(STRUCT, "twice", 24, &[("member", &[int, offset * 8])]);
    }
    let bytes = w.finish();
    let btf = Btf::parse(&bytes).unwrap();
    assert_eq!(btf.member_offset(&btf.find(Kind::Struct, "twice").unwrap(), "member"), Some(8));
    assert!(btf.find(Kind::Enum, "twice").is_none());
}

#[test]
fn arguments_are_found_by_type() {
    let check = |arguments: &[&str], reason_arg, socket_arg| {
        let types = KernelTypes::parse(&kernel_with_arguments(arguments)).unwrap();
        assert_eq!(types.kfree_skb, KfreeSkb { reason_arg, socket_arg }, "{arguments:?}");
    };
    check(&["skb", "location"], None, None);
    check(&["skb", "location", "reason"], Some(2), None);
    check(&["skb", "location", "reason", "rx_sk"], Some(2), Some(3));
    check(&["skb", "location", "rx_sk", "reason"], Some(3), Some(2));
}

#[test]
fn the_program_reads_the_packet_from_the_first_argument() {
    for arguments in [&["location", "reason", "skb"][..], &["location", "reason"]] {
        let error = KernelTypes::parse(&kernel_with_arguments(arguments)).unwrap_err();
        assert_eq!(error.to_string(), "the BTF has no sk_buff as the first argument of kfree_skb");
    }
}

#[test]
fn every_truncation_is_an_error() {
    let whole = new_kernel();
    for len in 0..whole.len() {
        KernelTypes::parse(&whole[..len]).unwrap_err();
    }
}

#[test]
fn an_unknown_kind_is_named() {
    let mut w = Writer::new();
    w.add(TYPEDEF, "u", 0, &[]);
    w.add(27, "future", 0, &[]);
    let error = KernelTypes::parse(&w.finish()).unwrap_err();
    assert_eq!(error.to_string(), "BTF type 2 has the unknown kind 27");
}

#[test]
fn a_missing_offset_is_named() {
    let mut w = Writer::new();
    let skb = w.add(STRUCT, "sk_buff", 8, &[("head", &[1, 0])]);
    w.add(TYPEDEF, "btf_trace_kfree_skb", skb, &[]);
    let error = KernelTypes::parse(&w.finish()).unwrap_err();
    assert_eq!(error.to_string(), "the BTF has no sk_buff.protocol");
}

#[test]
fn offsets_that_no_program_reads_may_be_missing() {
    let mut w = Writer::new();
    let int = w.add(TYPEDEF, "u", 0, &[]);
    let members: &[(&str, &[u32])] = &[
        ("dev", &[int, 16 * 8]),
        ("sk", &[int, 24 * 8]),
        ("_skb_refdst", &[int, 88 * 8]),
        ("protocol", &[int, 180 * 8]),
        ("network_header", &[int, 184 * 8]),
        ("head", &[int, 200 * 8]),
    ];
    let skb = w.add(STRUCT, "sk_buff", 232, members);
    add_namespaces(&mut w, int, true);
    let skb = w.add(PTR, "", skb, &[]);
    let function = w.add(FUNC_PROTO, "", 0, &[("__data", &[0]), ("skb", &[skb])]);
    let pointer = w.add(PTR, "", function, &[]);
    w.add(TYPEDEF, "btf_trace_kfree_skb", pointer, &[]);
    assert_eq!(KernelTypes::parse(&w.finish()).unwrap().sk_buff, LAYOUT);
}

#[test]
fn cycles_end() {
    // A typedef of itself, and an anonymous member that is its own parent, many times over.
    let mut w = Writer::new();
    let itself: &[u32] = &[1, 0];
    w.add(STRUCT, "sk_buff", 8, &[("", itself); 64]);
    w.add(TYPEDEF, "btf_trace_kfree_skb", 2, &[]);
    KernelTypes::parse(&w.finish()).unwrap_err();
}

#[test]
fn the_running_kernel_agrees_with_its_tracepoint() {
    let types = KernelTypes::read().expect("these tests need a kernel with BTF");
    let format = tracepoint_format();
    let print = format.lines().find(|line| line.starts_with("print fmt")).expect("a print format");
    let mut compared = 0;
    for (value, name) in &types.drop_reasons {
        if *value >= 2 {
            assert!(print.contains(&format!("{{ {value}, \"{name}\" }}")), "{value} {name}");
            compared += 1;
        }
    }
    assert_eq!(compared > 0, format.contains("enum skb_drop_reason"), "{compared} reasons");
    // Where a kernel passes the receiving socket too, it comes last, although the format lists it first.
    assert_eq!(types.kfree_skb.reason_arg, (compared > 0).then_some(2));
    // Between them is `transport_header`, in every kernel since 5.10.
    let skb = types.sk_buff;
    assert_eq!(skb.network_header, skb.protocol + 4);
    assert_eq!(skb.head % 8, 0);
}

/// Reads it from tracefs, which is mounted for this if needed.
fn tracepoint_format() -> String {
    const PATH: &str = "events/skb/kfree_skb/format";
    if let Ok(format) = fs::read_to_string(format!("/sys/kernel/tracing/{PATH}")) {
        return format;
    }
    let at = tempfile::tempdir().unwrap();
    let mounted =
        std::process::Command::new("mount").args(["-t", "tracefs", "none"]).arg(at.path()).status().unwrap();
    assert!(mounted.success(), "these tests need root: mount -t tracefs");
    let format = fs::read_to_string(at.path().join(PATH));
    let unmounted = std::process::Command::new("umount").arg(at.path()).status().unwrap();
    assert!(unmounted.success());
    format.unwrap()
}

proptest! {
    #[test]
    fn any_bytes_end_in_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        KernelTypes::parse(&bytes).unwrap_err();
    }

    #[test]
    fn damaged_btf_ends_in_an_answer(damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = new_kernel();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(types) = KernelTypes::parse(&bytes) {
            prop_assert!(types.kfree_skb.reason_arg.is_none_or(|arg| arg < 0x1_0000));
        }
    }
}
