//! What the checker must know about a model's actions.

use std::fmt::Debug;
use std::hash::Hash;

use stateright::Model;

/// A model whose actions have names and fairness classes.
///
/// The names let the gate say "this kind of action never changed anything", which is how a model goes quietly blind:
/// a guard that is never true removes behaviour, and every safety property then holds for the wrong reason.
///
/// The classes say which actions the world owes us. They matter only to [`crate::lasso`]; a model that asks no
/// liveness query keeps the defaults.
///
/// ```
/// use pehra_models::kinds::{Kinds, Strength};
/// use stateright::{Model, Property};
///
/// struct Lamp;
/// #[derive(Clone, Debug, PartialEq)]
/// enum Act { Press, Burn }
///
/// impl Model for Lamp {
///     type State = u8;
///     type Action = Act;
///     fn init_states(&self) -> Vec<u8> { vec![0] }
///     fn actions(&self, _: &u8, out: &mut Vec<Act>) { out.extend([Act::Press, Act::Burn]) }
///     fn next_state(&self, lamp: &u8, act: Act) -> Option<u8> {
///         match act {
///             Act::Press => (*lamp < 2).then(|| 1 - lamp),
///             Act::Burn => (*lamp == 1).then_some(2),
///         }
///     }
///     fn properties(&self) -> Vec<Property<Self>> { vec![Property::always("known", |_, lamp| *lamp < 3)] }
/// }
///
/// impl Kinds for Lamp {
///     const KINDS: &'static [&'static str] = &["press", "burn"];
///     fn kind(act: &Act) -> &'static str {
///         match act { Act::Press => "press", Act::Burn => "burn" }
///     }
///     fn fairness(&self, _: &u8, act: &Act) -> Option<u16> { (*act == Act::Burn).then_some(0) }
///     fn strength(&self, _: u16) -> Strength { Strength::Strong }
/// }
///
/// pehra_models::Gate::new(Lamp).name("lamp").golden(3).run().require();
/// ```
pub trait Kinds: Model<State: Clone + Eq + Hash + Debug, Action: Clone + Debug + PartialEq> {
    /// Every name that [`Kinds::kind`] may return. Each of them must change some state, or the gate fails.
    const KINDS: &'static [&'static str];

    /// The name of this action's kind; one of [`Kinds::KINDS`].
    fn kind(action: &Self::Action) -> &'static str;

    /// Whether the bounds of this very model leave room for this kind. One that they leave no room for must never
    /// change a state, every other one must.
    fn has_kind(&self, _kind: &str) -> bool {
        true
    }

    /// The fairness class of this action in this state, or `None` if nobody owes it to us (the environment).
    ///
    /// One class stands for one promise: "the message from a to b is delivered", "node a's disk finishes". Actions of
    /// one class are interchangeable: taking any of them keeps the promise. A class that is too wide promises too
    /// little (delivering to a keeps the promise made to b). At most 128 classes; the number may be any `u16`.
    fn fairness(&self, _state: &Self::State, _action: &Self::Action) -> Option<u16> {
        None
    }

    /// How strong the promise of this class is. Weak unless the model says otherwise.
    fn strength(&self, _class: u16) -> Strength {
        Strength::Weak
    }

    /// How the class is called in a printed lasso.
    fn class_name(&self, class: u16) -> String {
        format!("class {class}")
    }
}

/// How strong a fairness promise is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// Enabled without a break from some point on: then taken again and again.
    Weak,
    /// Enabled again and again, even with breaks: then taken again and again. Ask for it only where the real world
    /// gives it: a network that loses messages but not all of them for ever.
    Strong,
}
