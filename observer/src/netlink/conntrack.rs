//! Connections that were open before we came.
