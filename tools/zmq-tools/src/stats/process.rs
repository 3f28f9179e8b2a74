//! Processes as /proc shows them: which there are, which of them have a memory `zmq-stats`, and why one cannot be looked into.

use super::layout;
use std::fs::{File, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

/// Of more than so many memories in one process none but the first are looked at.
const MOST: usize = 8;

/// A process's memory, opened.
pub(super) struct Memory {
    pub(super) file: File,
    /// The descriptor in the process.
    pub(super) descriptor: u32,
    pub(super) inode: u64,
}

/// What looking for a process's memory found.
pub(super) enum Found {
    /// These; none if it has none.
    Memories(Vec<Memory>),
    /// It has one, which could not be opened: this program's trouble, not that of the process.
    Failed(String),
    /// It may not be looked into.
    Refused,
    /// It is gone.
    Gone,
}

/// What is looked at to know a process again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) name: String,
    /// Field 22 of /proc/PID/stat.
    pub(super) start: u64,
}

fn path(pid: u32, rest: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{rest}"))
}

/// Whether there is a /proc at all.
pub(super) fn can_be_seen() -> bool {
    std::path::Path::new("/proc/self/stat").exists()
}

/// All processes.
pub(super) fn list() -> std::io::Result<Vec<u32>> {
    let entries = std::fs::read_dir("/proc")?;
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(numbers.collect())
}

/// Its name and beginning; `None`: it is gone.
pub(super) fn identity(pid: u32) -> Option<Identity> {
    parse_stat(&std::fs::read(path(pid, "stat")).ok()?)
}

/// A name may hold blanks and brackets: it ends with the last one.
fn parse_stat(stat: &[u8]) -> Option<Identity> {
    let open = stat.iter().position(|b| *b == b'(')?;
    let close = stat.iter().rposition(|b| *b == b')')?;
    let name = super::region::clean(stat.get(open + 1..close)?);
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    // The first field behind the name is the third.
    let start = rest.split_whitespace().nth(22 - 3)?.parse().ok()?;
    Some(Identity { name, start })
}

/// With the script's name, if the program is an interpreter's.
pub(super) fn full_name(pid: u32, name: &str) -> String {
    let line = std::fs::read(path(pid, "cmdline")).unwrap_or_default();
    with_script(name, &line)
}

fn with_script(name: &str, line: &[u8]) -> String {
    let base =
        |path: &[u8]| super::region::clean(path.rsplit(|b| *b == b'/').next().unwrap_or(path));
    let interprets = ["python", "perl", "ruby", "node", "lua", "bash", "sh"];
    let script =
        line.split(|b| *b == 0).nth(1).filter(|word| !word.is_empty() && !word.starts_with(b"-"));
    match script {
        Some(script) if interprets.iter().any(|i| name.starts_with(i)) => {
            format!("{name} {}", base(script)).chars().take(40).collect()
        }
        _ => name.to_owned(),
    }
}

/// What the process calls itself: the last number of NSpid, as in the innermost container.
pub(super) fn own_number(pid: u32) -> Option<u32> {
    let status = std::fs::read(path(pid, "status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().next_back()?.parse().ok()
}

/// Whether a link of /proc/PID/fd leads to such a memory.
fn is_memory(link: &std::path::Path) -> bool {
    let target = std::fs::read_link(link).ok();
    let name = format!("/memfd:{} (deleted)", layout::NAME);
    target.is_some_and(|target| target.as_os_str() == name.as_str())
}

/// Looks through a process's descriptors.
pub(super) fn find(pid: u32) -> Found {
    let entries = match std::fs::read_dir(path(pid, "fd")) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::PermissionDenied => return Found::Refused,
        Err(_) => return Found::Gone,
    };
    let mut memories: Vec<Memory> = Vec::new();
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(e) if e.kind() == ErrorKind::PermissionDenied => return Found::Refused,
            Err(_) => break,
        };
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(descriptor) = number.filter(|_| is_memory(&entry.path())) else { continue };
        let (file, metadata) = match open(&entry.path()) {
            Ok(Some(opened)) => opened,
            Ok(None) => continue,
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) if e.kind() == ErrorKind::PermissionDenied => return Found::Refused,
            Err(e) => return Found::Failed(format!("its statistics cannot be opened: {e}")),
        };
        let inode = metadata.ino();
        if memories.iter().all(|other| other.inode != inode) {
            memories.push(Memory { file, descriptor, inode });
        }
        if memories.len() == MOST {
            break;
        }
    }
    Found::Memories(memories)
}

