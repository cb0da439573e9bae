//! Real TCP traffic. The first byte of a client selects the server's reaction.

pub mod burst;
pub mod client;
pub mod idle;
pub mod raw;
mod server;

pub use client::{Conversation, connect, connect_within};
pub use server::Server;

/// The server resets the connection when it reads this byte; every other byte comes back.
pub const RESET: u8 = b'r';
/// A byte that comes back.
pub const ECHO: u8 = b'e';
