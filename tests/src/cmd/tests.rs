#[test]
fn failure_names_the_line_and_the_reason() {
    let error = super::run("ls /nowhere-at-all").unwrap_err().to_string();
    assert!(error.contains("ls /nowhere-at-all") && error.contains("No such file"), "{error}");
}

#[test]
fn input_reaches_the_tool() {
    assert_eq!(super::feed("cat", "a\nb").unwrap(), "a\nb");
}
