use super::*;

fn parse(text: &str) -> Module {
    Module::parse(text).unwrap()
}

fn paths(text: &str) -> Vec<String> {
    parse(text).paths.into_iter().filter(|path| path.len() > 1).map(|path| path.join("::")).collect()
}

#[test]
fn imports_are_taken_apart() {
    let module = parse("use crate::{a::{self, B as C}, d::*, e};");
    let imports: Vec<_> =
        module.imports.iter().map(|(name, path)| (name.as_str(), path.join("::"))).collect();
    assert_eq!(
        imports,
        [("C", "crate::a::B".into()), ("a", "crate::a".into()), ("e", "crate::e".to_owned())]
    );
    assert_eq!(module.wholes, [["crate", "d"]]);
}

#[test]
fn paths_in_types_bodies_and_macros_are_found() {
    assert_eq!(paths("fn f(x: &super::A) { b::c(); }"), ["super::A", "b::c"]);
    assert_eq!(paths(r#"fn f() { println!("{}", [x, crate::a::B.c(d::e)]); }"#), ["crate::a::B", "d::e"]);
}

#[test]
fn paths_in_attributes_are_found() {
    let text = r#"#[derive(super::A)] struct S {
        #[serde(with = "crate::b", default)] #[arg(value_parser = crate::c::parse, help = "crate for b")] x: u8,
        #[cfg(feature = "crate::d")] y: u8,
    }"#;
    assert_eq!(paths(text), ["super::A", "crate::c::parse"]);
    let wholes: Vec<_> = parse(text).wholes.iter().map(|path| path.join("::")).collect();
    assert_eq!(wholes, ["crate::b"]);
}

#[test]
fn tests_and_visibility_are_left_out() {
    let text = "#[cfg(test)] mod tests; #[cfg(any(test, feature = \"x\"))] mod testing; #[cfg(unix)] mod kept;\n\
        #[cfg(test)] use crate::a::B; pub(in crate::c) struct D; impl D { #[cfg(test)] fn e() { crate::f::g() } }";
    let module = parse(text);
    assert_eq!(module.files, ["kept"]);
    assert_eq!(paths(text), Vec::<String>::new());
}

#[test]
fn inline_modules_are_modules() {
    let module = parse("mod a { use super::b::C; mod d; }");
    assert_eq!(module.inline["a"].imports["C"], ["super", "b", "C"]);
    assert_eq!(module.inline["a"].files, ["d"]);
}
