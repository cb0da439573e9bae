//! Names of enum values. `strum` derives both directions; the error lists what is possible.

use strum::VariantNames;

/// Returns the error for a name that no value of `T` has.
pub(crate) fn unknown_name<T: VariantNames>(name: &str) -> String {
    format!("`{name}` is none of {}", T::VARIANTS.join(", "))
}

/// Gives enums that derive `IntoStaticStr` the method `as_str`, which is shorter to call and says what it returns.
macro_rules! as_str {
    ($($type:ident),*) => {$(
        impl $type {
            /// Returns the name that JSON, filters and metric labels use.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                self.into()
            }
        }
    )*};
}

/// Implements `JsonSchema` for types that are plain strings in JSON.
macro_rules! text_schema {
    ($($type:ident),*) => {$(
        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                <String as schemars::JsonSchema>::json_schema(generator)
            }
        }
    )*};
}

pub(crate) use {as_str, text_schema};

#[cfg(test)]
mod tests;
