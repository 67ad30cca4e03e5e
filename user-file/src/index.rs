//! Where in a file a login is, by a hash table: it takes as long with many logins as with
//! few. A slot has the offset of a line, and one more, or 0.

use crate::line::{Lines, login_of, text_at};
use crate::{Entry, Unfit};

/// Why a file has no index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A line is wrong.
    Unfit {
        /// Its number.
        line: usize,
        /// What is wrong with it.
        unfit: Unfit,
    },
    /// Two lines have the same login.
    Twice {
        /// The number of the first one.
        first: usize,
        /// The number of the second one.
        second: usize,
    },
    /// It has a line behind its first 4 GB.
    TooLarge,
    /// The table has fewer slots than there are logins.
    Full,
}

/// Where a login is, or has its place.
enum Place<'a> {
    Taken { offset: usize, text: &'a [u8] },
    Free(usize),
    None,
}

/// How many slots a table has for so many logins: more than twice as many, so that few
/// logins are not at their first place.
pub const fn slots_for(count: usize) -> usize {
    count.saturating_mul(2).saturating_add(1)
}

/// Makes the table of a file, whatever is in it before.
///
/// # Errors
///
/// What is wrong with the file, or the table.
pub fn build(bytes: &[u8], table: &mut [u32]) -> Result<(), Fault> {
    table.fill(0);

    let mut lines = Lines::new(bytes);
    while let Some(line) = lines.next_line() {
        let entry =
            Entry::parse(line.text).map_err(|unfit| Fault::Unfit { line: line.number, unfit })?;
        let at = match place_of(bytes, table, entry.login) {
            Place::Free(at) => at,
            Place::Taken { offset, .. } => {
                return Err(Fault::Twice { first: number_at(bytes, offset), second: line.number });
            }
            Place::None => return Err(Fault::Full),
        };
        let slot = slot_of(line.offset)?;
        if let Some(place) = table.get_mut(at) {
            *place = slot;
        }
    }

    Ok(())
}

/// Finds the line of a login, by the table of the same file.
pub fn find<'a>(bytes: &'a [u8], table: &[u32], login: &[u8]) -> Option<Entry<'a>> {
    match place_of(bytes, table, login) {
        Place::Taken { text, .. } => Entry::parse(text).ok(),
        Place::Free(_) | Place::None => None,
    }
}

/// Looks at one slot after another, from that which the login's hash tells.
fn place_of<'a>(bytes: &'a [u8], table: &[u32], login: &[u8]) -> Place<'a> {
    let Some(first) = first_of(table.len(), login) else { return Place::None };

    for at in (first..table.len()).chain(0..first) {
        let Some(offset) = table.get(at).and_then(|slot| slot.checked_sub(1)) else {
            return Place::Free(at);
        };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let text = text_at(bytes, offset);
        if login_of(text) == login {
            return Place::Taken { offset, text };
        }
    }
    Place::None
}

/// The first slot to look at, if there is any.
fn first_of(slots: usize, login: &[u8]) -> Option<usize> {
    let slots = u64::try_from(slots).ok()?;
    usize::try_from(hash(login).checked_rem(slots)?).ok()
}

/// FNV-1a. What logins there are says the operator, not the client.
fn hash(login: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x100_0000_01b3;

    login.iter().fold(OFFSET_BASIS, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// What the slot of a line has.
fn slot_of(offset: usize) -> Result<u32, Fault> {
    u32::try_from(offset.saturating_add(1)).map_err(|_| Fault::TooLarge)
}

/// The number of the line that begins at an offset.
fn number_at(bytes: &[u8], offset: usize) -> usize {
    let before = bytes.get(..offset).unwrap_or_default();
    before.iter().filter(|&&byte| byte == b'\n').count().saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn fnv_1a_vectors() {
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn offsets_that_a_slot_can_tell() {
        assert_eq!(slot_of(0), Ok(1));
        assert_eq!(slot_of(0xffff_fffe), Ok(0xffff_ffff));
        assert_eq!(slot_of(0xffff_ffff), Err(Fault::TooLarge));
        assert_eq!(slot_of(usize::MAX), Err(Fault::TooLarge));
    }

    /// How many slots are looked at for a login: the most, and the average in hundredths.
    fn looked_at(logins: &[String]) -> (usize, usize) {
        let file: String = logins.iter().map(|login| format!("{login}:\n")).collect();
        let mut table = vec![0; slots_for(logins.len())];
        assert_eq!(build(file.as_bytes(), &mut table), Ok(()));

        let looks = |login: &String| {
            let first = first_of(table.len(), login.as_bytes()).unwrap();
            let is_it = |&&slot: &&u32| {
                let offset = usize::try_from(slot).unwrap().checked_sub(1).unwrap();
                login_of(text_at(file.as_bytes(), offset)) == login.as_bytes()
            };
            let before = table.iter().cycle().skip(first).take_while(|slot| !is_it(slot)).count();
            before.saturating_add(1)
        };
        let all: Vec<usize> = logins.iter().map(looks).collect();
        let hundredths = all.iter().sum::<usize>().saturating_mul(100);
        (all.iter().copied().max().unwrap(), hundredths.checked_div(all.len()).unwrap())
    }

    #[test]
    fn names_that_are_like_each_other_are_near_their_first_slot() {
        let numbered = |form: fn(u32) -> String| (0..5_000).map(form).collect::<Vec<_>>();
        for logins in [
            numbered(|n| format!("user{n}")),
            numbered(|n| format!("{n:08}")),
            numbered(|n| format!("u{n}@example.org")),
            numbered(|n| format!("info@domain-{n:05}.example")),
        ] {
            let (most, average) = looked_at(&logins);
            assert!(most < 50 && average < 170, "{}: {most}, {average}", logins[0]);
        }
    }
}
