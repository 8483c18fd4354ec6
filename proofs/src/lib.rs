//! The ledger of claims.
