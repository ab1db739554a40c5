//! Masking on real servers.
