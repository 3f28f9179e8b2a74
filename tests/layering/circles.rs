//! No circle of files: inside a folder, too, imports point one way, so that a file can be read, tested and moved with what
//! is below it and nothing else.

use super::{code, is_fuzzing, root, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A path of modules below the crate: `["socket", "core"]`.
type Module = Vec<String>;

/// The files by their modules, what each is called, and what it says.
struct Files {
    code: BTreeMap<Module, String>,
    /// What a module names in its `use` lines, by the name it has there: where that leads.
    used: BTreeMap<(Module, String), Module>,
}

/// `src/socket/core.rs` is `socket::core`, `src/socket/mod.rs` is `socket`.
fn module(file: &Path) -> Module {
    let inside = file.strip_prefix(root().join("src")).unwrap().with_extension("");
    let mut path: Module =
        inside.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
    if path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    path
}

/// Inside `mod x { ... }` of a file `super` is that file.
fn without_inline_modules(code: &str) -> String {
    let mut end: Option<String> = None;
    let lines = code.lines().map(|line| {
        let indent = &line[..line.len() - line.trim_start().len()];
        let words = line.trim_start().split_once("mod ").map(|(before, _)| before);
        let begins =
            words.is_some_and(|w| w.is_empty() || w.starts_with("pub")) && line.ends_with('{');
        let inside = end.is_some();
        if end.is_none() && begins {
            end = Some(format!("{indent}}}"));
        } else if end.as_deref() == Some(line) {
            end = None;
        }
        if inside { line.replace("super::", "self::") } else { line.to_owned() }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Who may see something says nothing of what it uses: `pub(in crate::a)`.
fn without_visibility(code: &str) -> String {
    let mut pieces = code.split("pub(in ");
    let first = pieces.next().unwrap_or_default().to_owned();
    let rest = pieces.map(|piece| piece.split_once(')').map_or("", |(_, rest)| rest));
    rest.fold(first, |text, piece| text + "pub" + piece)
}

/// One path of a text, with the name it has in what follows; `rest` is what comes after.
fn path_at(text: &str, before: &[String], found: &mut Vec<(Module, String)>) -> usize {
    let mut path = before.to_vec();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let name = super::identifier(rest);
        at += name.len();
        if name.is_empty() {
            break;
        }
        path.push(name);
        match text[at..].strip_prefix("::") {
            Some(more) if more.starts_with('{') => {
                return at + 2 + group_at(&text[at + 2..], &path, found);
            }
            Some(more) if more.starts_with(|c: char| c.is_alphabetic() || c == '_') => at += 2,
            _ => break,
        }
    }
    if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
        path.pop();
    }
    let alias = text[at..].strip_prefix(" as ").map(super::identifier);
    let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
    // A word alone names nothing of another file: `pub(super)`.
    if path.len() > 1 || !before.is_empty() {
        found.push((path, name));
    }
    at
}

/// What stands in the braces of a `use`.
fn group_at(text: &str, before: &[String], found: &mut Vec<(Module, String)>) -> usize {
    let mut at = 1;
    while at < text.len() {
        let rest = &text[at..];
        let c = rest.chars().next().unwrap_or_default();
        if c == '}' {
            return at + 1;
        } else if c.is_alphabetic() || c == '_' {
            at += path_at(rest, before, found);
            // An alias has been taken with its path.
            if let Some(alias) = text[at..].strip_prefix(" as ") {
                at += 4 + super::identifier(alias).len();
            }
        } else {
            at += c.len_utf8();
        }
    }
    at
}

/// All paths of a text, as they are written.
fn paths(code: &str) -> Vec<(Module, String)> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut last = ' ';
    while let Some(c) = code[at..].chars().next() {
        if (c.is_alphabetic() || c == '_') && last != ':' && last != '\'' {
            at += path_at(&code[at..], &[], &mut found);
            last = 'a';
        } else {
            // The second colon of a path that goes on behind something else, as in <T as A>::b.
            last = if c == ':' && !code[..at].ends_with(':') { ' ' } else { c };
            at += c.len_utf8();
        }
    }
    found
}

impl Files {
    fn read() -> Files {
        let mut found = Vec::new();
        sources(&root().join("src"), &mut found);
        let is_code = |f: &&std::path::PathBuf| {
            let name = f.file_name().unwrap().to_string_lossy();
            !is_fuzzing(f) && name != "models.rs" && name != "tso.rs"
        };
        let code = found.iter().filter(is_code).map(|f| (module(f), code(f)));
        Files::of(code.collect())
    }

    fn of(code: BTreeMap<Module, String>) -> Files {
        let text = |code: String| without_visibility(&without_inline_modules(&code));
        let code = code.into_iter().map(|(module, code)| (module, text(code))).collect();
        let mut files = Files { code, used: BTreeMap::new() };
        for (module, text) in &files.code {
            for line in text.split(';').filter_map(|l| l.split_once("use ")) {
                for (path, name) in paths(line.1) {
                    if let Some(path) = files.absolute(module, &path) {
                        files.used.insert((module.clone(), name), path);
                    }
                }
            }
        }
        files
    }

    /// The path from the root of the crate, if it leads into it.
    fn absolute(&self, from: &[String], path: &[String]) -> Option<Module> {
        let first = path.first()?;
        let child: Module = from.iter().chain([first]).cloned().collect();
        let (mut base, mut rest) = match first.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (from.to_vec(), &path[1..]),
            "super" => (from.to_vec(), path),
            _ if self.code.contains_key(&child) => (from.to_vec(), path),
            _ => return None,
        };
        while rest.first().is_some_and(|segment| segment == "super") {
            base.pop()?;
            rest = &rest[1..];
        }
        Some(base.iter().chain(rest).cloned().collect())
    }

    /// The file that an absolute path leads to: what a file only passes on belongs to where it has it from.
    fn home(&self, path: &[String], depth: u8) -> Option<Module> {
        let mut at = (1..=path.len()).rev().find(|n| self.code.contains_key(&path[..*n]))?;
        let passed_on = path.get(at).and_then(|n| self.used.get(&(path[..at].to_vec(), n.clone())));
        if let (Some(next), true) = (passed_on, depth < 8) {
            return self.home(next, depth + 1);
        }
        at = at.max(1);
        Some(path[..at].to_vec())
    }

    /// Who names whom of the same folder. To pass a name on is not to use it.
    fn imports(&self) -> BTreeSet<(Module, Module)> {
        let mut imports = BTreeSet::new();
        for (from, text) in &self.code {
            let (own, passed_on) = apart(text);
            let mut named: Vec<Module> = paths(&own).into_iter().map(|(path, _)| path).collect();
            let words: BTreeSet<&str> =
                own.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            let used = paths(&passed_on).into_iter().filter(|(_, name)| words.contains(&**name));
            named.extend(used.map(|(path, _)| path));
            let named = named.into_iter().filter_map(|path| self.absolute(from, &path));
            for home in named.filter_map(|path| self.home(&path, 0)) {
                if home.first() == from.first() && home != *from {
                    imports.insert((from.clone(), home));
                }
            }
        }
        imports
    }
}