/// Opens it if it is a file: a name proves nothing, and opening something else might wait, or do something.
fn open(link: &std::path::Path) -> std::io::Result<Option<(File, Metadata)>> {
    if !link.metadata()?.is_file() {
        return Ok(None);
    }
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(link)?;
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then_some((file, metadata)))
}

/// What is found is kept open, one descriptor for a process: as many as the system lets this program have.
pub(super) fn allow_many_descriptors() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a place for the limit, and the same raised. If it fails there are fewer, and whoever finds no place is told.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

/// Whether the process still has that memory at that descriptor: after execve(2) it is another program.
pub(super) fn still_has(pid: u32, memory: &Memory) -> bool {
    let link = path(pid, &format!("fd/{}", memory.descriptor));
    is_memory(&link) && link.metadata().is_ok_and(|m| m.ino() == memory.inode)
}

/// Why a process that may not be looked into may not.
pub(super) fn refusal(pid: u32) -> String {
    // Of a process that is not dumpable, all of /proc/PID belongs to root; only the status says whose it is.
    let status = std::fs::read_to_string(path(pid, "status")).unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let uid = uid.and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
    // SAFETY: it cannot fail.
    let ours = unsafe { libc::geteuid() };
    match uid {
        Some(uid) if uid != ours => "it is another user's".to_owned(),
        _ => "it is not dumpable, has changed its user, or has more capabilities than this program"
            .to_owned(),
    }
}

/// Why a process that may be looked into has no memory: `None` if it does not use libzmq, as far as one can see.
pub(super) fn absence(pid: u32) -> Option<String> {
    let maps = std::fs::read(path(pid, "maps")).ok()?;
    let maps = String::from_utf8_lossy(&maps);
    let library = maps.lines().find_map(|line| {
        let file = line.split_once('/').map(|(_, file)| file)?;
        let name = file.rsplit('/').next()?;
        (name.starts_with("libzmq") && name.contains(".so"))
            .then(|| super::region::clean(format!("/{file}").as_bytes()))
    })?;
    let environment = std::fs::read(path(pid, "environ")).unwrap_or_default();
    if environment.split(|b| *b == 0).any(|entry| entry == b"ZMQ_STATS=0") {
        return Some("statistics are off (ZMQ_STATS=0)".to_owned());
    }
    Some(format!(
        "{library} shows no statistics: it is another libzmq or an older one, the program has made no socket yet, or it has closed \
         the descriptor"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_fields() {
        let rest: String = (4..30).map(|n| format!(" {n}")).collect();
        let stat = format!("7 (a) b (c\x1b) S{rest}\n");
        let identity = parse_stat(stat.as_bytes()).unwrap();
        assert_eq!(identity, Identity { name: "a) b (c.".to_owned(), start: 22 });
        assert_eq!(parse_stat(b""), None);
        assert_eq!(parse_stat(b"7 (a) S 1"), None);
        assert_eq!(parse_stat(b")("), None);
    }

    #[test]
    fn a_script_has_its_own_name() {
        assert_eq!(
            with_script("python3", b"/usr/bin/python3\0/a/b/broker.py\0x\0"),
            "python3 broker.py"
        );
        assert_eq!(with_script("python3", b"python3\0-c\0print()\0"), "python3");
        assert_eq!(with_script("broker", b"./broker\0/etc/broker\0"), "broker");
        assert_eq!(with_script("python3", b""), "python3");
    }

    #[test]
    fn this_process_is_found_and_a_missing_one_is_gone() {
        let own = std::process::id();
        assert!(list().unwrap().contains(&own));
        assert_eq!(own_number(own), Some(own));
        assert!(identity(own).unwrap().start > 0);
        assert!(matches!(find(own), Found::Memories(_)));
        assert!(matches!(find(u32::MAX), Found::Gone));
        assert_eq!(absence(own), None);
    }
}
