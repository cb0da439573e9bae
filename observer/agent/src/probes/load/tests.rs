//! What the object holds, and what a kernel may refuse of it.

mod listeners;
mod settings;
mod stack;
