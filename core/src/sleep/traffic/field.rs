//! One field of a message, read from bytes that come one at a time.

/// What is being read. What it was is told when its last byte has come: a number, or 0 for what is passed over.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    /// A number of so many bytes, the highest first.
    Number { left: u8, value: u32 },
    /// A number of seven bits a byte, the lowest first.
    Varint(Varint),
    /// So many bytes that do not matter.
    Skip { left: u64 },
    /// The optional fields at the end of a structure, which do not matter.
    Tags(Tags),
}

impl Field {
    pub(super) const fn number(bytes: u8) -> Self {
        Self::Number { left: bytes, value: 0 }
    }

    pub(super) const fn varint() -> Self {
        Self::Varint(Varint { shift: 0, value: 0 })
    }

    pub(super) const fn skip(bytes: u64) -> Self {
        Self::Skip { left: bytes }
    }

    pub(super) const fn tags() -> Self {
        Self::Tags(Tags {
            part: Part::Count,
            left: 0,
            number: Varint { shift: 0, value: 0 },
        })
    }

    /// The length of a text or an array that may be missing: in flexible versions a varint, else so many bytes.
    pub(super) const fn length(is_flexible: bool, bytes: u8) -> Self {
        if is_flexible {
            Self::varint()
        } else {
            Self::number(bytes)
        }
    }

    /// Whether it needs no byte.
    pub(super) const fn is_nothing(&self) -> bool {
        matches!(self, Self::Skip { left: 0 })
    }

    /// Takes a byte. What the field was, if that was its last.
    pub(super) fn take(&mut self, byte: u8) -> Option<u32> {
        match self {
            Self::Number { left, value } => {
                *value = (*value << 8) | u32::from(byte);
                *left = left.saturating_sub(1);
                (*left == 0).then_some(*value)
            }
            Self::Varint(varint) => varint.take(byte),
            Self::Skip { left } => {
                *left = left.saturating_sub(1);
                (*left == 0).then_some(0)
            }
            Self::Tags(tags) => tags.take(byte).then_some(0),
        }
    }
}

/// What such a length says, with nothing for what is missing. `bytes` is what it took in a version that is not flexible.
pub(super) const fn said(is_flexible: bool, bytes: u8, value: u32) -> u32 {
    if is_flexible {
        // One more than the length; 0 is missing.
        value.saturating_sub(1)
    } else {
        // Negative is missing.
        let top = if bytes == 2 { 0x8000 } else { 0x8000_0000 };
        if value & top == 0 { value } else { 0 }
    }
}

/// A number of seven bits a byte. One that does not end is as large as can be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Varint {
    shift: u8,
    value: u32,
}

impl Varint {
    fn take(&mut self, byte: u8) -> Option<u32> {
        let bits = u32::from(byte & 0x7f);
        self.value |= bits.checked_shl(u32::from(self.shift)).unwrap_or(0);
        self.shift = self.shift.saturating_add(7);
        if byte < 0x80 {
            Some(self.value)
        } else if self.shift >= 35 {
            Some(u32::MAX)
        } else {
            None
        }
    }
}

/// A count, then for each its number, its length and so many bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tags {
    part: Part,
    left: u32,
    number: Varint,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Count,
    Tag,
    Length,
    Content(u32),
}

impl Tags {
    /// Takes a byte. Whether that was the last.
    fn take(&mut self, byte: u8) -> bool {
        if let Part::Content(bytes) = &mut self.part {
            *bytes = bytes.saturating_sub(1);
            if *bytes > 0 {
                return false;
            }
            return self.ended();
        }
        let Some(value) = self.number.take(byte) else {
            return false;
        };
        self.number = Varint { shift: 0, value: 0 };
        match self.part {
            Part::Count => {
                self.left = value;
                self.part = Part::Tag;
                value == 0
            }
            Part::Tag => {
                self.part = Part::Length;
                false
            }
            Part::Length if value == 0 => self.ended(),
            Part::Length | Part::Content(_) => {
                self.part = Part::Content(value);
                false
            }
        }
    }

    /// One of them has ended. Whether it was the last.
    const fn ended(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.part = Part::Tag;
        self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes a field takes, and what it was.
    fn read(mut field: Field, bytes: &[u8]) -> Option<(usize, u32)> {
        bytes
            .iter()
            .zip(1..)
            .find_map(|(byte, taken)| field.take(*byte).map(|value| (taken, value)))
    }

    #[test]
    fn fields_end_where_they_end() {
        assert_eq!(read(Field::number(2), &[1, 2, 3]), Some((2, 0x0102)));
        assert_eq!(read(Field::number(4), &[0xff; 5]), Some((4, u32::MAX)));
        assert_eq!(read(Field::varint(), &[0x96, 0x01, 9]), Some((2, 150)));
        assert_eq!(read(Field::skip(3), &[9; 4]), Some((3, 0)));
        assert_eq!(read(Field::tags(), &[0, 9]), Some((1, 0)));
        // Two tags: number 1 with two bytes, number 200 with none.
        assert_eq!(read(Field::tags(), &[2, 1, 2, 9, 9, 0xc8, 0x01, 0, 7]), Some((8, 0)));
    }

    #[test]
    fn a_varint_without_an_end_is_as_large_as_can_be() {
        assert_eq!(read(Field::varint(), &[0xff; 9]), Some((5, u32::MAX)));
    }

    #[test]
    fn what_is_missing_has_no_length() {
        assert_eq!(said(false, 2, 0xffff), 0);
        assert_eq!(said(false, 4, u32::MAX), 0);
        assert_eq!(said(false, 4, 7), 7);
        assert_eq!(said(true, 4, 0), 0);
        assert_eq!(said(true, 4, 8), 7);
    }
}
