use super::*;

#[test]
fn tokens_are_read_from_one_well_formed_header() {
    for (values, token) in [
        (vec!["Bearer abc.DEF-1_2~+/=="], Some("abc.DEF-1_2~+/==")),
        (vec!["bearer   abc "], Some("abc")),
        (vec![], None),
        (vec![""], None),
        (vec!["Bearer"], None),
        (vec!["Bearer "], None),
        (vec!["Bearer a b"], None),
        (vec!["Bearer a,b"], None),
        (vec!["Bearer \u{e4}"], None),
        (vec!["Basic dXNlcjpwYXNz"], None),
        (vec!["abc"], None),
        // Which of them would count is for no two readers the same.
        (vec!["Bearer abc", "Bearer abc"], None),
    ] {
        let mut headers = HeaderMap::new();
        for value in &values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        assert_eq!(bearer(&headers), token, "{values:?}");
    }
    let mut headers = HeaderMap::new();
    for (length, some) in [(MAX_TOKEN, true), (MAX_TOKEN + 1, false)] {
        let value = format!("Bearer {}", "a".repeat(length));
        headers.insert(AUTHORIZATION, value.parse().unwrap());
        assert_eq!(bearer(&headers).is_some(), some, "{length}");
    }
}

#[test]
fn the_help_lists_every_open_path() {
    use clap::{Args as _, Command};
    let command = crate::config::Options::augment_args(Command::new("run"));
    let auth = command.get_arguments().find(|arg| arg.get_id() == "auth").unwrap();
    let help = auth.get_help().unwrap().to_string();
    let (_, listed) = help.split_once("; ").unwrap();
    let listed: Vec<&str> = listed.split([' ', ',']).filter(|word| word.starts_with('/')).collect();
    assert_eq!(listed, [&OPEN[..], &["/runbooks/NAME"]].concat());
}
