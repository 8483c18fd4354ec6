//! Numbers and names as bytes.

use alloc::vec::Vec;

use super::WireError;
use crate::types::Name;

/// Appends to a buffer that the caller owns and reuses.
#[derive(Debug)]
pub struct Writer<'a>(pub &'a mut Vec<u8>);

impl Writer<'_> {
    /// One byte.
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// An unsigned number: seven bits a byte, the lowest first.
    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
            number >>= 7;
        }
        self.byte(u8::try_from(number).unwrap_or(0));
    }

    /// A signed number: zigzag, so that small ones of either sign stay short.
    pub fn signed(&mut self, number: i64) {
        self.number((number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned());
    }

    /// A count.
    pub fn count(&mut self, count: usize) {
        self.number(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// A number that may be absent.
    pub fn optional(&mut self, number: Option<u64>) {
        match number {
            Some(number) => {
                self.byte(1);
                self.number(number);
            }
            None => self.byte(0),
        }
    }

    /// A name, with its length in one byte.
    pub fn name<const N: usize>(&mut self, name: &Name<N>) {
        self.byte(u8::try_from(name.as_bytes().len()).unwrap_or(0));
        self.0.extend_from_slice(name.as_bytes());
    }

    /// Bytes, with their count.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
    }
}

/// Takes from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`] if there are fewer.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(WireError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`WireError::Truncated`] at the end.
    pub fn byte(&mut self) -> Result<u8, WireError> {
        self.take(1)?.first().copied().ok_or(WireError::Truncated)
    }

    /// An unsigned number, in its shortest form only, so that equal messages are equal bytes.
    ///
    /// # Errors
    /// If it is cut off, too large or padded.
    pub fn number(&mut self) -> Result<u64, WireError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (shift > 0 && byte == 0) || bits > u64::MAX >> shift {
                return Err(WireError::Number);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(WireError::Number)
    }

    /// A signed number.
    ///
    /// # Errors
    /// As [`Reader::number`].
    pub fn signed(&mut self) -> Result<i64, WireError> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ (number & 1).cast_signed().wrapping_neg())
    }

    /// A number that fits `T`.
    ///
    /// # Errors
    /// As [`Reader::number`], or [`WireError::Number`].
    pub fn small<T: TryFrom<u64>>(&mut self) -> Result<T, WireError> {
        T::try_from(self.number()?).map_err(|_| WireError::Number)
    }

    /// A count of things that take at least one byte each: never more than what is left.
    ///
    /// # Errors
    /// [`WireError::Length`] if it is more.
    pub fn count(&mut self) -> Result<usize, WireError> {
        let count: usize = self.small()?;
        if count > self.0.len() {
            Err(WireError::Length)
        } else {
            Ok(count)
        }
    }

    /// A number that may be absent.
    ///
    /// # Errors
    /// As [`Reader::number`].
    pub fn optional(&mut self) -> Result<Option<u64>, WireError> {
        match self.byte()? {
            0 => Ok(None),
            1 => self.number().map(Some),
            _ => Err(WireError::Number),
        }
    }

    /// A name.
    ///
    /// # Errors
    /// [`WireError::Name`] if it is empty, too long or not UTF-8.
    pub fn name<const N: usize>(&mut self) -> Result<Name<N>, WireError> {
        let len = self.byte()?;
        Name::from_bytes(self.take(usize::from(len))?).ok_or(WireError::Name)
    }

    /// Bytes.
    ///
    /// # Errors
    /// If they are cut off.
    pub fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let count = self.count()?;
        self.take(count)
    }

    /// Says that nothing may follow.
    ///
    /// # Errors
    /// [`WireError::Trailing`] if something does.
    pub const fn end(self) -> Result<(), WireError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(WireError::Trailing)
        }
    }
}

/// CRC-32 (IEEE 802.3, reflected), as zlib and Ethernet have it.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        let low = u8::try_from(crc & 0xff).unwrap_or(0);
        let entry = CRC_TABLE.get(usize::from(low ^ byte)).copied().unwrap_or(0);
        crc = (crc >> 8) ^ entry;
    }
    !crc
}

const CRC_TABLE: [u32; 256] = crc_table();

// Runs at compile time only; a wrong index or an overflow would not compile.
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]
const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut entry = at as u32;
        let mut bit = 0;
        while bit < 8 {
            entry = if entry & 1 == 1 {
                (entry >> 1) ^ 0xedb8_8320
            } else {
                entry >> 1
            };
            bit += 1;
        }
        table[at] = entry;
        at += 1;
    }
    table
}
