//! Frames netlink messages in a datagram and attributes in a message. It never panics, whatever the bytes.

/// `NLMSG_ERROR`.
pub(super) const ERROR: u16 = 2;
/// `NLMSG_DONE`.
pub(super) const DONE: u16 = 3;
/// `NLM_F_DUMP_INTR`: the dumped objects changed meanwhile.
pub(super) const DUMP_INTERRUPTED: u16 = 0x10;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP_REQUEST: u16 = 0x301;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `NLM_F_REQUEST | NLM_F_ACK | NLM_F_EXCL | NLM_F_CREATE`.
const CREATE_REQUEST: u16 = 0x605;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// `NLM_F_REQUEST | NLM_F_ACK`.
const COMMAND: u16 = 5;
const HEADER: usize = 16;
/// Everything but `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const TYPE_MASK: u16 = 0x3fff;

/// A message of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) seq: u32,
    pub(super) body: &'a [u8],
}

impl Message<'_> {
    /// Returns the errno of an error or done message; 0 is an acknowledgement.
    pub(super) fn errno(&self) -> i32 {
        self.body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code).wrapping_neg())
    }
}

/// Returns the messages of a datagram, up to the first malformed one.
pub(super) fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let header = rest.get(..HEADER)?;
        let len = usize::try_from(u32_at(header, 0)?).ok()?;
        let body = rest.get(HEADER..len)?;
        let message =
            Message { kind: u16_at(header, 4)?, flags: u16_at(header, 6)?, seq: u32_at(header, 8)?, body };
        rest = rest.get(align(len)..).unwrap_or_default();
        Some(message)
    })
}

/// Returns the attributes of `bytes` as (type, value), up to the first malformed one.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let len = usize::from(u16_at(rest, 0)?);
        let kind = u16_at(rest, 2)? & TYPE_MASK;
        let value = rest.get(4..len)?;
        rest = rest.get(align(len)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Returns the value of one attribute.
pub(super) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find_map(|(found, value)| (found == kind).then_some(value))
}

/// Returns a dump request for `kind` with the fixed header (and attributes) `body`.
pub(super) fn dump_request(kind: u16, seq: u32, body: &[u8]) -> Vec<u8> {
    request(kind, DUMP_REQUEST, seq, body)
}

/// Returns a request for one object.
pub(super) fn single_request(kind: u16, seq: u32, body: &[u8]) -> Vec<u8> {
    request(kind, REQUEST, seq, body)
}

/// Returns a request to create an object, which the kernel refuses with `EEXIST` where there is one.
pub(super) fn create_request(kind: u16, seq: u32, body: &[u8]) -> Vec<u8> {
    request(kind, CREATE_REQUEST, seq, body)
}

/// Returns a command, which the kernel acknowledges.
pub(super) fn command_request(kind: u16, seq: u32, body: &[u8]) -> Vec<u8> {
    request(kind, COMMAND, seq, body)
}

/// Appends an attribute that holds other attributes, each of which fills whole words.
pub(super) fn nest(out: &mut Vec<u8>, kind: u16, inside: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    inside(out);
    let len = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
    out[start..start + 2].copy_from_slice(&len.to_ne_bytes());
    out[start + 2..start + 4].copy_from_slice(&(kind | NESTED).to_ne_bytes());
}

/// Appends an attribute, padded to whole words.
pub(super) fn put(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let len = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(value);
    out.resize(align(out.len()), 0);
}

fn request(kind: u16, flags: u16, seq: u32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(HEADER + body.len());
    out.extend_from_slice(&len.to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&flags.to_ne_bytes());
    out.extend_from_slice(&seq.to_ne_bytes());
    out.extend_from_slice(&0u32.to_ne_bytes());
    out.extend_from_slice(body);
    out
}

/// Returns the native-endian u16 at `offset`.
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes.get(offset..)?.first_chunk().map(|raw| u16::from_ne_bytes(*raw))
}

/// Returns the native-endian u32 at `offset`.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|raw| u32::from_ne_bytes(*raw))
}

/// Returns a string attribute, with or without its final NUL.
pub(super) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|&b| b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

const fn align(len: usize) -> usize {
    (len + 3) & !3
}

#[cfg(test)]
mod tests;
