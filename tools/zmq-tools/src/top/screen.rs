//! The table on a terminal, with keys.

use super::columns::{self, COLUMNS, Mood, Sort, View, fit};
use super::rates::Rates;
use super::record::Recording;
use super::units::duration;
use crate::stats::{Reader, Snapshot};
use crate::why;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};
use std::fs::File;
use std::time::{Duration, Instant};

/// No faster than this, whatever is asked for.
const FASTEST: Duration = Duration::from_millis(100);

/// Where snapshots come from.
pub(super) enum Feed {
    /// What is.
    Live(Box<Reader>),
    /// What was, so many times as fast.
    Recorded(Recording<File>, f64),
}

impl Feed {
    fn next(&mut self) -> Result<Option<Snapshot>, String> {
        match self {
            Feed::Live(reader) => reader.look().map(Some),
            Feed::Recorded(recording, _) => recording.next(),
        }
    }
}

/// What the lines below the title show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Table,
    Why,
    Help,
}

/// What a key leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Stay,
    Quit,
}

struct State {
    view: View,
    delay: Duration,
    then: Snapshot,
    now: Snapshot,
    page: Page,
    paused: bool,
    /// A recording has no more.
    ended: bool,
    scroll: usize,
    /// How many columns behind the first are left out at the left.
    across: usize,
}

impl State {
    fn new(view: View, delay: Duration, first: Snapshot) -> State {
        State {
            view,
            delay,
            then: first.clone(),
            now: first,
            page: Page::Table,
            paused: false,
            ended: false,
            scroll: 0,
            across: 0,
        }
    }

    fn advance(&mut self, next: Option<Snapshot>) {
        match next {
            Some(next) => self.then = std::mem::replace(&mut self.now, next),
            None => self.ended = true,
        }
    }

    fn turn_to(&mut self, page: Page) {
        self.page = page;
        self.scroll = 0;
    }

