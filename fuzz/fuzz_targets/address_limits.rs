//! Sessions and failed logins by address: several processes do with a block what the model
//! of the crate's own tests does, and die in the midst of it; or its words change, and no
//! call comes to harm.
//!
//! Input: a byte for the room in the block, then five for each step, as `step` has them.

#![no_main]

use address_limits::FORGOTTEN_AFTER;
use libfuzzer_sys::fuzz_target;

#[path = "../../address-limits/tests/support/mod.rs"]
mod support;
#[path = "../../address-limits/tests/support/world.rs"]
mod world;

use world::{ADDRESSES, Call, PIDS, Step, World};

fuzz_target!(|data: &[u8]| {
    let Some((addresses, steps)) = data.split_first() else { return };

    let mut world = World::new(usize::from(addresses % 8) + 1);
    for pid in 1..=PIDS {
        world.step(Step::Start { pid });
    }
    for bytes in steps.chunks_exact(5) {
        let &[what, who, x, y, z] = bytes else { return };
        world.step(step(what, who, [x, y, z]));
    }
    world.finish();
});

fn step(what: u8, who: u8, [x, y, z]: [u8; 3]) -> Step {
    let pid = u32::from(who) % PIDS + 1;
    match what % 16 {
        0 => Step::Start { pid },
        1 => Step::End { pid },
        2 => Step::Kill { pid },
        3 => Step::Crash { pid, call: call(what / 16, x, y), mask: u64::from_be_bytes([z; 8]) },
        4 => Step::Reclaim,
        5 => Step::Wait { ms: FORGOTTEN_AFTER / 256 * u64::from(x) },
        6 => Step::Wait { ms: u64::from(x) << (y % 16) },
        7 => Step::Poke { at: u16::from_be_bytes([x, y]), word: word(who, z) },
        _ => Step::Call { pid, call: call(what / 16, x, y) },
    }
}

fn call(what: u8, x: u8, y: u8) -> Call {
    let address = x % ADDRESSES;
    match what {
        0..5 => Call::Enter { address, limit: (y < 8).then_some(y.into()) },
        5..9 => Call::Leave { number: y % 8 },
        9..11 => Call::Attempt { address, most: u64::from(x) << 8, left: u64::from(y) << 8 },
        11..15 => Call::Failed { address, pair: u64::from(y) % 7 },
        _ => Call::Succeeded { address },
    }
}

/// A word that may be taken for two numbers of places, or for any.
fn word(x: u8, y: u8) -> u64 {
    match y % 4 {
        0 => u64::from(x).rotate_left((y / 4).into()),
        1 => u64::MAX << (x % 64),
        _ => (u64::from(x % 16) << 32) | u64::from(y / 16),
    }
}
