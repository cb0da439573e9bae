use clap::CommandFactory;
use tempfile::TempDir;

use super::*;
use crate::commands::Cli;

/// Undoes the escapes of roff.
fn plain(page: &str) -> String {
    page.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "").replace("\\fI", "")
}

#[test]
fn every_subcommand_has_a_page_with_its_options() {
    let dir = TempDir::new().unwrap();
    let pages = dir.path().join("man/man1");
    write(Cli::command(), &pages).unwrap();
    for subcommand in Cli::command().get_subcommands() {
        let name = subcommand.get_name();
        let page = plain(&fs::read_to_string(pages.join(format!("flow-observer-{name}.1"))).unwrap());
        let shown = subcommand.get_arguments().filter(|argument| !argument.is_hide_set());
        for option in shown.filter_map(clap::Arg::get_long) {
            assert!(page.contains(&format!("--{option}")), "{name} --{option}");
        }
    }
    let written = fs::read_dir(&pages).unwrap().count();
    assert_eq!(written, Cli::command().get_subcommands().count() + 1);
}

#[test]
fn the_main_page_names_every_subcommand() {
    let mut page = Vec::new();
    print(Cli::command(), &mut page).unwrap();
    let page = plain(&String::from_utf8(page).unwrap());
    for subcommand in Cli::command().get_subcommands() {
        assert!(page.contains(&format!("flow-observer-{}", subcommand.get_name())), "{page}");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = run(&ManArgs { directory: Some(file.clone()) }, Cli::command()).unwrap_err();
    assert_eq!(error.to_string(), format!("{} can't be written", file.display()));
}
