//! A child for each seed: what the library has once is new, aborts are noticed, leaks counted.

use crate::{
    answers, api, churn, contexts, cuts, datagrams, devices, floods, flow, groups, guests, kills,
    memory, messages, pulse, questions, secrets, successors, truth, waiters, watchers,
};
use std::io::{Read, Seek};
use std::os::fd::{AsRawFd, FromRawFd};
use zmq::sys::sim::{self, Choice, world};

type Scenario = fn(&mut Choice);

const SCENARIOS: [(&str, Scenario); 20] = [
    ("flow", flow::run),
    ("waiters", waiters::run),
    ("questions", questions::run),
    ("churn", churn::run),
    ("guests", guests::run),
    ("pulse", pulse::run),
    ("floods", floods::run),
    ("cuts", cuts::run),
    ("successors", successors::run),
    ("devices", devices::run),
    ("watchers", watchers::run),
    ("contexts", contexts::run),
    ("secrets", secrets::run),
    ("kills", kills::run),
    ("drafts", drafts),
    ("websockets", websockets),
    ("tls", tls),
    ("answers", answers::run),
    ("groups", groups::run),
    ("datagrams", datagrams::run),
];

/// What other scenarios do, with the draft types.
fn drafts(choice: &mut Choice) {
    match choice.below(6) {
        0..=2 => flow::run_drafts(choice),
        3 => guests::run_drafts(choice),
        _ => churn::run_drafts(choice),
    }
}

/// What other scenarios do, over WebSockets.
fn websockets(choice: &mut Choice) {
    carried(choice, messages::WS);
}

/// The same over TLS.
fn tls(choice: &mut Choice) {
    api::memory_may_be_short();
    carried(choice, messages::WSS);
}

fn carried(choice: &mut Choice, endpoint: &str) {
    match choice.below(10) {
        0..=2 => flow::run_at(choice, endpoint),
        3 => guests::run_at(choice, endpoint),
        4 => churn::run_at(choice, endpoint),
        5 => pulse::run_at(choice, endpoint),
        6 => questions::run_at(choice, endpoint),
        7 | 8 => secrets::run_at(choice, endpoint),
        _ => cuts::run_at(choice, endpoint),
    }
}

/// Scripts that compare the model's kernel with the real one; some of them are part of every run.
const TRUTH: (&str, Scenario) = ("truth", truth::run);
const SCRIPTS: u64 = 100;

/// Real seconds that a seed may take.
const PATIENCE: u32 = 60;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// How often a world is lived through to see whether memory is lost.
const LIVES: u64 = 4;
/// So many times that, if there is more of it after each.
const MOST_LIVES: u64 = 25;

/// What came of a seed.
struct Outcome {
    status: i32,
    /// What it printed.
    text: String,
    /// What tells the run from others.
    digest: (u64, u64),
}

pub(crate) fn main() {
    let first = number("SEED").or(number("FIRST")).unwrap_or(0);
    let count = if number("SEED").is_some() { 1 } else { number("SEEDS").unwrap_or(300) };
    let mut failed = Vec::new();
    let mut happened = 0;
    let mut all = 0u64;
    let named = std::env::var("SCENARIO").is_ok_and(|name| !name.is_empty());
    let asked = named || number("SEED").is_some();
    let scripts = (0..if asked { 0 } else { SCRIPTS }).map(|seed| (seed, TRUTH));
    for (seed, scenario) in (first..first + count).map(|seed| (seed, name_of(seed))).chain(scripts)
    {
        let outcome = in_child(seed, scenario);
        happened += outcome.digest.1;
        all = all.rotate_left(1) ^ outcome.digest.0;
        let twice = number("TWICE").is_some() || seed % 20 == 0;
        let again = twice.then(|| in_child(seed, scenario));
        let differs = again.is_some_and(|again| again.digest != outcome.digest);
        if outcome.status == 0 && !differs {
            continue;
        }
        let what = if differs { "is another when it runs again" } else { "failed" };
        println!(
            "{}\nseed {seed} ({}) {what}: status {}",
            outcome.text, scenario.0, outcome.status
        );
        failed.push(seed);
        if number("KEEP_GOING").is_none() {
            break;
        }
    }
    println!("{count} seeds, {happened} events ({all:016x}), {} failed {failed:?}", failed.len());
    if !failed.is_empty() {
        println!("make sim SEED={} runs the first again", failed[0]);
        std::process::exit(1);
    }
}

