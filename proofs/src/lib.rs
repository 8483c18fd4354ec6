//! The ledger of claims: what is promised, where the code keeps it, and what holds it to that.
//!
//! The ledger itself is `proofs/claims.toml`; its fields are explained at its head. `tests/ledger.rs` resolves every
//! name in it, so that no entry can outlive what it speaks of.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The whole ledger.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Its claims.
    #[serde(rename = "claim")]
    pub claims: Vec<Claim>,
}

/// One claim.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Protocol and number: `delivery/OS1`.
    pub id: String,
    /// What is promised, in one sentence.
    pub says: String,
    /// Where the code keeps it: `file::symbol`.
    pub code: Vec<String>,
    /// The properties and queries of models that check it, by name.
    #[serde(default)]
    pub properties: Vec<String>,
    /// The seeded bugs that break it, each caught by one of the properties of this ledger.
    #[serde(default)]
    pub bugs: Vec<String>,
    /// The tests that hold it where no model does: `file::function`.
    #[serde(default)]
    pub tests: Vec<String>,
    /// The golden trace of core that shows it: `NAME` of `core/tests/golden/NAME.txt`.
    pub trace: Option<String>,
    /// How far it is known: a proof, or the bound within which it was checked.
    pub bound: String,
}

/// The folder of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Reads the ledger.
///
/// # Errors
/// In words, if it cannot be read.
pub fn ledger() -> Result<Ledger, String> {
    let path = root().join("proofs/claims.toml");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Splits `file::name` and reads the file.
///
/// # Errors
/// In words, if it has no name or the file cannot be read.
pub fn source(place: &str) -> Result<(String, &str), String> {
    let (file, name) = place
        .rsplit_once("::")
        .ok_or_else(|| format!("{place}: no `file::name`"))?;
    let text = fs::read_to_string(root().join(file)).map_err(|error| format!("{file}: {error}"))?;
    Ok((text, name))
}

/// Whether the text defines a function, type or constant of this name.
#[must_use]
pub fn defines(text: &str, name: &str) -> bool {
    ["fn", "struct", "enum", "trait", "const"].iter().any(|kind| {
        let wanted = format!("{kind} {name}");
        text.match_indices(&wanted).any(|(at, _)| {
            let next = text[at + wanted.len()..].chars().next();
            next.is_none_or(|c| !c.is_alphanumeric() && c != '_')
        })
    })
}
