//! Reads records from ring bytes, without `unsafe` and without trusting the bytes.

/// The ways in which bytes can fail to be a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// There are fewer bytes than the kind needs.
    Short {
        /// Bytes needed.
        need: usize,
        /// Bytes given.
        got: usize,
    },
    /// This build does not know the kind.
    UnknownKind(u8),
    /// A field holds a byte that stands for no value.
    UnknownValue {
        /// Name of the field.
        field: &'static str,
        /// The byte.
        value: u8,
    },
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Short { need, got } => write!(f, "record of {got} bytes, {need} needed"),
            Self::UnknownKind(kind) => write!(f, "unknown record kind {kind}"),
            Self::UnknownValue { field, value } => write!(f, "unknown value {value} in the record's {field}"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Reads fields off the front. The length is checked once for a whole record; a read past the end yields zeros.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts to read a record of `need` bytes. Bytes past the record are ignored: the ring rounds sizes up to 8.
    pub(crate) fn new(bytes: &'a [u8], need: usize) -> Result<Self, DecodeError> {
        bytes.get(..need).map(Self).ok_or(DecodeError::Short { need, got: bytes.len() })
    }

    pub(crate) fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let n = N.min(self.0.len());
        let (head, tail) = self.0.split_at(n);
        out[..n].copy_from_slice(head);
        self.0 = tail;
        out
    }
}

/// A part of a record, in native endianness.
pub(crate) trait Field: Sized {
    /// Size in a record, bytes.
    const SIZE: usize;

    /// Reads the field; an error names it.
    fn read(name: &'static str, reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

impl<const N: usize> Field for [u8; N] {
    const SIZE: usize = N;

    fn read(_: &'static str, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(reader.take())
    }
}

impl Field for bool {
    const SIZE: usize = 1;

    fn read(name: &'static str, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.take() {
            [0] => Ok(false),
            [1] => Ok(true),
            [value] => Err(DecodeError::UnknownValue { field: name, value }),
        }
    }
}

macro_rules! integers {
    ($($t:ty)*) => {$(
        impl Field for $t {
            const SIZE: usize = size_of::<Self>();

            fn read(_: &'static str, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self::from_ne_bytes(reader.take()))
            }
        }
    )*};
}
integers!(u8 u16 u32 u64);

/// Defines structs that are read field by field in the order of their memory. The build fails if a struct is not as
/// large as its fields together: then the compiler has put padding between them, which has to be a field of its own.
macro_rules! fields {
    ($(
        $(#[$doc:meta])*
        pub struct $name:ident of $size:literal bytes {
            $($(#[$field_doc:meta])* pub $field:ident: $type:ty,)*
        }
    )*) => {$(
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        const _: () = assert!(size_of::<$name>() == $size);
        const _: () = assert!(<$name as crate::decode::Field>::SIZE == $size);

        impl crate::decode::Field for $name {
            const SIZE: usize = 0 $(+ <$type as crate::decode::Field>::SIZE)*;

            fn read(_: &'static str, reader: &mut crate::decode::Reader<'_>) -> Result<Self, crate::DecodeError> {
                Ok(Self { $($field: crate::decode::Field::read(stringify!($field), reader)?,)* })
            }
        }
    )*};
}
pub(crate) use fields;
