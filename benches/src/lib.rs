//! What Pehra costs, measured: criterion benches in `benches/`, and whole runs side by side.
