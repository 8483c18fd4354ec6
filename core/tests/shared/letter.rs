//! The smallest row there is: a short text whose first letter is the household.

use core::fmt;

use pehra_core::delivery::Body;

/// A row. `a1` and `a2` are of household `a`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Letter(pub String);

impl Body for Letter {
    type Household = char;
    type Code = String;

    fn household(&self) -> char {
        self.0.chars().next().unwrap_or('?')
    }

    fn first_code(household: &char) -> String {
        format!("code-{household}")
    }
}

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
