//! A password in clear.

use core::fmt;

use crate::{Unfit, base64};

/// A password in clear: not empty, no CR, LF or NUL. `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<'a>(Stored<'a>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stored<'a> {
    Bare(&'a [u8]),
    Base64(&'a [u8]),
}

impl<'a> Text<'a> {
    /// Takes it as it is.
    pub(super) fn bare(text: &'a [u8]) -> Result<Self, Unfit> {
        if text.is_empty() {
            return Err(Unfit::EmptyPlain);
        }
        if is_unfit(text) {
            return Err(Unfit::Plain);
        }

        Ok(Self(Stored::Bare(text)))
    }

    /// Takes its base64.
    pub(super) fn base64(encoded: &'a [u8]) -> Result<Self, Unfit> {
        let mut unfit = false;
        if !base64::decode(encoded, |piece| unfit |= is_unfit(piece)) {
            return Err(Unfit::PlainBase64);
        }
        if encoded.is_empty() {
            return Err(Unfit::EmptyPlain);
        }
        if unfit {
            return Err(Unfit::Plain);
        }

        Ok(Self(Stored::Base64(encoded)))
    }

    /// How many bytes it has.
    // It is never empty.
    #[expect(clippy::len_without_is_empty)]
    pub const fn len(self) -> usize {
        match self.0 {
            Stored::Bare(text) => text.len(),
            Stored::Base64(encoded) => base64::decoded_length(encoded),
        }
    }

    /// Gives the text to whoever checks or presents it, piece by piece: what has to be
    /// decoded is wiped when it was taken.
    pub fn expose(self, mut take: impl FnMut(&[u8])) {
        match self.0 {
            Stored::Bare(text) => take(text),
            Stored::Base64(encoded) => {
                base64::decode(encoded, take);
            }
        }
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(..)")
    }
}

/// Whether a text has what no client can send, and no backend can be sent.
fn is_unfit(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}
