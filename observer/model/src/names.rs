//! Names of enum values. `strum` derives both directions; the error lists what is possible.

use strum::VariantNames;

/// Returns the error for a name that no value of `T` has.
pub(crate) fn unknown_name<T: VariantNames>(name: &str) -> String {
    format!("`{name}` is none of {}", T::VARIANTS.join(", "))
}

#[cfg(test)]
mod tests;
