//! Orders of an admin, signed: what is signed, how, and when a node takes it.
//!
//! With `[admin] key = "…"` in the cluster's file, a request that can lead towards sleep ([`Ask::needs_signature`]) is taken
//! only with a signature of that key (Ed25519, RFC 8032):
//!
//! ```json
//! {"ask":"enable","epoch":3,"signed":{"at_ms":1700000000000,"signature":"… 128 hexadecimal digits"}}
//! ```
//!
//! The signature is over these lines, joined by line feeds, without one at the end:
//!
//! | line | example |
//! |---|---|
//! | what it is | `pehra admin order 1` |
//! | the cluster's name | `barn` |
//! | the number of its configuration | `1` |
//! | the id of the node that it is sent to | `2` |
//! | `at_ms`: when it was signed, in milliseconds of Unix time | `1700000000000` |
//! | the request without `signed`: JSON without spaces, keys sorted | `{"ask":"enable","epoch":3}` |
//!
//! In Python, the last line is `json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False)`.
//!
//! **What a node takes.** A signature of the right key, at most [`AGE_MS_MAX`] away from its own clock, and later than the last
//! that it took. It keeps that in memory: within that time of its start, an order that it took before can be played to it
//! once more. So an order is to one node, and `enable` has its epoch besides, which is on the disks of a majority.

use std::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde_json::{Map, Value, json};

use crate::ask::Ask;

/// How far the time of an order may be from a node's clock, in milliseconds.
pub const AGE_MS_MAX: u64 = 60_000;

/// What a signature begins with. It tells this use of a key from all others.
const DOMAIN: &str = "pehra admin order 1";

/// Whom an order is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The cluster's name.
    pub cluster: String,
    /// The number of its configuration.
    pub number: u32,
    /// The node that is to carry it out.
    pub node: u16,
}

/// The public half of an admin's key: whoever has it can check orders and cannot give any.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AdminKey(VerifyingKey);

impl AdminKey {
    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn read(text: &str) -> Result<Self, String> {
        let bytes: [u8; 32] = digits(text).ok_or("an admin's key is 64 hexadecimal digits")?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| "these digits are no public key of Ed25519")?;
        if key.is_weak() {
            return Err("this is a weak key of Ed25519, under which anybody can sign".into());
        }
        Ok(Self(key))
    }
}

impl fmt::Display for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.0.as_bytes()))
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdminKey({self})")
    }
}

/// The secret half.
#[derive(Clone)]
pub struct AdminSecret(SigningKey);

impl AdminSecret {
    /// Of 32 random bytes.
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn read(text: &str) -> Result<Self, String> {
        let seed = digits(text.trim()).ok_or("the secret half of an admin's key is 64 hexadecimal digits")?;
        Ok(Self::new(&seed))
    }

    /// As [`Self::read`] reads it. A secret.
    #[must_use]
    pub fn write(&self) -> String {
        hex(self.0.as_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> AdminKey {
        AdminKey(self.0.verifying_key())
    }

    /// The body of a signed request.
    #[must_use]
    pub fn sign(&self, scope: &Scope, ask: &Ask, at_ms: u64) -> Vec<u8> {
        let mut request = match serde_json::to_value(ask) {
            Ok(Value::Object(fields)) => fields,
            // Requests are written as objects: see `Ask`.
            Ok(_) | Err(_) => Map::new(),
        };
        let signature = self.0.sign(&lines(scope, at_ms, &request));
        let signed = json!({ "at_ms": at_ms, "signature": hex(&signature.to_bytes()) });
        request.insert("signed".into(), signed);
        serde_json::to_vec(&request).unwrap_or_default()
    }
}

/// Logs and dumps must not show it.
impl fmt::Debug for AdminSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdminSecret(of {})", self.public())
    }
}

/// Takes signed orders, each of them once.
#[derive(Clone, Debug)]
pub struct Verifier {
    key: AdminKey,
    scope: Scope,
    /// When the last order that was taken was signed.
    last_ms: u64,
}

