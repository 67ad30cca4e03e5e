//! Where in a file a login is, by a hash table: it takes as long with many logins as with
//! few. A slot has a number, and one more, or 0: that of a login is the offset of its line.
//! [`look_up`] is for tables of other things.

use core::hash::Hasher;

use siphasher::sip::SipHasher13;

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

/// What a table is made by: random numbers. Who may choose a login cannot choose its slot.
pub type Seed = [u64; 2];

/// Where a key is, or has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<T> {
    /// In the table, and this is it.
    Taken(T),
    /// In this slot, once [`slot_of`] its number stands there.
    Free(usize),
    /// Nowhere: all slots have others.
    None,
}

/// How many slots a table has for so many keys: more than twice as many, so that few are not
/// at their first place.
pub const fn slots_for(count: usize) -> usize {
    count.saturating_mul(2).saturating_add(1)
}

/// Makes the table of a file, whatever is in it before.
///
/// # Errors
///
/// What is wrong with the file, or the table.
pub fn build(bytes: &[u8], table: &mut [u32], seed: Seed) -> Result<(), Fault> {
    table.fill(0);

    let mut lines = Lines::new(bytes);
    while let Some(line) = lines.next_line() {
        let entry =
            Entry::parse(line.text).map_err(|unfit| Fault::Unfit { line: line.number, unfit })?;
        let at = match place_of(bytes, table, seed, entry.login) {
            Place::Free(at) => at,
            Place::Taken((offset, _)) => {
                return Err(Fault::Twice { first: number_at(bytes, offset), second: line.number });
            }
            Place::None => return Err(Fault::Full),
        };
        let slot = slot_of(line.offset).ok_or(Fault::TooLarge)?;
        if let Some(place) = table.get_mut(at) {
            *place = slot;
        }
    }

    Ok(())
}

/// Finds the line of a login, by the table of the same file, and what that was made by.
pub fn find<'a>(bytes: &'a [u8], table: &[u32], seed: Seed, login: &[u8]) -> Option<Entry<'a>> {
    match place_of(bytes, table, seed, login) {
        Place::Taken((_, text)) => Entry::parse(text).ok(),
        Place::Free(_) | Place::None => None,
    }
}

/// Where a login is, with its line.
fn place_of<'a>(
    bytes: &'a [u8],
    table: &[u32],
    seed: Seed,
    login: &[u8],
) -> Place<(usize, &'a [u8])> {
    look_up(table, seed, login, |offset| {
        let text = text_at(bytes, offset);
        (login_of(text) == login).then_some((offset, text))
    })
}

/// Looks at one slot after another, from that which the key's hash tells. `is_it` gives what
/// has a number, if that is it.
pub fn look_up<T>(
    table: &[u32],
    seed: Seed,
    key: &[u8],
    is_it: impl Fn(usize) -> Option<T>,
) -> Place<T> {
    let Some(first) = first_of(table.len(), seed, key) else { return Place::None };

    for at in (first..table.len()).chain(0..first) {
        let Some(number) = table.get(at).and_then(|slot| slot.checked_sub(1)) else {
            return Place::Free(at);
        };
        if let Some(it) = is_it(usize::try_from(number).unwrap_or(usize::MAX)) {
            return Place::Taken(it);
        }
    }
    Place::None
}

/// The first slot to look at, if there is any.
fn first_of(slots: usize, [first, second]: Seed, key: &[u8]) -> Option<usize> {
    let mut hasher = SipHasher13::new_with_keys(first, second);
    hasher.write(key);
    let slots = u64::try_from(slots).ok()?;
    usize::try_from(hasher.finish().checked_rem(slots)?).ok()
}

/// What the slot of a number has, unless that is too large.
pub fn slot_of(number: usize) -> Option<u32> {
    u32::try_from(number.saturating_add(1)).ok()
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

    const SEED: Seed = [1, 2];

    #[test]
    fn the_seed_says_where_a_key_is() {
        let slots = |seed| (0..8_u8).map(move |key| first_of(1000, seed, &[key]).unwrap());
        assert!(slots([1, 2]).eq(slots([1, 2])));
        for other in [[0, 2], [1, 0], [2, 1]] {
            assert!(slots([1, 2]).zip(slots(other)).filter(|(one, two)| one == two).count() < 4);
        }
    }

    #[test]
    fn offsets_that_a_slot_can_tell() {
        assert_eq!(slot_of(0), Some(1));
        assert_eq!(slot_of(0xffff_fffe), Some(0xffff_ffff));
        assert_eq!(slot_of(0xffff_ffff), None);
        assert_eq!(slot_of(usize::MAX), None);
    }

    /// How many slots are looked at for a login: the most, and the average in hundredths.
    fn looked_at(logins: &[String]) -> (usize, usize) {
        let file: String = logins.iter().map(|login| format!("{login}:\n")).collect();
        let mut table = vec![0; slots_for(logins.len())];
        assert_eq!(build(file.as_bytes(), &mut table, SEED), Ok(()));

        let looks = |login: &String| {
            let first = first_of(table.len(), SEED, login.as_bytes()).unwrap();
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
