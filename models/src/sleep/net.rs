//! What is under way between members: of each kind, from each to each, only the last few. What is pushed out is lost.

use pehra_core::sleep::guard::{Claim, Message, Notice, Standing};

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Letter {
    /// From whom.
    pub from: u8,
    /// To whom.
    pub to: u8,
    /// What it says.
    pub message: Message,
    /// It must arrive: sent after the calm.
    pub owed: bool,
}

impl Letter {
    /// Letters of one place push each other out.
    fn place(&self) -> (u8, u8, u8) {
        let kind = match self.message {
            Message::Claim(Claim::Standing(_)) => 0,
            Message::Claim(Claim::Grant { .. }) => 1,
            Message::Notice(Notice::Wake { .. }) => 2,
            Message::Notice(Notice::Traffic) => 3,
        };
        (self.from, self.to, kind)
    }

    /// Its locks and tickets.
    pub fn tokens(&self, mut visit: impl FnMut(u64)) {
        match self.message {
            Message::Claim(Claim::Standing(standing)) => {
                visit(standing.lock);
                visit(standing.echo);
            }
            Message::Claim(Claim::Grant { lock, .. }) => visit(lock),
            Message::Notice(Notice::Wake { ticket }) => visit(ticket),
            Message::Notice(Notice::Traffic) => {}
        }
    }

    /// The same letter with its locks and tickets renamed.
    #[must_use]
    pub fn renamed(&self, name: &impl Fn(u64) -> u64) -> Self {
        let message = match self.message {
            Message::Claim(Claim::Standing(standing)) => Message::Claim(Claim::Standing(Standing {
                lock: name(standing.lock),
                echo: name(standing.echo),
                ..standing
            })),
            Message::Claim(Claim::Grant {
                purpose,
                plan,
                lock,
                counted,
            }) => Message::Claim(Claim::Grant {
                purpose,
                plan,
                lock: name(lock),
                counted,
            }),
            Message::Notice(Notice::Wake { ticket }) => Message::Notice(Notice::Wake { ticket: name(ticket) }),
            Message::Notice(Notice::Traffic) => self.message,
        };
        Self { message, ..*self }
    }
}

/// All that is under way, by place, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Net(Vec<Letter>);

impl Net {
    /// Adds a letter; at most so many of its kind stay.
    pub fn send(&mut self, letter: Letter, most: u8) {
        let place = letter.place();
        if let Some(known) = self
            .0
            .iter_mut()
            .find(|known| known.place() == place && known.message == letter.message)
        {
            known.owed |= letter.owed;
            return;
        }
        let end = self.0.partition_point(|known| known.place() <= place);
        self.0.insert(end, letter);
        let begin = self.0.partition_point(|known| known.place() < place);
        if end + 1 - begin > most.into() {
            self.0.remove(begin);
        }
    }

    /// All letters.
    pub fn iter(&self) -> impl Iterator<Item = &Letter> {
        self.0.iter()
    }

    /// The letter has arrived and does not come again.
    pub fn take(&mut self, letter: &Letter) {
        self.0.retain(|known| known != letter);
    }

    /// Letters for which this does not hold are lost.
    pub fn retain(&mut self, keep: impl Fn(&Letter) -> bool) {
        self.0.retain(|letter| keep(letter));
    }

    /// From here on nothing that is under way is owed.
    pub fn let_go(&mut self) {
        for letter in &mut self.0 {
            letter.owed = false;
        }
    }

    /// The same with its locks and tickets renamed.
    #[must_use]
    pub fn renamed(&self, name: &impl Fn(u64) -> u64) -> Self {
        Self(self.0.iter().map(|letter| letter.renamed(name)).collect())
    }
}
