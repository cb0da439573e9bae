use super::*;

#[test]
fn a_program_that_does_not_end_is_stopped() {
    let slow = run("sleep", &["100".as_ref()], Duration::from_millis(60)).unwrap();
    assert_eq!(slow, Err("it takes longer than 0 s".to_owned()));
}

#[test]
fn the_last_line_of_errors_is_the_reason() {
    let failed = run("sh", &["-c".as_ref(), "echo a; echo error: b >&2; exit 3".as_ref()], LIMIT).unwrap();
    assert_eq!(failed, Err("b".to_owned()));
    assert_eq!(run("no-such-program", &[], LIMIT).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn where_a_program_fails_the_next_is_tried() {
    let directory = Path::new(".");
    let rendered = first(&[("no-such-program", "build"), ("false", "build"), ("echo", "build")], directory);
    assert_eq!(rendered, Ok(b"build .\n".to_vec()));
    let failed = first(&[("false", "a"), ("false", "b")], directory).unwrap_err();
    assert_eq!(failed, "`false a` fails: without a word, and `false b` fails: without a word");
    assert_eq!(first(&[], directory).unwrap_err(), "neither kubectl nor kustomize is there");
}
