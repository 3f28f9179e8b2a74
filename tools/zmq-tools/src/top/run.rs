//! zmqtop at work.

use super::args::{Args, Table, Task};
use super::columns::{self, View};
use super::rates::Rates;
use super::record::{self, Recording};
use super::screen::{self, Feed};
use super::{metrics, server};
use crate::output::{print, say};
use crate::stats::{Reader, Snapshot};
use crate::why;
use crate::words::count;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

/// Does what was asked. `Ok(false)` is a quiet failure: `why` has found something. The text of an error is for the user.
pub fn run(args: &Args) -> Result<bool, String> {
    match &args.task {
        None => show(&args.table).map(|()| true),
        Some(Task::Why { pid, patience, from: None }) => why_now(*pid, *patience),
        Some(Task::Why { from: Some(file), patience, .. }) => why_then(file, *patience),
        Some(Task::Record { file, delay, count }) => record_to(file, *delay, *count).map(|()| true),
        Some(Task::Play { file, speed, once }) => play(file, *speed, *once).map(|()| true),
    }
}

fn show(table: &Table) -> Result<(), String> {
    let mut reader = Reader::new(&table.pids);
    if let Some(port) = table.metrics {
        let listener = server::listen(port)?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        say(&format!("zmqtop: metrics are at http://{address}/metrics"));
        server::serve(&listener, || reader.look().map(|snapshot| metrics::text(&snapshot)));
    }
    if table.json {
        loop {
            let line = serde_json::to_string(&reader.look()?).map_err(|e| e.to_string())?;
            if !print(&format!("{line}\n"))? || table.once {
                return Ok(());
            }
            std::thread::sleep(table.delay);
        }
    }
    let view = View { sort: table.sort, reverse: false, peers: table.peers, bytes: table.bytes };
    if table.once || !std::io::stdout().is_terminal() {
        let mut then = reader.look()?;
        loop {
            std::thread::sleep(table.delay);
            let now = reader.look()?;
            if table.once && !table.pids.is_empty() && shown(&now) == 0 {
                return Err(columns::notes(&now).join("; "));
            }
            let text = columns::text(&now, &Rates::between(&then, &now), &view);
            if !print(&text)? || table.once || !print("\n")? {
                return Ok(());
            }
            then = now;
        }
    }
    screen::run(Feed::Live(Box::new(reader)), view, table.delay)
}

/// How many processes show statistics.
fn shown(snapshot: &Snapshot) -> usize {
    snapshot.processes.iter().filter(|process| !process.library.is_empty()).count()
}

/// Two looks, so that what goes on differs from what went wrong once.
fn why_now(pid: Option<u32>, patience: f64) -> Result<bool, String> {
    let mut reader = Reader::new(pid.as_slice());
    let then = reader.look()?;
    std::thread::sleep(Duration::from_secs_f64(patience.clamp(0.1, 1.0)));
    let now = reader.look()?;
    tell(&then, &now, patience, pid.is_some())
}

fn why_then(file: &Path, patience: f64) -> Result<bool, String> {
    let mut recording = Recording::open(file)?;
    let (mut then, mut now) = (None, recording.next()?);
    while let Some(next) = recording.next()? {
        then = now.replace(next);
    }
    let now = now.ok_or_else(|| format!("{}: nothing is recorded", file.display()))?;
    tell(then.as_ref().unwrap_or(&now), &now, patience, false)
}

fn tell(then: &Snapshot, now: &Snapshot, patience: f64, named: bool) -> Result<bool, String> {
    let found = why::judge(then, now, patience);
    let mut text = String::new();
    for finding in &found {
        text.push_str(&finding.to_string());
        text.push('\n');
    }
    let notes = columns::notes(now);
    let shown = shown(now);
    if shown == 0 && named {
        return Err(notes.join("; "));
    }
    if found.is_empty() && shown > 0 {
        text.push_str(&format!(
            "Nothing is wrong that could be seen, in {}.\n",
            count(shown as u64, "process")
        ));
    } else if shown == 0 {
        text.push_str("No process that shows statistics of libzmq.\n");
    }
    for note in notes.iter().chain(&columns::unreadable(now)) {
        text.push_str(&format!("Not seen: {note}.\n"));
    }
    print(&text)?;
    Ok(found.is_empty())
}

fn record_to(file: &Path, delay: Duration, count: Option<u64>) -> Result<(), String> {
    let name = |e: std::io::Error| format!("{}: {e}", file.display());
    let mut out =
        if file == Path::new("-") { None } else { Some(File::create(file).map_err(name)?) };
    let mut reader = Reader::new(&[]);
    let mut looks = 0;
    loop {
        let mut line = Vec::new();
        record::write(&reader.look()?, &mut line)?;
        let is_read = match &mut out {
            Some(file) => file.write_all(&line).map(|()| true).map_err(name)?,
            None => print(&String::from_utf8_lossy(&line))?,
        };
        looks += 1;
        if !is_read || count.is_some_and(|count| looks >= count) {
            return Ok(());
        }
        std::thread::sleep(delay);
    }
}

fn play(file: &Path, speed: f64, once: bool) -> Result<(), String> {
    let mut recording = Recording::open(file)?;
    if !once && std::io::stdout().is_terminal() {
        return screen::run(Feed::Recorded(recording, speed), View::default(), Duration::ZERO);
    }
    let (mut then, mut now) = (None, recording.next()?);
    while let Some(next) = recording.next()? {
        then = now.replace(next);
    }
    let now = now.ok_or_else(|| format!("{}: nothing is recorded", file.display()))?;
    let then = then.as_ref().unwrap_or(&now);
    print(&columns::text(&now, &Rates::between(then, &now), &View::default())).map(|_| ())
}