fn name_of(seed: u64) -> (&'static str, Scenario) {
    let asked = std::env::var("SCENARIO").ok();
    let mut scenarios =
        SCENARIOS.iter().chain([&TRUTH]).filter(|(name, _)| Some(*name) == asked.as_deref());
    let chosen = scenarios.next().unwrap_or(&SCENARIOS[seed as usize % SCENARIOS.len()]);
    *chosen
}

fn in_child(seed: u64, scenario: (&str, Scenario)) -> Outcome {
    // SAFETY: a new file in memory, for what the child prints.
    let fd = unsafe { libc::memfd_create(c"sim".as_ptr(), 0) };
    // SAFETY: just made.
    let mut file = unsafe { std::fs::File::from_raw_fd(fd) };
    let mut digest = [0u64; 2];
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: this process has one thread.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: descriptors of ours.
        unsafe { libc::dup2(file.as_raw_fd(), 2) };
        let (digest, count) = live(seed, scenario);
        let told = [digest, count];
        // SAFETY: two numbers; then the process ends without anything of the parent's.
        unsafe {
            libc::write(ends[1], told.as_ptr().cast(), size_of_val(&told));
            libc::_exit(0);
        }
    }
    let mut status = 0;
    // SAFETY: a child of ours, and descriptors of ours.
    unsafe {
        libc::close(ends[1]);
        libc::waitpid(child, &raw mut status, 0);
        libc::read(ends[0], digest.as_mut_ptr().cast(), size_of_val(&digest));
        libc::close(ends[0]);
    }
    let mut text = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut text).unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    Outcome { status, text, digest: (digest[0], digest[1]) }
}

/// One life of the world.
fn live(seed: u64, scenario: (&str, Scenario)) -> (u64, u64) {
    // SAFETY: of this process, which has one thread.
    unsafe {
        libc::alarm(PATIENCE);
        // One after another, they need one processor.
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(libc::sched_getcpu() as usize, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
    // The library's own panics are caught and become errors; here they are faults.
    std::panic::set_hook(Box::new(|info| {
        eprintln!("{info}");
        let stack = std::backtrace::Backtrace::force_capture().to_string();
        let lines: Vec<_> = stack.lines().collect();
        let ours = lines.windows(2).filter(|pair| pair[1].trim_start().starts_with("at ./"));
        ours.skip(1).for_each(|pair| eprintln!("{}\n{}", pair[0], pair[1]));
        world::wrong("a panic");
    }));
    let again = number("AGAIN").unwrap_or(if seed % 30 == 7 { LIVES } else { 1 });
    let mut digest = (0u64, 0);
    let mut used = Vec::with_capacity(again as usize);
    for life in 0..again * MOST_LIVES {
        let (told, happened) = live_once(seed, scenario);
        digest = (digest.0.rotate_left(1) ^ told, digest.1 + happened);
        used.push(memory::in_use());
        // What is more each time that the same is done is lost; what a slot of a socket keeps is not.
        let most = |lives: &[[usize; 3]], kind: usize| lives.iter().map(|life| life[kind]).max();
        let (before, lately) = used.split_at(used.len().saturating_sub(3));
        let settled = (0..3).all(|kind| most(before, kind) >= most(lately, kind));
        if again == 1 || life + 1 >= again && settled {
            break;
        }
        if life + 1 == again * MOST_LIVES {
            eprintln!("memory in use after each life: {used:?}");
            world::wrong("it grows");
        }
    }
    if number("AGAIN").is_some() {
        println!("memory in use after each life: {used:?}");
    }
    digest
}

/// The same world, from its beginning to its end.
fn live_once(seed: u64, (_, scenario): (&str, Scenario)) -> (u64, u64) {
    let mut choice = Choice::new(seed ^ 0x5eed);
    sim::begin(seed);
    if number("ALOUD").is_some() {
        world::speak();
    }
    scenario(&mut choice);
    sim::finish();
    let (files, threads) =
        world::with(|world, _| (world.kernel.open_files(), world.living())).unwrap();
    if files != 0 || threads != 1 {
        world::wrong(&format!("{files} descriptors and {threads} threads are left"));
    }
    sim::end().unwrap()
}
