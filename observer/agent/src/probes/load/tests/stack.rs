//! The stack that the classifiers need, as Linux 5.10 counts it: older verifiers add up whole call chains, each frame
//! rounded up to 32 bytes, and refuse more than 512 (kernel/bpf/verifier.c at v5.10, `check_max_stack_depth`).

use std::collections::HashMap;

use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionIndex, SymbolKind};

use crate::probes::load::OBJECT;

const LIMIT: u64 = 512;
const FRAME_POINTER: u8 = 10;

/// Instruction codes of `linux/bpf.h`.
const MOVE: u8 = 0xbf;
const ADD_IMMEDIATE: u8 = 0x07;
const MOVE_IMMEDIATE: u8 = 0xb7;
const CALL: u8 = 0x85;
const WIDE: u8 = 0x18;
const PSEUDO_CALL: u8 = 1;

struct Instruction {
    code: u8,
    dst: u8,
    src: u8,
    offset: i64,
    immediate: i64,
    at: u64,
}

#[derive(Debug)]
struct Function {
    name: String,
    section: SectionIndex,
    start: u64,
    end: u64,
    frame: u64,
    calls: Vec<usize>,
}

#[test]
fn no_chain_of_calls_needs_more_stack_than_linux_5_10_grants() {
    let functions = functions();
    let programs: Vec<_> =
        (0..functions.len()).filter(|&i| functions[i].name.starts_with("flow_obs_")).collect();
    assert!(programs.len() >= 8, "{functions:?}");
    assert!(functions.iter().any(|f| f.frame > 100 && !f.calls.is_empty()), "frames are read: {functions:?}");
    for program in programs {
        let (needed, chain) = deepest(&functions, program);
        assert!(needed <= LIMIT, "{needed} bytes: {chain}");
    }
}

/// Returns the chain of calls that needs most. The kernel refuses recursion, so there is an end.
fn deepest(functions: &[Function], from: usize) -> (u64, String) {
    let function = &functions[from];
    let own = function.frame.max(1).next_multiple_of(32);
    let below = function.calls.iter().map(|&callee| deepest(functions, callee)).max();
    let (needed, chain) = below.unwrap_or_default();
    (own + needed, format!("{} ({}) > {chain}", function.name, function.frame))
}

fn functions() -> Vec<Function> {
    let file = object::File::parse(OBJECT).expect("an ELF object");
    let mut functions: Vec<Function> = file
        .symbols()
        .filter(|s| s.kind() == SymbolKind::Text && s.size() > 0)
        .map(|s| Function {
            name: s.name().unwrap_or_default().to_owned(),
            section: s.section_index().expect("a defined function"),
            start: s.address(),
            end: s.address() + s.size(),
            frame: 0,
            calls: Vec::new(),
        })
        .collect();
    for i in 0..functions.len() {
        let section = file.section_by_index(functions[i].section).expect("its section");
        let relocations: HashMap<_, _> = section.relocations().collect();
        let code = &section.data().expect("its code")[functions[i].start as usize..functions[i].end as usize];
        let instructions = decode(code, functions[i].start);
        functions[i].frame = frame(&instructions);
        let calls = instructions.iter().filter(|x| x.code == CALL && x.src == PSEUDO_CALL);
        functions[i].calls = calls
            .map(|call| {
                let (section, address) = match relocations.get(&call.at).map(object::Relocation::target) {
                    Some(RelocationTarget::Symbol(symbol)) => target(&file, symbol, call),
                    _ => (functions[i].section, call.at.wrapping_add_signed(8 + call.immediate * 8)),
                };
                let callee = |f: &Function| f.section == section && (f.start..f.end).contains(&address);
                functions.iter().position(callee).expect("the function that is called")
            })
            .collect();
    }
    functions
}

/// Returns the function that a call names, by its symbol, or by its section and the place in it.
fn target(file: &object::File<'_>, symbol: object::SymbolIndex, call: &Instruction) -> (SectionIndex, u64) {
    let symbol = file.symbol_by_index(symbol).expect("the symbol");
    let section = symbol.section_index().expect("its section");
    match symbol.kind() {
        SymbolKind::Text => (section, symbol.address()),
        _ => (section, symbol.address().wrapping_add_signed((call.immediate + 1) * 8)),
    }
}

fn decode(code: &[u8], start: u64) -> Vec<Instruction> {
    let (mut instructions, mut i) = (Vec::new(), 0);
    while let Some(&[opcode, regs, o0, o1, i0, i1, i2, i3]) = code.get(i..i + 8) {
        instructions.push(Instruction {
            code: opcode,
            dst: regs & 0xf,
            src: regs >> 4,
            offset: i16::from_ne_bytes([o0, o1]).into(),
            immediate: i32::from_ne_bytes([i0, i1, i2, i3]).into(),
            at: start + i as u64,
        });
        i += if opcode == WIDE { 16 } else { 8 };
    }
    instructions
}

/// Returns the deepest byte that is read, written, or whose address is taken.
fn frame(instructions: &[Instruction]) -> u64 {
    let mut deepest = 0;
    let mut copies = [false; 16];
    for x in instructions {
        let (load, store) = (x.code & 7 == 1, matches!(x.code & 7, 2 | 3));
        if (load && x.src == FRAME_POINTER) || (store && x.dst == FRAME_POINTER) {
            deepest = deepest.min(x.offset);
        }
        let copy = &mut copies[usize::from(x.dst)];
        match x.code {
            MOVE => *copy = x.src == FRAME_POINTER,
            MOVE_IMMEDIATE => *copy = false,
            ADD_IMMEDIATE if *copy => {
                deepest = deepest.min(x.immediate);
                *copy = false;
            }
            _ => {}
        }
    }
    deepest.unsigned_abs()
}
