//! Reads the paths of one Rust file with `syn`, without its tests.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Lit, Meta, UseTree};

use crate::tidy::attributes::{attributes, is_for_tests};

/// A path as it stands in the file, split at `::`.
pub(super) type Segments = Vec<String>;

/// Holds what one module contains that leads to other modules.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// Maps each imported name to the path behind it.
    pub(super) imports: BTreeMap<String, Segments>,
    /// Holds every path in the code, and those of imports.
    pub(super) paths: Vec<Segments>,
    /// Holds paths that use a module as a whole: those before `::*`, and those in the strings of attributes.
    pub(super) wholes: Vec<Segments>,
    /// Holds the names of child modules that have files of their own.
    pub(super) files: Vec<String>,
    /// Holds the child modules that are written inside this one.
    pub(super) inline: BTreeMap<String, Module>,
}

impl Module {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// Fails when the text is not Rust.
    pub(super) fn parse(text: &str) -> syn::Result<Self> {
        let mut module = Self::default();
        module.visit_file(&syn::parse_file(text)?);
        Ok(module)
    }

    fn import(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => group.items.iter().for_each(|item| self.import(item, before)),
            UseTree::Glob(_) => self.wholes.push(before.to_vec()),
            UseTree::Name(name) if name.ident == "self" => {
                self.name(before.last().cloned().unwrap_or_default(), before.to_vec());
            }
            UseTree::Name(name) => self.name(name.ident.to_string(), with(&name.ident)),
            UseTree::Rename(rename) if rename.ident == "self" => {
                self.name(rename.rename.to_string(), before.to_vec());
            }
            UseTree::Rename(rename) => self.name(rename.rename.to_string(), with(&rename.ident)),
        }
    }

    fn name(&mut self, name: String, path: Segments) {
        self.paths.push(path.clone());
        self.imports.insert(name, path);
    }

    /// Finds paths in the arguments of a macro or an attribute, which `syn` leaves unread.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Segments::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.paths.push(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.paths.push(std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.paths.push(path);
    }

    /// Finds the strings that are paths, such as in `#[serde(with = "...")]`.
    fn strings(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Literal(literal) => {
                    let Lit::Str(text) = Lit::new(literal) else { continue };
                    let Ok(path) = text.parse::<syn::Path>() else { continue };
                    self.wholes.push(segments(&path));
                }
                TokenTree::Group(group) => self.strings(group.stream()),
                _ => {}
            }
        }
    }
}

impl Visit<'_> for Module {
    fn visit_item(&mut self, item: &Item) {
        if attributes(item).iter().any(is_for_tests) {
            return;
        }
        match item {
            Item::Use(item) if item.leading_colon.is_none() => self.import(&item.tree, &[]),
            Item::Mod(item) => match &item.content {
                None => self.files.push(item.ident.to_string()),
                Some((_, items)) => {
                    let mut module = Self::default();
                    items.iter().for_each(|item| module.visit_item(item));
                    self.inline.insert(item.ident.to_string(), module);
                }
            },
            item => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item_fn(&mut self, method: &syn::ImplItemFn) {
        if !method.attrs.iter().any(is_for_tests) {
            visit::visit_impl_item_fn(self, method);
        }
    }

    fn visit_path(&mut self, path: &syn::Path) {
        if path.leading_colon.is_none() {
            self.paths.push(segments(path));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &syn::Macro) {
        visit::visit_macro(self, call);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &Attribute) {
        visit::visit_attribute(self, attribute);
        if let Meta::List(list) = &attribute.meta
            && !list.path.is_ident("cfg")
        {
            self.strings(list.tokens.clone());
            self.tokens(list.tokens.clone());
        }
    }

    /// `pub(in crate::x)` uses nothing of `x`.
    fn visit_vis_restricted(&mut self, _: &syn::VisRestricted) {}
}

fn segments(path: &syn::Path) -> Segments {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

#[cfg(test)]
mod tests;
