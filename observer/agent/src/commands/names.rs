//! Options whose values are the names of an enum.

use std::fmt::Display;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use strum::VariantNames;

/// Returns a parser of an enum's names. Help and errors list the names, so that none can be forgotten there.
pub(super) fn names<T>() -> impl TypedValueParser<Value = T>
where
    T: VariantNames + FromStr<Err: Display> + Clone + Send + Sync + 'static,
{
    names_without::<T>(&[])
}

/// Returns a parser as [`names`] does, which does not accept these.
pub(super) fn names_without<T>(without: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: VariantNames + FromStr<Err: Display> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(T::VARIANTS.iter().filter(|name| !without.contains(name)))
        .try_map(|name| name.parse::<T>().map_err(|error| error.to_string()))
}

/// Returns the names as a list for a request, or `None` for an empty list.
pub(super) fn joined<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<_> = names.collect();
    (!names.is_empty()).then(|| names.join(","))
}
