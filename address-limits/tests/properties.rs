//! What holds whatever happens.

use address_limits::FORGOTTEN_AFTER;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

mod support;
#[path = "support/world.rs"]
mod world;

use world::{ADDRESSES, Call, PIDS, Step, World};

fn call() -> impl Strategy<Value = Call> {
    let address = 0..ADDRESSES;
    let limit = option::of(0_u32..5);
    prop_oneof![
        4 => (address.clone(), limit).prop_map(|(address, limit)| Call::Enter { address, limit }),
        3 => (0_u8..4).prop_map(|number| Call::Leave { number }),
        2 => (address.clone(), 0_u64..20_000, 0_u64..60_000)
            .prop_map(|(address, most, left)| Call::Attempt { address, most, left }),
        4 => (address.clone(), 0_u64..6).prop_map(|(address, pair)| Call::Failed { address, pair }),
        1 => address.prop_map(|address| Call::Succeeded { address }),
    ]
}

/// What happens where nobody dies in the midst of a call.
fn step() -> impl Strategy<Value = Step> {
    let pid = 1..=PIDS;
    let wait = prop_oneof![5 => 0_u64..5_000, 1 => 0..FORGOTTEN_AFTER, 1 => Just(FORGOTTEN_AFTER)];
    prop_oneof![
        4 => pid.clone().prop_map(|pid| Step::Start { pid }),
        1 => pid.clone().prop_map(|pid| Step::End { pid }),
        1 => pid.clone().prop_map(|pid| Step::Kill { pid }),
        1 => Just(Step::Reclaim),
        2 => wait.prop_map(|ms| Step::Wait { ms }),
        40 => (pid, call()).prop_map(|(pid, call)| Step::Call { pid, call }),
    ]
}

fn crash() -> impl Strategy<Value = Step> {
    (1..=PIDS, call(), any::<u64>()).prop_map(|(pid, call, mask)| Step::Crash { pid, call, mask })
}

fn poke() -> impl Strategy<Value = Step> {
    let word =
        prop_oneof![any::<u64>(), 0_u64..9, (0_u64..9, 0_u64..9).prop_map(|(a, b)| a << 32 | b)];
    // Few of the owners: most of the rest.
    let at = prop_oneof![3 => 514_u16..600, 1 => 1_u16..600];
    (at, word).prop_map(|(at, word)| Step::Poke { at, word })
}

fn play(addresses: usize, steps: Vec<Step>) {
    let mut world = World::new(addresses);
    (1..=PIDS).for_each(|pid| world.step(Step::Start { pid }));
    steps.into_iter().for_each(|step| world.step(step));
    world.finish();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn counts_are_those_of_a_plain_model(addresses in 1_usize..6, steps in vec(step(), 0..120)) {
        play(addresses, steps);
    }

    #[test]
    fn who_dies_in_a_call_leaves_the_sessions_of_others(
        addresses in 1_usize..6,
        steps in vec(prop_oneof![12 => step(), 1 => crash()], 0..120),
    ) {
        play(addresses, steps);
    }

    #[test]
    fn whatever_is_in_the_block_each_call_ends(
        addresses in 1_usize..6,
        steps in vec(prop_oneof![3 => step(), 1 => poke()], 0..120),
    ) {
        play(addresses, steps);
    }
}
