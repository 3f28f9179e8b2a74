//! What a fuzzer tries of this layer, see `crate::fuzz`: subscriptions, against ordered maps and sets
//! of the standard library.

use super::subscriptions::{Cancelled, Subscriptions, Tell, TopicCounts};
use super::trie::Trie;
use crate::util::fuzz::Input;
use std::collections::{BTreeMap, BTreeSet};

/// A topic. Few letters, so that topics have much in common; now and then a long run of one, so that
/// there are labels of every length.
fn topic(input: &mut Input<'_>) -> Vec<u8> {
    let mut topic = Vec::new();
    for _ in 0..input.below(8) {
        match input.byte() {
            letter @ 0..=199 => topic.push(b'a' + letter % 3),
            run @ 200..=250 => {
                let lengths = [2, 60, 70, 250, 254, 255, 256, 300, 4094, 4095, 4096, 4097, 9000];
                topic.resize(topic.len() + lengths[usize::from(run) % lengths.len()], b'a');
            }
            _ => topic.push(input.byte()),
        }
    }
    topic
}

/// The tree of topics, and a subscriber's own count of them.
pub(crate) fn topics(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut tree = Trie::default();
    let mut counts = TopicCounts::default();
    let mut model: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    while !input.is_empty() {
        let what = input.below(8);
        let topic = topic(&mut input);
        match what {
            0..=3 => {
                let Some((id, new)) = tree.insert(&topic, 1) else { unreachable!("small") };
                assert_eq!(new, !model.contains_key(&topic));
                let count = model.entry(topic.clone()).or_default();
                *count += 1;
                tree.set_value(id, *count);
                assert_eq!(counts.add(&topic), Ok(()));
            }
            4..=5 => {
                let known = model.get(&topic).copied();
                let left = known.map(|count| count - 1).filter(|left| *left > 0);
                let told = match (known, left) {
                    (None, _) => Cancelled::Unknown,
                    (_, Some(_)) => Cancelled::Remains,
                    _ => Cancelled::Last,
                };
                assert_eq!(counts.cancel(&topic), told);
                let id = tree.find(&topic);
                assert_eq!(id.map(|id| tree.value(id)), known);
                match (id, left) {
                    (Some(id), Some(left)) => tree.set_value(id, left),
                    (Some(id), None) => tree.remove(id),
                    (None, _) => {}
                }
                match left {
                    Some(left) => drop(model.insert(topic, left)),
                    None => drop(model.remove(&topic)),
                }
            }
            6 => {
                let mut found = Vec::new();
                tree.find_prefix(&topic, |value| {
                    found.push(value);
                    false
                });
                let prefixes = model.iter().filter(|(key, _)| topic.starts_with(key));
                let wanted: Vec<u32> = prefixes.map(|(_, count)| *count).collect();
                assert_eq!(found, wanted);
                assert_eq!(counts.matches(&topic), !wanted.is_empty());
            }
            _ => compact(&mut tree),
        }
    }
    tree.check();
    counts.check();
    assert_eq!((tree.len(), counts.len()), (model.len(), model.len()));
    let keys: Vec<Vec<u8>> = tree.ids_in_order().map(|id| key(&tree, id)).collect();
    assert!(keys.iter().eq(model.keys()));
    let messages: Vec<Vec<u8>> = counts.messages().map(|msg| msg.data().to_vec()).collect();
    assert!(messages.iter().map(|message| &message[1..]).eq(model.keys()));
}

fn key(tree: &Trie, id: u32) -> Vec<u8> {
    let mut key = vec![0; tree.key_len(id)];
    tree.copy_key(id, &mut key);
    key
}

/// Everything is where it is said to be then.
fn compact(tree: &mut Trie) {
    let before: Vec<(u32, Vec<u8>)> = tree.ids().map(|id| (id, key(tree, id))).collect();
    if let Some(moved) = tree.compact() {
        for (id, topic) in before {
            assert_eq!(tree.find(&topic), Some(moved.new_id(id)));
        }
    }
}

/// A publisher's list of who wants what.
pub(crate) fn subscribers(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut ours = Subscriptions::default();
    let mut model: BTreeMap<Vec<u8>, BTreeSet<u32>> = BTreeMap::new();
    while !input.is_empty() {
        let (what, pipe) = (input.below(8), input.below(5) as u32);
        let topic = topic(&mut input);
        match what {
            0..=3 => {
                let pipes = model.entry(topic.clone()).or_default();
                assert_eq!(ours.add(&topic, pipe), Ok(pipes.is_empty()));
                pipes.insert(pipe);
            }
            4..=5 => {
                let told = match model.get_mut(&topic) {
                    None => Cancelled::Unknown,
                    Some(pipes) => {
                        let was = pipes.remove(&pipe);
                        if was && pipes.is_empty() { Cancelled::Last } else { Cancelled::Remains }
                    }
                };
                assert_eq!(ours.cancel(&topic, pipe), told);
            }
            6 => {
                ours.find(&topic);
                let prefixes = model.iter().filter(|(key, _)| topic.starts_with(key));
                let wanted: BTreeSet<u32> =
                    prefixes.flat_map(|(_, pipes)| pipes).copied().collect();
                let mut found = ours.found().to_vec();
                found.sort_unstable();
                assert!(found.iter().eq(&wanted), "{found:?} for {wanted:?}");
                assert!((0..5).all(|pipe| ours.was_found(pipe) == wanted.contains(&pipe)));
            }
            _ => {
                let tell = [Tell::Nothing, Tell::Last, Tell::Every][topic.len() % 3];
                let mut told = BTreeSet::new();
                ours.remove_pipe(pipe, tell, |msg| assert!(told.insert(msg.data().to_vec())));
                let theirs = model.iter().filter(|(_, pipes)| pipes.contains(&pipe));
                let worth = theirs.filter(|(_, pipes)| match tell {
                    Tell::Nothing => false,
                    Tell::Last => pipes.len() == 1,
                    Tell::Every => true,
                });
                let wanted = worth.map(|(topic, _)| [&[0], &topic[..]].concat()).collect();
                assert_eq!(told, wanted);
                for pipes in model.values_mut() {
                    pipes.remove(&pipe);
                }
            }
        }
        model.retain(|_, pipes| !pipes.is_empty());
        assert_eq!(ours.len(), model.len());
    }
    ours.check();
}
