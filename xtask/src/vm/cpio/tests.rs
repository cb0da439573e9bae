use super::*;

#[test]
fn layout_is_newc() {
    let mut archive = Archive::default();
    archive.file("a/b", 0o755, "hello");
    archive.symlink("c", "a/b");
    let mut bytes = Vec::new();
    archive.write(&mut bytes).unwrap();
    assert_eq!(bytes.len() % BLOCK, 0);
    let text = String::from_utf8(bytes).unwrap();
    let names: Vec<_> = text.match_indices("070701").map(|(at, _)| &text[at + 110..]).collect();
    assert_eq!(names.len(), 4);
    assert!(names[0].starts_with("a\0"));
    assert!(names[1].starts_with("a/b\0\0\0hello\0\0\0") && names[1][14..].starts_with("070701"));
    assert!(names[2].starts_with("c\0a/b\0"), "{:?}", names[2]);
    assert!(names[3].starts_with("TRAILER!!!\0"));
    assert_eq!(&text[14..22], "000041ED", "a directory of mode 755");
}

#[test]
fn parents_come_first() {
    let mut archive = Archive::default();
    archive.file("x/y/z", 0o644, "");
    archive.dir("x/y");
    let paths: Vec<_> = archive.entries.keys().map(String::as_str).collect();
    assert_eq!(paths, ["x", "x/y", "x/y/z"]);
}
