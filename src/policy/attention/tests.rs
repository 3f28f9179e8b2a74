//! Random calls of an application, and the ticks that follow, under a made-up clock.

use super::*;

const MS: Duration = Duration::from_millis(1);

const NOBODY: Seen = Seen { reads: 0, sleepers: false, pinged: false };

fn attend(attention: &mut Attention, now: Instant) {
    attention.note_activity();
    if !attention.is_attended() {
        attention.attended(|| now);
    }
}

/// Ticks once a millisecond until the I/O thread need not tick any more. How many there were.
fn ticks(attention: &mut Attention, now: &mut Instant, seen: Seen) -> u32 {
    for count in 1..1000 {
        *now += MS;
        match attention.tick(seen, || *now) {
            Next::Tick => {}
            Next::Rest => return count,
            Next::TakeOver(at) => {
                attention.unattended();
                attention.took_over(at);
                return count;
            }
        }
    }
    panic!("ticks without an end");
}

#[test]
fn an_application_that_went_away_is_relieved_and_idle_makes_no_tick() {
    let mut attention = Attention::new();
    let mut now = Instant::now();
    assert!(!attention.needs_watch(false) && attention.needs_watch(true));
    attend(&mut attention, now);
    assert!(attention.needs_watch(false));
    assert!(ticks(&mut attention, &mut now, NOBODY) <= 3);
    assert!(!attention.is_attended() && !attention.needs_watch(false));
    assert_eq!(attention.tick(NOBODY, || now), Next::Rest);
}

#[test]
fn reads_count_as_activity_and_so_does_looking() {
    let mut attention = Attention::new();
    let mut now = Instant::now();
    attend(&mut attention, now);
    for reads in 0..50 {
        now += MS;
        assert_eq!(attention.tick(Seen { reads, ..NOBODY }, || now), Next::Tick);
    }
    for _ in 0..50 {
        now += MS;
        attention.note_activity();
        assert_eq!(attention.tick(Seen { reads: 49, ..NOBODY }, || now), Next::Tick);
    }
}

#[test]
fn who_comes_back_soon_gets_more_patience_but_not_where_peers_ping() {
    let mut now = Instant::now();
    let mut attention = Attention::new();
    let mut waits = Vec::new();
    for _ in 0..4 {
        attend(&mut attention, now);
        waits.push(ticks(&mut attention, &mut now, NOBODY));
        now += 20 * MS;
    }
    assert!(waits.is_sorted() && waits[3] > waits[0], "{waits:?}");
    assert!(waits[3] <= 2 + PATIENCE.as_millis() as u32);
    attend(&mut attention, now);
    let pinged = Seen { pinged: true, ..NOBODY };
    assert!(ticks(&mut attention, &mut now, pinged) <= 3);
    // It was away for long.
    now += 2 * BRIEFLY;
    attend(&mut attention, now);
    assert!(ticks(&mut attention, &mut now, NOBODY) <= 3);
}

#[test]
fn a_thread_that_sleeps_on_the_set_needs_no_ticks() {
    let mut attention = Attention::new();
    let mut now = Instant::now();
    attend(&mut attention, now);
    let sleeps = Seen { sleepers: true, ..NOBODY };
    assert!(ticks(&mut attention, &mut now, sleeps) <= 2);
    assert!(attention.is_attended(), "it will read itself");
    // And who sleeps no more is given the whole time again.
    assert_eq!(attention.tick(NOBODY, || now), Next::Tick);
}

#[test]
fn others_are_looked_at_every_so_many_messages() {
    let mut attention = Attention::new();
    attention.look(1);
    let looks = (1..=1000).filter(|_| attention.received(0) && attention.looks_around(0)).count();
    assert_eq!(looks, 1000 / LOOK_AROUND as usize);
    // Long messages are read in many pieces.
    let looks =
        (1..=100u32).filter(|n| attention.received(*n) && attention.looks_around(*n)).count();
    assert_eq!(looks, 100 / LONG_READS_BETWEEN as usize);
    assert!(attention.received(100) && attention.found_nothing());
    assert!(!attention.found_nothing(), "a second time it has received nothing");
}

#[test]
fn looks_close_together_are_those_of_somebody_who_will_be_back() {
    let mut attention = Attention::new();
    attention.look(1_000_000_000);
    assert!(attention.look(1_000_000_000 + RECENT - 1));
    assert!(!attention.look(1_000_000_000 + 2 * RECENT));
    assert!(Attention::was_lately(5, 5 + LATELY - 1) && !Attention::was_lately(5, 5 + LATELY));
    let last = attention.last_look();
    assert!(attention.is_back(last + RECENT) && !attention.is_back(last + RECENT + 20 * RECENT));
}

/// Whatever an application does, once it stops doing it somebody looks after the kernel within a
/// bound: a thread of it that sleeps there, or the I/O thread.
#[test]
fn whatever_happens_a_pause_is_followed_by_somebody_who_looks() {
    let mut state = 1u64;
    let mut random = |end: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    let mut attention = Attention::new();
    let mut now = Instant::now();
    let mut seen = NOBODY;
    for _ in 0..20_000 {
        match random(8) {
            0 => attend(&mut attention, now),
            1 => attention.note_activity(),
            2 => seen.reads = seen.reads.wrapping_add(1),
            3 => seen.pinged = random(2) == 0,
            4 => seen.sleepers = random(2) == 0,
            5 => attention.unattended(),
            _ => now += MS * random(40) as u32,
        }
        if random(20) == 0 {
            let bound = 3 + PATIENCE.as_millis() as u32;
            assert!(ticks(&mut attention, &mut now, seen) <= bound);
            assert!(!attention.is_attended() || seen.sleepers);
        }
    }
}
