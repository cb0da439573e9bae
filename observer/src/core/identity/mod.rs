//! Placeholder until the engine lands in this session.
