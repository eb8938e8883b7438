//! The fuzzer's check, on every toolchain and within seconds: its seeds, its findings, and mutations.
//!
//! `make fuzz` goes on from here, guided by what the bytes reach.

use std::{env, fs, path::Path, sync::LazyLock};

use proptest::{prelude::*, sample::Index};

mod invariants;

use invariants::{Outcome, check, silence_expected_panics};

/// What the fuzzer mutates first.
static SEEDS: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    let mut seeds: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(path).unwrap()))
        .collect();
    seeds.sort();
    seeds
});

/// The words of the fuzzer's dictionary, which escapes what a JSON string escapes and, for bytes that
/// are no ASCII, `\xNN`.
static WORDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    include_str!("../fuzz/event.dict")
        .lines()
        .filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'))
        .map(|word| {
            let word = word.replace("\\\"", "\"").replace("\\\\", "\\");
            let word = word.replace("\\xc2\\xa0", "\u{a0}");
            word.replace("\\xd9\\xa3", "\u{663}").into_bytes()
        })
        .collect()
});

#[test]
fn every_seed_keeps_the_promises() {
    silence_expected_panics();
    for (name, event) in SEEDS.iter() {
        assert!(matches!(check(event), Outcome::Answered(_)), "{name}");
    }
}

#[test]
fn every_beginning_of_a_seed_keeps_the_promises() {
    silence_expected_panics();
    let (_, event) = &SEEDS[0];
    for length in 0..event.len() {
        check(&event[..length]);
    }
}

fn config() -> ProptestConfig {
    let mut config = ProptestConfig {
        // What is found becomes a seed, or a test with a name.
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 4000;
    }
    config
}

/// A change of some bytes.
#[derive(Clone, Debug)]
enum Mutation {
    Replace(Index, u8),
    Delete(Index, usize),
    Insert(Index, Index),
    /// Copies what stands elsewhere, as a string or a field may.
    Copy(Index, Index, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (any::<Index>(), b' '..=b'~').prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Mutation::Delete(at, length)),
        (any::<Index>(), any::<Index>()).prop_map(|(at, word)| Mutation::Insert(at, word)),
        (any::<Index>(), any::<Index>(), 1..200_usize)
            .prop_map(|(at, from, length)| Mutation::Copy(at, from, length)),
    ]
}

fn mutate(event: &mut Vec<u8>, mutation: &Mutation) {
    if event.is_empty() {
        return;
    }
    match mutation {
        Mutation::Replace(at, byte) => {
            let at = at.index(event.len());
            event[at] = *byte;
        }
        Mutation::Delete(at, length) => {
            let at = at.index(event.len());
            event.drain(at..event.len().min(at + length));
        }
        Mutation::Insert(at, word) => {
            let at = at.index(event.len());
            event.splice(at..at, word.get(&WORDS).iter().copied());
        }
        Mutation::Copy(at, from, length) => {
            let (at, from) = (at.index(event.len()), from.index(event.len()));
            let copy = event[from..event.len().min(from + length)].to_vec();
            event.splice(at..at, copy);
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_mutation_of_a_seed_keeps_the_promises(
        seed in any::<Index>(),
        mutations in prop::collection::vec(mutation(), 1..5),
    ) {
        silence_expected_panics();
        let (_, mut event) = seed.get(&SEEDS).clone();
        for mutation in &mutations {
            mutate(&mut event, mutation);
        }
        check(&event);
    }
}
