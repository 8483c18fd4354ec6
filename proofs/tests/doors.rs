//! Keeps the doors between the rooms of the workspace shut: who may depend on whom.
//!
//! ARCHITECTURE.md says why each rule is there. A new edge is a decision: change the table here in the same commit that
//! says why in `proofs/decisions/`.

use std::collections::BTreeMap;
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Where a crate lives, and so what it may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Room {
    Core,
    Models,
    Proofs,
    Driver,
    Adapter,
    /// Puts adapters together for those who look at a cluster: the one place between adapters and binaries.
    Asking,
    Testbed,
    Bin,
    /// The operator's tool: the one binary that also looks into models and proofs.
    Tool,
    Benches,
}

/// Who may depend on whom, in what is deployed.
const DOORS: &[(Room, &[Room])] = &[
    (Room::Core, &[]),
    (Room::Models, &[Room::Core, Room::Proofs]),
    (Room::Proofs, &[Room::Core]),
    (Room::Driver, &[Room::Core]),
    (Room::Adapter, &[Room::Core, Room::Driver]),
    (Room::Testbed, &[Room::Core, Room::Driver, Room::Adapter]),
    (Room::Asking, &[Room::Core, Room::Driver, Room::Adapter]),
    (Room::Bin, &[Room::Core, Room::Driver, Room::Adapter, Room::Asking]),
    (
        Room::Tool,
        &[
            Room::Core,
            Room::Driver,
            Room::Adapter,
            Room::Asking,
            Room::Models,
            Room::Proofs,
        ],
    ),
    (
        Room::Benches,
        &[Room::Core, Room::Models, Room::Proofs, Room::Driver, Room::Adapter],
    ),
];

/// Who may use the testbed, and only in tests.
const TESTED_WITH_TESTBED: &[Room] = &[
    Room::Driver,
    Room::Adapter,
    Room::Asking,
    Room::Bin,
    Room::Tool,
    Room::Benches,
];

/// Edges that the tables do not allow and that are there all the same: (from, to, why).
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// Crates that do not take the workspace's lints because their own are stricter.
const OWN_LINTS: &[&str] = &["pehra-core"];

#[test]
fn no_crate_reaches_a_room_that_it_has_no_door_to() {
    let metadata = metadata();
    let rooms = rooms(&metadata);
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        let from = rooms[package.name.as_str()];
        for dependency in &package.dependencies {
            let Some(to) = rooms.get(dependency.name.as_str()) else {
                continue;
            };
            let (ours, theirs) = (package.name.as_str(), dependency.name.as_str());
            if !is_allowed(from, *to, dependency.kind) && !is_exception(ours, theirs) {
                wrong.push(format!("{ours} ({from:?}) → {theirs} ({to:?}), {}", dependency.kind));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "no door leads from here to there:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_exception_is_still_needed() {
    let metadata = metadata();
    for (from, to, why) in EXCEPTIONS {
        assert!(!why.is_empty(), "{from} → {to} has no reason");
        let package = metadata
            .workspace_packages()
            .into_iter()
            .find(|package| package.name.as_str() == *from);
        let used = package.is_some_and(|package| package.dependencies.iter().any(|it| it.name == *to));
        assert!(used, "{from} → {to} is gone: take it off the list");
    }
}

#[test]
fn core_depends_on_nothing_at_all() {
    let metadata = metadata();
    let core = package(&metadata, "pehra-core");
    let there: Vec<_> = core
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .map(|dependency| dependency.name.as_str())
        .collect();
    assert_eq!(there, [""; 0], "what the model checker explores must be all there is");
}

#[test]
fn core_is_no_std_and_forbids_unsafe_code() {
    let metadata = metadata();
    let folder = folder(package(&metadata, "pehra-core"));
    let source = read(&folder.join("src/lib.rs"));
    assert!(
        source.lines().any(|line| line.trim() == "#![no_std]"),
        "core/src/lib.rs: #![no_std] is gone"
    );
    assert!(!source.contains("extern crate std"), "core/src/lib.rs brings std back");
    // Here and not among the lints, which would bind core's tests too: one of them is an allocator that counts.
    assert!(
        source.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]"),
        "core/src/lib.rs: #![forbid(unsafe_code)] is gone"
    );
}

#[test]
fn every_crate_is_held_to_lints() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let manifest = manifest(package.manifest_path.as_std_path());
        if OWN_LINTS.contains(&package.name.as_str()) {
            for level in [
                "unwrap_used",
                "expect_used",
                "panic",
                "indexing_slicing",
                "arithmetic_side_effects",
            ] {
                assert_eq!(
                    text(&manifest, &["lints", "clippy", level]),
                    Some("deny"),
                    "{}: {level}",
                    package.name
                );
            }
        } else {
            let inherits = at(&manifest, &["lints", "workspace"]).and_then(toml::Value::as_bool);
            assert_eq!(
                inherits,
                Some(true),
                "{}: [lints] workspace = true is missing",
                package.manifest_path
            );
        }
    }
}