    /// Lines from the one that is scrolled to; the last ones stay in sight.
    fn scrolled(&mut self, lines: Vec<Line<'static>>, height: usize) -> Vec<Line<'static>> {
        self.scroll = self.scroll.min(lines.len().saturating_sub(height.max(1)));
        lines.into_iter().skip(self.scroll).collect()
    }

    fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Next {
        let toggled = |page: Page, to: Page| if page == to { Page::Table } else { to };
        match code {
            KeyCode::Char('c' | 'd') if modifiers.contains(KeyModifiers::CONTROL) => {
                return Next::Quit;
            }
            KeyCode::Char('q') => return Next::Quit,
            KeyCode::Esc if self.page == Page::Table => return Next::Quit,
            KeyCode::Esc => self.turn_to(Page::Table),
            KeyCode::Char('h' | '?') => self.turn_to(toggled(self.page, Page::Help)),
            KeyCode::Char('w') => self.turn_to(toggled(self.page, Page::Why)),
            KeyCode::Char(' ') => self.paused = !self.paused,
            KeyCode::Char('<') => self.view.sort = self.view.sort.step(-1),
            KeyCode::Char('>') => self.view.sort = self.view.sort.step(1),
            KeyCode::Char('P' | 'N') => self.view.sort = Sort::Pid,
            KeyCode::Char('R') => self.view.reverse = !self.view.reverse,
            KeyCode::Char('p') => self.view.peers = !self.view.peers,
            KeyCode::Char('b') => self.view.bytes = !self.view.bytes,
            KeyCode::Char('+') => self.delay = (self.delay / 2).max(FASTEST),
            KeyCode::Char('-') => self.delay = (self.delay * 2).min(Duration::from_secs(60)),
            KeyCode::Up => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::Down => self.scroll = self.scroll.saturating_add(1),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(20),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(20),
            KeyCode::Home => self.scroll = 0,
            KeyCode::End => self.scroll = usize::MAX,
            KeyCode::Left => self.across = self.across.saturating_sub(1),
            KeyCode::Right => self.across = (self.across + 1).min(COLUMNS.len() - STAY - 1),
            _ => {}
        }
        Next::Stay
    }
}

/// The time of day of a snapshot.
fn time_of_day(seconds: f64) -> String {
    let seconds = if seconds.is_finite() { seconds.max(0.0) as u64 } else { 0 };
    format!("{:02}:{:02}:{:02} UTC", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

fn title(state: &State) -> Line<'static> {
    let order = if state.view.reverse { "least" } else { "most" };
    let unit = if state.view.bytes { ", bytes" } else { "" };
    let pace = match (state.ended, state.paused) {
        (true, _) => "end of the recording".to_owned(),
        (false, true) => "paused".to_owned(),
        (false, false) if state.delay.is_zero() => "recording".to_owned(),
        (false, false) => format!("every {}", duration(state.delay.as_secs_f64())),
    };
    let time = time_of_day(state.now.time);
    let sort = state.view.sort.name();
    Line::from(format!("zmqtop  {time}  {pace}  {order} {sort} first{unit}  (h help)")).bold()
}

fn styled(text: String, mood: Mood) -> Line<'static> {
    let style = match mood {
        Mood::Usual => Style::new(),
        Mood::Bad => Style::new().red().add_modifier(Modifier::BOLD),
        Mood::Quiet => Style::new().dark_gray(),
        Mood::Peer => Style::new().cyan(),
    };
    Line::styled(text, style)
}

/// So many columns at the left say whose line it is.
const STAY: usize = 3;

/// Which columns are seen when so many are left out.
fn is_seen(column: usize, across: usize) -> bool {
    column < STAY || column >= STAY + across
}

/// Cells in their columns; the last one takes what is left.
fn in_columns(cells: &[String], width: usize, across: usize) -> String {
    let last = COLUMNS.len() - 1;
    let widths = COLUMNS.iter().enumerate().take(last).filter(|(at, _)| is_seen(*at, across));
    let before: usize = widths.map(|(_, (_, width, _))| width + 1).sum();
    let columns = cells.iter().zip(COLUMNS).enumerate().filter(|(at, _)| is_seen(*at, across));
    let fitted = columns.map(|(at, (cell, (_, own, right)))| {
        let own = if at == last { width.saturating_sub(before).max(8) } else { own };
        fit(cell, own, right)
    });
    fitted.collect::<Vec<_>>().join(" ")
}

fn table(state: &mut State, rates: &Rates, width: usize, height: usize) -> Vec<Line<'static>> {
    let rows = columns::rows(&state.now, rates, &state.view);
    let titles = COLUMNS.map(|(title, _, _)| title.to_owned());
    let across = state.across;
    let mut lines = vec![Line::from(in_columns(&titles, width, across)).reversed()];
    let mut body: Vec<Line<'static>> =
        rows.iter().map(|row| styled(in_columns(&row.cells, width, across), row.mood)).collect();
    let notes = columns::notes(&state.now).into_iter().chain(columns::unreadable(&state.now));
    body.extend(notes.map(|note| styled(note, Mood::Quiet)));
    if body.is_empty() {
        body.push(Line::from("No process that shows statistics of libzmq."));
    }
    lines.extend(state.scrolled(body, height.saturating_sub(1)));
    lines
}

fn reasons(state: &mut State) -> Vec<Line<'static>> {
    let found = why::judge(&state.then, &state.now, 1.0);
    let mut lines = vec![Line::from("What does not work, worst first (w: back)").reversed()];
    if found.is_empty() {
        lines.push(Line::from("Nothing is wrong that could be seen."));
    }
    // How many lines each takes is not known: the last one may be scrolled to the top.
    let found = found.iter().map(|finding| Line::from(finding.to_string())).collect();
    lines.extend(state.scrolled(found, 1));
    lines
}

const HELP: &str = "\
q        quit
< >      order by the column before or behind; R the other way round; P by process
p        also the peers of each socket
b        bytes instead of messages
w        what does not work, in sentences
space    pause
+ -      look more often, less often
arrows   scroll, also to columns at the right; page up, page down, home, end
h        back

