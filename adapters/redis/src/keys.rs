//! The names of the keys.

/// The marker: a random number, made once.
pub(crate) const MARKER: &str = "pehra:store";
/// The run of the server whose log is known to be whole.
pub(crate) const RUN: &str = "pehra:run";
/// Names of all edges.
pub(crate) const EDGES: &str = "pehra:edges";
/// Household to postal code.
pub(crate) const CODES: &str = "pehra:codes";

/// An edge's name inside a key. A colon in it is written `%3A`, so that no two edges and households share a key:
/// edge `a` with household `b:c`, and edge `a:b` with household `c`.
fn part(edge: &str) -> String {
    edge.replace('%', "%25").replace(':', "%3A")
}

/// An edge's marks.
pub(crate) fn edge_key(edge: &str) -> String {
    format!("pehra:edge:{}", part(edge))
}

/// Sums over all windows of each household of an edge.
pub(crate) fn totals_key(edge: &str) -> String {
    format!("pehra:totals:{}", part(edge))
}

/// Rows of an edge that will never come.
pub(crate) fn skipped_key(edge: &str) -> String {
    format!("pehra:skipped:{}", part(edge))
}

/// The windows of a household of an edge.
pub(crate) fn windows_key(edge: &str, household: &str) -> String {
    format!("pehra:windows:{}:{household}", part(edge))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_colons_do_not_meet() {
        assert_ne!(windows_key("a", "b:c"), windows_key("a:b", "c"));
        assert_ne!(windows_key("a%3Ab", "c"), windows_key("a:b", "c"));
        assert_eq!(edge_key("edge-1"), "pehra:edge:edge-1");
    }
}
