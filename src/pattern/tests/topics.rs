//! The subscription trie against a naive model, its memory, and hostile topics.

use crate::pattern::subscriptions::{Cancelled, Subscriptions, Tell, TopicCounts};
use std::collections::{BTreeMap, BTreeSet};

/// Xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 11) as usize % limit
    }

    /// Topics with many common prefixes, and some wide nodes.
    fn topic(&mut self) -> Vec<u8> {
        let len = self.below(7);
        let alphabet = if self.below(8) == 0 { 256 } else { 3 };
        (0..len).map(|_| self.below(alphabet) as u8).collect()
    }
}

fn found(subscriptions: &mut Subscriptions, message: &[u8]) -> Vec<u32> {
    subscriptions.find(message);
    let mut pipes = subscriptions.found().to_vec();
    pipes.sort_unstable();
    pipes
}

/// Who has subscribed to what.
type Model = BTreeMap<Vec<u8>, BTreeSet<u32>>;

/// A subscription is cancelled.
fn without(model: &mut Model, topic: &[u8], pipe: u32) -> Cancelled {
    let Some(pipes) = model.get_mut(topic) else { return Cancelled::Unknown };
    pipes.remove(&pipe);
    if !pipes.is_empty() {
        return Cancelled::Remains;
    }
    model.remove(topic);
    Cancelled::Last
}

/// A pipe goes; the topics that nobody has subscribed to any more.
fn without_pipe(model: &mut Model, pipe: u32) -> Vec<Vec<u8>> {
    let mut gone = Vec::new();
    model.retain(|topic, pipes| {
        if pipes.remove(&pipe) && pipes.is_empty() {
            gone.push(topic.clone());
        }
        !pipes.is_empty()
    });
    gone
}

/// Who gets a message that begins like this.
fn matching(model: &Model, message: &[u8]) -> Vec<u32> {
    let topics = (0..=message.len()).filter_map(|len| model.get(&message[..len]));
    topics.flatten().copied().collect::<BTreeSet<u32>>().into_iter().collect()
}

#[test]
fn subscriptions_behave_like_a_map_of_sets() {
    const PIPES: usize = 9;
    let mut random = Random(0x5eed);
    let mut subscriptions = Subscriptions::default();
    let mut model = Model::new();
    for step in 0..60_000 {
        // Phases of growing and of shrinking, down to nothing.
        let growing = step / 6000 % 2 == 0;
        let topic = random.topic();
        let pipe = random.below(PIPES) as u32;
        match random.below(100) {
            0..=54 if growing => {
                let new = !model.contains_key(&topic);
                assert_eq!(subscriptions.add(&topic, pipe), Ok(new));
                model.entry(topic).or_default().insert(pipe);
            }
            99 if !growing => {
                let mut gone = Vec::new();
                subscriptions
                    .remove_pipe(pipe, Tell::Last, |msg| gone.push(msg.data()[1..].to_vec()));
                gone.sort();
                assert_eq!(gone, without_pipe(&mut model, pipe));
            }
            0..=84 => {
                let expected = without(&mut model, &topic, pipe);
                assert_eq!(subscriptions.cancel(&topic, pipe), expected);
            }
            _ => {
                assert_eq!(found(&mut subscriptions, &topic), matching(&model, &topic));
            }
        }
        assert_eq!(subscriptions.len(), model.len());
        if step % 500 == 0 {
            subscriptions.check();
        }
    }
    (0..PIPES as u32).for_each(|pipe| subscriptions.remove_pipe(pipe, Tell::Nothing, drop));
    assert_eq!((subscriptions.len(), subscriptions.memory()), (0, 0));
}

