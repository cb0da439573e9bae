use super::*;

#[test]
fn only_a_whole_line_opens() {
    let line = seal(r#"{"a": 1}"#);
    let whole = line.trim_end_matches('\n');
    assert_eq!(open(whole), Some(r#"{"a": 1}"#));
    for torn in 0..whole.len() {
        assert_eq!(open(&whole[..torn]), None, "{torn}");
    }
    assert_eq!(open(&whole.replace('1', "2")), None);
}