/// Why an order is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untaken {
    /// It is not signed.
    Missing,
    /// `signed` is not what it should be.
    Unreadable,
    /// The signature is not of this key, for this node and this cluster, over this request.
    Forged,
    /// Its time is too far from this node's clock, in milliseconds; positive if it is too late to take it.
    Stale(i64),
    /// One that was signed then or later was taken before.
    Replayed,
}

impl Untaken {
    /// In a word, for counters and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "unsigned-orders",
            Self::Unreadable | Self::Forged => "forged-orders",
            Self::Stale(_) => "stale-orders",
            Self::Replayed => "replayed-orders",
        }
    }
}

impl fmt::Display for Untaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str(
                "the cluster's file has a key under [admin], and this order is not signed: give it with --admin-key FILE",
            ),
            Self::Unreadable => f.write_str(
                "\"signed\" is {\"at_ms\": milliseconds of Unix time, \"signature\": 128 hexadecimal digits}, and here it is not",
            ),
            Self::Forged => f.write_str(
                "the signature does not fit this order: is it of the key in the cluster's file, for this node, this cluster \
                 and this number of its configuration?",
            ),
            Self::Stale(off) => {
                let (far, side) = (off.unsigned_abs() / 1000, if *off > 0 { "old" } else { "ahead" });
                write!(
                    f,
                    "the order is {far} s {side} by this node's clock, and may be {} s: sign it anew, or set the clocks",
                    AGE_MS_MAX / 1000
                )
            }
            Self::Replayed => {
                f.write_str("an order that was signed at that time or later was taken already: sign it anew")
            }
        }
    }
}

impl Verifier {
    /// Of this node.
    #[must_use]
    pub const fn new(key: AdminKey, scope: Scope) -> Self {
        Self { key, scope, last_ms: 0 }
    }

    /// Takes the request with this body, `now_ms` by the node's clock (Unix time).
    ///
    /// # Errors
    /// Why it is not taken; then nothing has changed.
    pub fn take(&mut self, body: &[u8], now_ms: u64) -> Result<(), Untaken> {
        let Ok(Value::Object(mut request)) = serde_json::from_slice(body) else {
            return Err(Untaken::Unreadable);
        };
        let signed = request.remove("signed").ok_or(Untaken::Missing)?;
        let at_ms = signed.get("at_ms").and_then(Value::as_u64).ok_or(Untaken::Unreadable)?;
        let digits = signed.get("signature").and_then(Value::as_str).and_then(digits);
        let signature = Signature::from_bytes(&digits.ok_or(Untaken::Unreadable)?);
        // First of all, so that nothing is told to whoever has no key.
        let message = lines(&self.scope, at_ms, &request);
        if self.key.0.verify_strict(&message, &signature).is_err() {
            return Err(Untaken::Forged);
        }
        if now_ms.abs_diff(at_ms) > AGE_MS_MAX {
            let off = i128::from(now_ms) - i128::from(at_ms);
            let limit = if off > 0 { i64::MAX } else { i64::MIN };
            return Err(Untaken::Stale(i64::try_from(off).unwrap_or(limit)));
        }
        if at_ms <= self.last_ms {
            return Err(Untaken::Replayed);
        }
        self.last_ms = at_ms;
        Ok(())
    }
}

/// What is signed.
fn lines(scope: &Scope, at_ms: u64, request: &Map<String, Value>) -> Vec<u8> {
    let Scope { cluster, number, node } = scope;
    let mut text = format!("{DOMAIN}\n{cluster}\n{number}\n{node}\n{at_ms}\n");
    write_sorted(&Value::Object(request.clone()), &mut text);
    text.into_bytes()
}

/// JSON without spaces, and keys sorted: whether a map of this build keeps the order of its keys must not matter.
fn write_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| *key);
            text.push('{');
            for (nth, (key, value)) in fields.into_iter().enumerate() {
                text.push_str(if nth > 0 { "," } else { "" });
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write_sorted(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (nth, item) in items.iter().enumerate() {
                text.push_str(if nth > 0 { "," } else { "" });
                write_sorted(item, text);
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != N * 2 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (nth, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(nth * 2..nth * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}
