//! The globals that are set before the object is loaded.

use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

use crate::probes::load::OBJECT;

/// The compiler keeps what is marked `#[used]` apart from all other constants, in a section of its own. Whatever shares a
/// setting's bytes would change when userspace sets it.
#[test]
fn no_constant_shares_the_bytes_of_a_setting() {
    let file = object::File::parse(OBJECT).expect("an ELF object");
    let settings: Vec<_> = file
        .symbols()
        .filter(|symbol| symbol.is_global() && symbol.kind() == SymbolKind::Data)
        .filter_map(|symbol| {
            let section = file.section_by_index(symbol.section_index()?).ok()?;
            Some((symbol.name().ok()?.to_owned(), section.name().ok()?.to_owned()))
        })
        // aya's own is one byte, and no constant here is.
        .filter(|(name, section)| section.starts_with(".rodata") && name != aya_log::LEVEL)
        .collect();
    assert!(settings.iter().any(|(name, _)| name == "LISTENER_LAYOUT"), "{settings:?}");
    for (name, section) in settings {
        assert_eq!(section, format!(".rodata.{name}"), "it lacks #[used]");
    }
}