#[test]
fn counts_behave_like_a_multiset() {
    let mut random = Random(0xc0ffee);
    let mut counts = TopicCounts::default();
    let mut model: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    for step in 0..40_000 {
        let growing = step / 5000 % 2 == 0;
        let topic = random.topic();
        match random.below(3) {
            0 if growing => {
                counts.add(&topic).unwrap();
                *model.entry(topic).or_default() += 1;
            }
            0 | 1 => {
                let expected = match model.get_mut(&topic) {
                    None => Cancelled::Unknown,
                    Some(1) => {
                        model.remove(&topic);
                        Cancelled::Last
                    }
                    Some(count) => {
                        *count -= 1;
                        Cancelled::Remains
                    }
                };
                assert_eq!(counts.cancel(&topic), expected);
            }
            _ => {
                let expected = (0..=topic.len()).any(|len| model.contains_key(&topic[..len]));
                assert_eq!(counts.matches(&topic), expected);
            }
        }
        assert_eq!(counts.len(), model.len());
        if step % 500 == 0 {
            counts.check();
            // In the order of the topics.
            let told: Vec<_> = counts.messages().map(|msg| msg.data()[1..].to_vec()).collect();
            assert!(told.iter().eq(model.keys()));
        }
    }
}

/// 24 bytes, as in the benchmark.
fn topic(number: usize) -> Vec<u8> {
    format!("market/{:08x}/{number:08}", (number as u32).wrapping_mul(0x9e37_79b1)).into_bytes()
}

#[test]
fn two_hundred_thousand_topics_are_small_and_go_away() {
    const TOPICS: usize = 200_000;
    let mut subscriptions = Subscriptions::default();
    for number in 0..TOPICS {
        assert!(subscriptions.add(&topic(number), 0).unwrap());
    }
    let each = subscriptions.memory() / TOPICS;
    println!("scattered topics: {each} bytes each");
    assert!(each < 50, "{each} bytes a topic");
    assert_eq!(found(&mut subscriptions, &topic(4711)), [0]);
    // Nine of ten leave; the memory goes with them.
    for number in (0..TOPICS).filter(|number| number % 10 != 0) {
        assert_eq!(subscriptions.cancel(&topic(number), 0), Cancelled::Last);
    }
    assert!(subscriptions.memory() < 5_000_000, "{} bytes left", subscriptions.memory());
    assert_eq!(found(&mut subscriptions, &topic(4710)), [0]);
    let mut gone = 0;
    subscriptions.remove_pipe(0, Tell::Last, |_| gone += 1);
    assert_eq!((gone, subscriptions.len(), subscriptions.memory()), (TOPICS / 10, 0, 0));

    let mut subscriptions = Subscriptions::default();
    for number in 0..TOPICS {
        subscriptions.add(format!("topic.with.counter{number:06}").as_bytes(), 0).unwrap();
    }
    let each = subscriptions.memory() / TOPICS;
    println!("numbered topics: {each} bytes each");
    assert!(each < 32, "{each} bytes a topic");
}

/// On a thread with a small stack, so that recursion would show.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(work).unwrap();
    thread.join().unwrap();
}

#[test]
fn a_topic_of_a_mebibyte() {
    on_a_small_stack(|| {
        let big = vec![b'x'; 1 << 20];
        let mut subscriptions = Subscriptions::default();
        subscriptions.add(&big, 1).unwrap();
        subscriptions.add(&big[..1 << 19], 2).unwrap();
        subscriptions.add(b"", 3).unwrap();
        let mut other = big.clone();
        other[(1 << 20) - 1] = b'y';
        subscriptions.add(&other, 4).unwrap();
        assert_eq!(found(&mut subscriptions, &big), [1, 2, 3]);
        assert_eq!(found(&mut subscriptions, &big[..big.len() - 1]), [2, 3]);
        assert_eq!(subscriptions.cancel(&big, 1), Cancelled::Last);
        assert_eq!(subscriptions.cancel(&big[..1 << 19], 2), Cancelled::Last);
        assert_eq!(found(&mut subscriptions, &other), [3, 4]);
        assert!(subscriptions.memory() < 5 << 20);
        let mut gone = Vec::new();
        subscriptions.remove_pipe(4, Tell::Last, |msg| gone.push(msg));
        assert_eq!(gone[0].data()[1..], other[..]);
    });
}

