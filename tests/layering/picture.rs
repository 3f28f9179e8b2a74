//! The picture of the layers at the beginning of ARCHITECTURE.md shows the folders there are, and uses that are.

use super::{code, imports, module_of, root, sources};
use std::collections::BTreeSet;

/// Boxes and arrows of the first mermaid picture in a text.
fn picture(text: &str) -> (BTreeSet<String>, BTreeSet<(String, String)>) {
    let lines = text.split("```mermaid\n").nth(1).unwrap().split("```").next().unwrap().lines();
    let (mut boxes, mut arrows) = (BTreeSet::new(), BTreeSet::new());
    for line in lines.skip(1).map(str::trim) {
        if let Some((name, label)) = line.split_once('[') {
            assert!(
                label.starts_with(&format!("\"{name}<br>")),
                "not labelled as it is called: {line}"
            );
            boxes.insert(name.to_owned());
        } else {
            let (from, to) = line.split_once(" --> ").unwrap();
            arrows.insert((from.to_owned(), to.to_owned()));
        }
    }
    (boxes, arrows)
}

#[test]
fn the_picture_shows_what_there_is() {
    let (boxes, arrows) =
        picture(&std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap());
    let entries = std::fs::read_dir(root().join("src")).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    let folders: BTreeSet<_> =
        folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(boxes, folders, "boxes of the picture in ARCHITECTURE.md, and folders of src");

    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut uses = BTreeSet::new();
    for file in &files {
        let from = module_of(file);
        uses.extend(imports(&code(file)).into_iter().map(|to| (from.clone(), to)));
    }
    let made_up: Vec<_> = arrows.difference(&uses).collect();
    assert!(
        made_up.is_empty(),
        "arrows of ARCHITECTURE.md that the code does not know: {made_up:?}"
    );
    let lost = boxes.iter().filter(|name| !arrows.iter().any(|(a, b)| a == *name || b == *name));
    assert_eq!(lost.count(), 0, "a box without arrows");
}

#[test]
fn a_picture_is_read_as_it_is_drawn() {
    let text =
        "```mermaid\nflowchart TD\n    a[\"a<br>is\"]\n    b[\"b<br>is\"]\n    a --> b\n```\n";
    let (boxes, arrows) = picture(text);
    assert_eq!(boxes.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(arrows.into_iter().collect::<Vec<_>>(), [("a".to_owned(), "b".to_owned())]);
}
