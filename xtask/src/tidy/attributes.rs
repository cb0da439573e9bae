//! Attributes of the items of a Rust file.

use proc_macro2::TokenTree;
use syn::{Attribute, Item};

/// Returns the attributes of an item.
pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Is true for `#[cfg(test)]`, and for `#[cfg(any(test, feature = "..."))]`: what is also built for other crates'
/// tests.
pub(super) fn is_for_tests(attribute: &Attribute) -> bool {
    let Ok(list) = attribute.meta.require_list() else { return false };
    let mut tokens = list.tokens.clone().into_iter();
    let Some(TokenTree::Ident(first)) = tokens.next().filter(|_| list.path.is_ident("cfg")) else {
        return false;
    };
    match tokens.next() {
        Some(TokenTree::Group(group)) if first == "any" || first == "all" => group
            .stream()
            .into_iter()
            .any(|token| matches!(token, TokenTree::Ident(ident) if ident == "test")),
        _ => first == "test",
    }
}
