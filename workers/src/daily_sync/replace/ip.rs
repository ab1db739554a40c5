//! Addresses: another one of a private network (RFC 1918), or of a unique local one (RFC 4193),
//! which has room for as many as there are.

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::{Kind, Slot, key::Digest};

#[derive(Clone)]
pub(super) struct Ip {
    network: bool,
    unique: bool,
    /// An IPv6 address fits.
    long: bool,
}

impl Ip {
    pub(super) fn new(slot: &Slot) -> Result<Self, String> {
        let long = !slot.kind.is_text() || slot.length.is_none_or(|length| length >= 39);
        if !long && (slot.unique || slot.length.is_some_and(|length| length < 15)) {
            let length = slot.length.unwrap_or_default();
            return Err(format!("an address does not fit into {length} characters"));
        }
        Ok(Self { network: slot.kind == Kind::Cidr, unique: slot.unique, long })
    }

    pub(super) fn write(&self, digest: &Digest, text: &str, out: &mut String) {
        let is_long = text.contains(':');
        let mut bytes = [0; 16];
        bytes[2..].copy_from_slice(&digest.bytes()[..14]);
        (bytes[0], bytes[1]) = (0xfd, 0);
        let long = u128::from_be_bytes(bytes);
        let short = u32::from_be_bytes([10, bytes[2], bytes[3], bytes[4]]);
        let written = match (self.network, self.unique || is_long && self.long) {
            (false, true) => write!(out, "{}", Ipv6Addr::from_bits(long)),
            (false, false) => write!(out, "{}", Ipv4Addr::from_bits(short)),
            (true, true) => {
                let bits = if is_long { length(text, 128) } else { 96 + length(text, 32) };
                // Unique networks need room to differ in.
                let bits = if self.unique { bits.max(64) } else { bits };
                let ones = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                write!(out, "{}/{bits}", Ipv6Addr::from_bits(long & ones))
            }
            (true, false) => {
                let bits = length(text, 32);
                let ones = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                write!(out, "{}/{bits}", Ipv4Addr::from_bits(short & ones))
            }
        };
        written.expect("a String takes all");
    }
}

/// Of the network: what PostgreSQL writes behind the slash, or the whole address.
fn length(text: &str, most: u32) -> u32 {
    let bits = text.rsplit_once('/').and_then(|(_, bits)| bits.parse().ok());
    bits.filter(|bits| *bits <= most).unwrap_or(most)
}
