use clap::{CommandFactory, Parser};
use rstest::rstest;

use super::*;
use crate::filter;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    filters: FilterArgs,
}

fn parameters(subject: Subject, args: &[&str]) -> anyhow::Result<Vec<(&'static str, String)>> {
    Cli::parse_from(["tail"].iter().chain(args)).filters.parameters(subject)
}

#[test]
fn each_filter_of_the_api_is_an_option() {
    let command = Cli::command();
    let options: Vec<_> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    let filters: Vec<_> = filter::names().map(|name| name.replace('_', "-")).collect();
    assert_eq!(options, filters);
}

#[rstest]
#[case(&[], &[])]
#[case(&["--from", "web,10.0.0.0/8", "--from", "data/db"], &[("from", "web,10.0.0.0/8,data/db")])]
#[case(&["--not-port", "53", "--to", "data"], &[("to", "data"), ("not_port", "53")])]
#[case(&["--filter", "dst.port in [1, 2]"], &[("filter", "dst.port in [1, 2]")])]
#[case(&["--filter", "-1 < dst.port"], &[("filter", "-1 < dst.port")])]
fn options_become_parameters(#[case] args: &[&str], #[case] wanted: &[(&str, &str)]) {
    let given = parameters(Subject::Record, args).unwrap();
    let given: Vec<_> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(given, wanted);
}

#[test]
fn every_option_becomes_its_parameter() {
    for name in filter::names() {
        let flag = format!("--{}", name.replace('_', "-"));
        let value = match name.trim_start_matches("not_") {
            "port" => "80",
            "verdict" => "deny",
            "cause" => "conntrack_full",
            "filter" => "true",
            _ => "web",
        };
        assert_eq!(parameters(Subject::Record, &[&flag, value]).unwrap(), [(name, value.to_owned())]);
    }
}

#[rstest]
#[case(&["--not-from", "Web"], "--not-from: `Web` is neither a namespace")]
#[case(&["--verdict", "maybe"], "--verdict: `maybe` is none of allow, deny, unknown")]
#[case(&["--filter", "dst.prot == 1"], "--filter: column 4: there is no field `prot`")]
#[case(&["--cause", "rain"], "--cause: `rain` is none of conntrack_full, ")]
fn a_wrong_value_is_an_error_that_names_its_option(#[case] args: &[&str], #[case] wanted: &str) {
    let error = parameters(Subject::Record, args).unwrap_err().to_string();
    assert!(error.starts_with(wanted), "{error}");
}

#[test]
fn the_cause_of_a_finding_is_a_text() {
    assert_eq!(parameters(Subject::Finding, &["--cause", "rain"]).unwrap().len(), 1);
}