/// A text without what it passes on (`pub use`), and that.
fn apart(text: &str) -> (String, String) {
    let (mut own, mut passed_on) = (String::new(), String::new());
    for statement in text.split_inclusive(';') {
        let at = statement.rfind("use ").filter(|at| {
            let line = statement[..*at].rsplit('\n').next().unwrap_or_default();
            line.starts_with("pub")
        });
        let (before, rest) = statement.split_at(at.unwrap_or(statement.len()));
        own.push_str(before);
        passed_on.push_str(rest);
    }
    (own, passed_on)
}

/// Whether imports lead from one file to another.
fn leads<T: Ord>(imports: &BTreeSet<(T, T)>, from: &T, to: &T) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(at) = next.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            next.extend(imports.iter().filter(|(a, _)| a == at).map(|(_, b)| b));
        }
    }
    false
}

#[test]
fn files_import_each_other_in_no_circle() {
    let files = Files::read();
    assert!(files.code.len() > 100);
    let name = |module: &Module| module.join("::");
    let imports: BTreeSet<_> = files.imports().iter().map(|(a, b)| (name(a), name(b))).collect();
    assert!(imports.len() > 100, "{} imports", imports.len());
    let circles: Vec<_> = imports.iter().filter(|(a, b)| leads(&imports, b, a)).collect();
    assert!(circles.is_empty(), "imports that are part of a circle: {circles:#?}");
}

#[test]
fn the_check_sees_circles() {
    let source = |name: &str, text: &str| -> (Module, String) {
        (name.split("::").map(str::to_owned).collect(), text.to_owned())
    };
    let imports = |texts: &[(&str, &str)]| -> Vec<String> {
        let files = Files::of(texts.iter().map(|(name, text)| source(name, text)).collect());
        files.imports().iter().map(|(a, b)| format!("{} {}", a.join("::"), b.join("::"))).collect()
    };
    // In all the ways one file names another; what a file passes on is its child's.
    let folder = ("a", "pub use b::Thing;\nuse b::{self, c::D as E};\npub struct Own;");
    let d = ("a::b::c", "pub(super) struct D;\nuse super::super::{Own, Thing};\nuse crate::a;");
    let b = (
        "a::b",
        "pub struct Thing;\nfn f() { crate::a::e::g() }\nmod x {\n    use super::Thing;\n}",
    );
    let seen =
        imports(&[folder, b, d, ("a::e", "use crate::{a::{Thing}, z};"), ("z", "use crate::a;")]);
    assert_eq!(
        seen,
        ["a a::b", "a a::b::c", "a::b a::e", "a::b::c a", "a::b::c a::b", "a::e a::b"]
    );
    let passes_on =
        [("a", "pub use b::Thing;\nfn f() {}"), ("a::b", "use super::f;\npub struct Thing;")];
    assert_eq!(imports(&passes_on), ["a::b a"]);
    let uses = [
        ("a", "pub use b::Thing;\nfn f(t: Thing) {}"),
        ("a::b", "use super::f;\npub struct Thing;"),
    ];
    assert_eq!(imports(&uses), ["a a::b", "a::b a"]);
    // Visibility is no use.
    let seen =
        [("a", "use b::f;"), ("a::b", "pub(in crate::a) fn f() { super::c::g() }\n"), ("a::c", "")];
    assert_eq!(imports(&seen), ["a a::b", "a::b a::c"]);
    let edges = [(1, 2), (2, 3), (3, 1), (4, 1)].into_iter().collect();
    assert!(leads(&edges, &2, &1));
    assert!(!leads(&edges, &1, &4));
}