#[test]
fn topics_that_part_from_a_long_one_everywhere() {
    let long: Vec<u8> = (0..20_000_u32).map(|at| (at % 251) as u8).collect();
    let mut subscriptions = Subscriptions::default();
    subscriptions.add(&long, 0).unwrap();
    let (mut random, mut lens) = (Random(0xb0a), BTreeSet::new());
    for _ in 0..200 {
        let len = random.below(long.len());
        let mut other = long[..len].to_vec();
        assert_eq!(subscriptions.add(&other, 1), Ok(lens.insert(len)));
        other.push(255);
        subscriptions.add(&other, 2).unwrap();
        subscriptions.add(&[&other[..], &long[..]].concat(), 3).unwrap();
    }
    subscriptions.check();
    assert_eq!(found(&mut subscriptions, &long), [0, 1]);
    for (step, &len) in lens.iter().enumerate() {
        let mut other = long[..len].to_vec();
        other.push(255);
        assert_eq!(found(&mut subscriptions, &other), [1, 2]);
        assert_eq!(subscriptions.cancel(&other, 2), Cancelled::Last);
        if step % 2 == 0 {
            assert_eq!(subscriptions.cancel(&long[..len], 1), Cancelled::Last);
        }
        if step % 20 == 0 {
            subscriptions.check();
        }
    }
    for pipe in [1, 3] {
        let mut gone = 0;
        subscriptions.remove_pipe(pipe, Tell::Last, |_| gone += 1);
        assert_eq!(gone, if pipe == 1 { lens.len() / 2 } else { lens.len() });
        subscriptions.check();
    }
    assert_eq!(found(&mut subscriptions, &long), [0]);
    assert!(subscriptions.memory() < 200_000, "{} bytes left", subscriptions.memory());
}

/// Of the pieces that a long topic is made of, those that grew short enough are one again.
#[test]
fn pieces_of_a_long_topic_are_joined_when_they_grow_short() {
    let mut counts = TopicCounts::default();
    for len in [13_000, 8_500, 7_000, 4_100, 9_000] {
        counts.add(&vec![b'a'; len]).unwrap();
        counts.check();
    }
}

#[test]
fn a_topic_under_each_other_and_many_of_them() {
    on_a_small_stack(|| {
        // As deep as a tree of this many bytes gets.
        let chain = vec![b'z'; 2000];
        let mut subscriptions = Subscriptions::default();
        (0..=2000)
            .for_each(|len| assert!(subscriptions.add(&chain[..len], len as u32 % 7).unwrap()));
        assert_eq!(found(&mut subscriptions, &chain), [0, 1, 2, 3, 4, 5, 6]);
        (0..6).for_each(|pipe| subscriptions.remove_pipe(pipe, Tell::Nothing, drop));
        assert_eq!(found(&mut subscriptions, &chain), [6]);
        drop(subscriptions);
        let mut subscriptions = Subscriptions::default();
        for number in 0..300_000 {
            subscriptions.add(&topic(number), number as u32 % 3).unwrap();
        }
        assert_eq!(subscriptions.len(), 300_000);
        (0..3).for_each(|pipe| subscriptions.remove_pipe(pipe, Tell::Nothing, drop));
        assert_eq!(subscriptions.memory(), 0);
    });
}

#[test]
fn many_pipes_on_one_topic() {
    let mut subscriptions = Subscriptions::default();
    for pipe in (0..1000).rev() {
        subscriptions.add(b"", pipe).unwrap();
        subscriptions.add(b"a", pipe).unwrap();
    }
    assert_eq!(found(&mut subscriptions, b"abc").len(), 1000);
    for pipe in 1..1000 {
        assert_eq!(subscriptions.cancel(b"", pipe), Cancelled::Remains);
        subscriptions.remove_pipe(pipe, Tell::Last, |_| panic!("others remain"));
    }
    assert_eq!(found(&mut subscriptions, b"abc"), [0]);
    assert!(subscriptions.memory() < 5000, "{}", subscriptions.memory());
}
