//! Checks where modules lie: `foo.rs` beside `foo/`, and tests in files of their own.

use syn::ItemMod;
use syn::visit::{self, Visit};

use super::attributes::is_for_tests;

/// Returns a problem for each name or place in a Rust file that breaks the style.
pub(super) fn check(file: &str, text: &str) -> Vec<String> {
    if !file.ends_with(".rs") {
        return vec![];
    }
    let Ok(parsed) = syn::parse_file(text) else { return vec![format!("{file} is not Rust")] };
    let mut inline = InlineTests::default();
    inline.visit_file(&parsed);
    let inline = inline
        .0
        .iter()
        .map(|name| format!("{file}: `mod {name} {{`: what tests need lies in files of its own"));
    own_file(file).into_iter().chain(inline).collect()
}

fn own_file(file: &str) -> Option<String> {
    let (folder, name) = file.rsplit_once('/')?;
    (name == "mod.rs").then(|| format!("{file}: a module's own file is {folder}.rs"))
}

/// Collects the names of modules for tests that are written inside another.
#[derive(Default)]
struct InlineTests(Vec<String>);

impl Visit<'_> for InlineTests {
    fn visit_item_mod(&mut self, module: &ItemMod) {
        let for_tests = module.ident == "tests" || module.attrs.iter().any(is_for_tests);
        if for_tests && module.content.is_some() {
            self.0.push(module.ident.to_string());
        }
        visit::visit_item_mod(self, module);
    }
}

#[cfg(test)]
mod tests;
