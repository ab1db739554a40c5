//! Keyed hashes: HMAC-SHA256 (RFC 2104, FIPS 180-4) of a word that says what it is for, a colon and
//! the value; and SipHash where only numbers are shuffled or values sampled.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use siphasher::sip::SipHasher24;

use crate::daily_sync::fingerprints::Mark;

/// The masking key.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

/// The key for one use: equal values have other digests under another one.
#[derive(Clone)]
pub(super) struct Use(Hmac<Sha256>);

#[derive(Clone, Copy)]
pub(super) struct Digest([u8; 32]);

const HEX: &[u8; 16] = b"0123456789abcdef";

impl Key {
    pub fn new(text: &str) -> Self {
        Self(Hmac::new_from_slice(text.as_bytes()).expect("HMAC takes a key of any length"))
    }

    pub(super) fn of(&self, what: &str) -> Use {
        let mut keyed = self.0.clone();
        keyed.update(what.as_bytes());
        keyed.update(b":");
        Use(keyed)
    }

    /// A pseudo-random function that is twenty times as fast as a digest
    /// (https://www.aumasson.jp/siphash/siphash.pdf), with a key of its own.
    pub(super) fn shuffle(&self, what: &str) -> SipHasher24 {
        let Digest(digest) = self.of(what).digest("shuffle");
        SipHasher24::new_with_key(digest.first_chunk().expect("a digest has 32 bytes"))
    }
}

impl Use {
    /// The state after the key and the word is copied for each value: hashing those again would
    /// cost twice as much.
    pub(super) fn digest(&self, value: &str) -> Digest {
        let mut keyed = self.0.clone();
        keyed.update(value.as_bytes());
        Digest(keyed.finalize().into_bytes().into())
    }

    /// Another one of the same value.
    pub(super) fn another(&self, Digest(digest): Digest) -> Digest {
        let mut keyed = self.0.clone();
        keyed.update(&digest);
        Digest(keyed.finalize().into_bytes().into())
    }

    pub(super) fn mark(&self, value: &str) -> Mark {
        let mut mark = [0; 16];
        mark.copy_from_slice(&self.digest(value).bytes()[..16]);
        Mark(mark)
    }
}

impl Digest {
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its hexadecimal digits, each less than 16; there are 64.
    pub(super) fn nibbles(&self) -> impl Iterator<Item = usize> {
        self.0.iter().flat_map(|byte| [usize::from(byte >> 4), usize::from(byte & 15)])
    }

    /// As many hexadecimal digits as asked, in the letters of the alphabet.
    pub(super) fn spell(&self, digits: usize, alphabet: &[u8; 16], out: &mut String) {
        out.extend(self.nibbles().take(digits).map(|nibble| char::from(alphabet[nibble])));
    }

    pub(super) fn hex(&self, digits: usize, out: &mut String) {
        self.spell(digits, HEX, out);
    }

    pub(super) fn number(&self) -> u64 {
        u64::from_be_bytes(*self.0.first_chunk().expect("a digest has 32 bytes"))
    }

    pub(super) fn wide_number(&self) -> u128 {
        u128::from_be_bytes(*self.0.first_chunk().expect("a digest has 32 bytes"))
    }
}