#[test]
fn every_version_is_chosen_in_the_workspace_table() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let manifest = manifest(package.manifest_path.as_std_path());
        for (name, dependency) in tables(&manifest) {
            let inherits = dependency.get("workspace").and_then(toml::Value::as_bool);
            assert_eq!(
                inherits,
                Some(true),
                "{}: {name} must say workspace = true",
                package.manifest_path
            );
        }
    }
}

#[test]
fn every_version_from_outside_is_pinned_exactly() {
    let metadata = metadata();
    let root = manifest(metadata.workspace_root.join("Cargo.toml").as_std_path());
    let table = at(&root, &["workspace", "dependencies"])
        .and_then(toml::Value::as_table)
        .expect("the table of versions");
    assert!(table.len() > 20, "the table was not read");
    for (name, dependency) in table {
        let is_ours = dependency.get("path").is_some();
        let version = dependency
            .as_str()
            .or_else(|| dependency.get("version").and_then(toml::Value::as_str));
        let is_pinned = version.is_some_and(|version| version.starts_with('=') && version.split('.').count() == 3);
        assert!(
            is_ours || is_pinned,
            "{name}: expected \"=major.minor.patch\", found {version:?}"
        );
    }
}

#[test]
fn the_rules_refuse_what_they_are_there_to_refuse() {
    use DependencyKind::{Build, Development, Normal};
    for (from, to, kind) in [
        (Room::Core, Room::Proofs, Normal),
        (Room::Core, Room::Models, Development),
        (Room::Adapter, Room::Adapter, Normal),
        (Room::Adapter, Room::Adapter, Development),
        (Room::Adapter, Room::Testbed, Normal),
        (Room::Adapter, Room::Testbed, Build),
        (Room::Adapter, Room::Asking, Normal),
        (Room::Testbed, Room::Asking, Normal),
        (Room::Bin, Room::Models, Normal),
        (Room::Bin, Room::Bin, Development),
        (Room::Models, Room::Driver, Normal),
        (Room::Benches, Room::Bin, Development),
        (Room::Benches, Room::Tool, Development),
        (Room::Proofs, Room::Models, Normal),
    ] {
        assert!(!is_allowed(from, to, kind), "{from:?} → {to:?} ({kind})");
    }
}

fn is_allowed(from: Room, to: Room, kind: DependencyKind) -> bool {
    if kind == DependencyKind::Development && to == Room::Testbed {
        return TESTED_WITH_TESTBED.contains(&from);
    }
    DOORS.iter().any(|(room, doors)| *room == from && doors.contains(&to))
}

fn is_exception(from: &str, to: &str) -> bool {
    EXCEPTIONS.iter().any(|(a, b, _)| *a == from && *b == to)
}

/// The room of every crate of the workspace; a crate in no room is an error.
fn rooms(metadata: &Metadata) -> BTreeMap<&str, Room> {
    let root = metadata.workspace_root.as_std_path();
    metadata
        .workspace_packages()
        .into_iter()
        .map(|package| {
            let folder = folder(package);
            let place = folder.strip_prefix(root).expect("inside the workspace");
            let room = match place.to_str().expect("a name in UTF-8") {
                "core" => Room::Core,
                "models" => Room::Models,
                "proofs" => Room::Proofs,
                "benches" => Room::Benches,
                "adapters/asking" => Room::Asking,
                "adapters/driver" => Room::Driver,
                "adapters/testbed" => Room::Testbed,
                "bins/pehra" => Room::Tool,
                place if place.starts_with("adapters/") => Room::Adapter,
                place if place.starts_with("bins/") => Room::Bin,
                place => panic!("{place} is in no room: put it into one, or make one in proofs/tests/doors.rs"),
            };
            (package.name.as_str(), room)
        })
        .collect()
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata")
}

fn package<'a>(metadata: &'a Metadata, name: &str) -> &'a Package {
    let mut packages = metadata.workspace_packages().into_iter();
    packages
        .find(|package| package.name.as_str() == name)
        .unwrap_or_else(|| panic!("{name} is not in the workspace"))
}

fn folder(package: &Package) -> &Path {
    package
        .manifest_path
        .parent()
        .expect("a manifest lies in a folder")
        .as_std_path()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(path: &Path) -> toml::Value {
    toml::from_str(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn at<'a>(value: &'a toml::Value, path: &[&str]) -> Option<&'a toml::Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

fn text<'a>(value: &'a toml::Value, path: &[&str]) -> Option<&'a str> {
    at(value, path).and_then(toml::Value::as_str)
}

/// All dependencies of a manifest: of every kind, also those of one platform only.
fn tables(manifest: &toml::Value) -> Vec<(String, &toml::Value)> {
    const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let platforms = manifest
        .get("target")
        .and_then(toml::Value::as_table)
        .into_iter()
        .flat_map(|it| it.values());
    std::iter::once(manifest)
        .chain(platforms)
        .flat_map(|part| KINDS.iter().filter_map(|kind| part.get(kind)?.as_table()))
        .flatten()
        .map(|(name, dependency)| (name.clone(), dependency))
        .collect()
}