Lines are red if messages are being dropped, a queue is full, or a call has waited to send for a second.
Columns and the rest: zmqtop --help";

fn draw(frame: &mut Frame<'_>, state: &mut State) {
    let (width, height) = (usize::from(frame.area().width), usize::from(frame.area().height));
    let rates = Rates::between(&state.then, &state.now);
    let mut head =
        vec![title(state), Line::from(columns::summary(&state.now, &rates)), Line::default()];
    // A small screen is for what it is about.
    head.truncate(height / 4);
    let [above, below] =
        Layout::vertical([Constraint::Length(head.len() as u16), Constraint::Fill(1)])
            .areas(frame.area());
    let left = usize::from(below.height);
    let page = match state.page {
        Page::Table => Paragraph::new(table(state, &rates, width, left)),
        Page::Why => Paragraph::new(reasons(state)).wrap(Wrap { trim: false }),
        Page::Help => {
            let help = HELP.lines().map(Line::from).collect();
            Paragraph::new(state.scrolled(help, 1)).wrap(Wrap { trim: false })
        }
    };
    frame.render_widget(Paragraph::new(head), above);
    frame.render_widget(page, below);
}

/// Shows it until somebody has seen enough.
pub(super) fn run(mut feed: Feed, view: View, delay: Duration) -> Result<(), String> {
    let first = feed.next()?.ok_or("nothing is recorded")?;
    let mut state = State::new(view, delay, first);
    let mut terminal = ratatui::try_init().map_err(|e| format!("no terminal: {e}"))?;
    let seen = watch(&mut terminal, &mut feed, &mut state);
    ratatui::restore();
    seen
}

/// How long to wait for the next snapshot.
fn pace(feed: &Feed, state: &State, upcoming: Option<&Snapshot>) -> Duration {
    match (feed, upcoming) {
        (Feed::Recorded(_, speed), Some(next)) => {
            let seconds = (next.clock - state.now.clock) / speed;
            let bounded = if seconds.is_finite() { seconds.clamp(0.01, 60.0) } else { 1.0 };
            Duration::from_secs_f64(bounded)
        }
        _ => state.delay,
    }
}

fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    feed: &mut Feed,
    state: &mut State,
) -> Result<(), String> {
    let fails = |e: std::io::Error| format!("terminal: {e}");
    // A second look at once, so that there are rates soon.
    let mut due = Instant::now() + FASTEST.max(state.delay.min(Duration::from_millis(300)));
    let mut upcoming = None;
    loop {
        terminal.draw(|frame| draw(frame, state)).map_err(fails)?;
        let still = state.paused || state.ended;
        let wait = if still {
            Duration::from_secs(3600)
        } else {
            due.saturating_duration_since(Instant::now())
        };
        if event::poll(wait).map_err(fails)? {
            if let Event::Key(key) = event::read().map_err(fails)?
                && key.kind != KeyEventKind::Release
                && state.key(key.code, key.modifiers) == Next::Quit
            {
                return Ok(());
            }
        } else if !still {
            // A recording is read one ahead: when the next one came tells when it is shown.
            let next = match feed {
                Feed::Live(_) => feed.next()?,
                Feed::Recorded(..) => {
                    let next = match upcoming.take() {
                        Some(next) => Some(next),
                        None => feed.next()?,
                    };
                    upcoming = feed.next()?;
                    next
                }
            };
            state.advance(next);
            due = Instant::now() + pace(feed, state, upcoming.as_ref());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Count, Peer, Process, Queue, Socket};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn state() -> State {
        let queue_out = Queue { length: 1000, limit: 1000, deepest: 1000 };
        let slow = Peer {
            id: 2,
            state: "ready".to_owned(),
            address: "10.0.0.7:40000".to_owned(),
            dropped_full: 40,
            full_for: Some(4.0),
            queue_out,
            ..Peer::default()
        };
        let socket = Socket {
            id: 1,
            kind: "PUB".to_owned(),
            age: 60.0,
            settled: true,
            dropped_full: 40,
            endpoint: "tcp://0.0.0.0:5556".to_owned(),
            peers: vec![slow],
            ..Socket::default()
        };
        let process = Process {
            pid: 4711,
            name: "weather".to_owned(),
            library: "x".to_owned(),
            sockets: vec![socket],
            ..Process::default()
        };
        let first = Snapshot { clock: 1.0, processes: vec![process], ..Snapshot::default() };
        let mut state = State::new(View::default(), Duration::from_secs(1), first.clone());
        let mut second = first;
        second.clock = 2.0;
        second.time = 86400.0 + 3661.0;
        second.processes[0].sockets[0].sent = Count { messages: 5000, bytes: 50_000 };
        state.advance(Some(second));
        state
    }

    fn seen(state: &mut State, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, state)).unwrap();
        terminal.backend().to_string()
    }

    fn press(state: &mut State, code: char) -> Next {
        state.key(KeyCode::Char(code), KeyModifiers::NONE)
    }

    #[test]
    fn the_table_is_on_the_screen() {
        let mut state = state();
        let screen = seen(&mut state, 120, 10);
        for text in [
            "01:01:01 UTC",
            "most rate first",
            "weather",
            "PUB 1",
            " 5000 ",
            "1000/1000",
            "tcp://0.0.0.0:5556",
        ] {
            assert!(screen.contains(text), "{text}\n{screen}");
        }
        assert!(!screen.contains("10.0.0.7"));
        press(&mut state, 'p');
        press(&mut state, 'b');
        let screen = seen(&mut state, 140, 10);
        assert!(
            screen.contains("10.0.0.7:40000 (ready)") && screen.contains(" 50.0k "),
            "{screen}"
        );
    }

    #[test]
    fn keys_lead_to_pages_and_out() {
        let mut state = state();
        assert_eq!(press(&mut state, 'w'), Next::Stay);
        assert!(seen(&mut state, 140, 10).contains("dropped"));
        press(&mut state, 'h');
        assert!(seen(&mut state, 140, 20).contains("bytes instead of messages"));
        assert_eq!(state.key(KeyCode::Esc, KeyModifiers::NONE), Next::Stay);
        press(&mut state, '>');
        assert_eq!(state.view.sort, Sort::Bytes);
        for _ in 0..20 {
            press(&mut state, '+');
        }
        assert_eq!(state.delay, FASTEST);
        // What has no place at the right comes nearer, and whose line it is stays.
        assert!(!seen(&mut state, 60, 10).contains("tcp://0.0.0.0:5556"));
        for _ in 0..20 {
            state.key(KeyCode::Right, KeyModifiers::NONE);
        }
        let screen = seen(&mut state, 60, 10);
        assert!(screen.contains("PUB 1") && screen.contains("tcp://0.0.0.0:5556"), "{screen}");
        assert_eq!(press(&mut state, 'q'), Next::Quit);
        assert_eq!(state.key(KeyCode::Char('c'), KeyModifiers::CONTROL), Next::Quit);
    }

    #[test]
    fn any_size_and_any_scrolling_will_do() {
        let mut state = state();
        for (width, height) in [(1, 1), (3, 2), (20, 4), (500, 100)] {
            for page in [Page::Table, Page::Why, Page::Help] {
                state.page = page;
                state.scroll = usize::MAX;
                seen(&mut state, width, height);
            }
        }
        for (page, last) in
            [(Page::Table, "weather"), (Page::Why, "dropped"), (Page::Help, "--help")]
        {
            state.page = page;
            state.scroll = usize::MAX;
            assert!(seen(&mut state, 120, 10).contains(last), "the last line stays in sight");
        }
        state.page = Page::Table;
        assert!(seen(&mut state, 20, 5).contains("weather"), "even there is a place for a socket");
        state.advance(None);
        assert!(seen(&mut state, 120, 10).contains("end of the recording"));
    }
}
