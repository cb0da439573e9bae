use std::fmt::Display;
use std::str::FromStr;

use serde::Serialize;
use strum::{VariantArray, VariantNames};

use crate::decision::Decision;
use crate::finding::{FindingKind, Severity, State};
use crate::flow::{Outcome, Phase, Side, Vantage};
use crate::input::{Announced, CheckStep, LostStage};
use crate::policies::{Direction, Protocol};
use crate::record::Kind;
use crate::vip::ClaimSource;

#[track_caller]
fn agree<T>()
where
    T: VariantArray + VariantNames + Copy + Display + Serialize + PartialEq + std::fmt::Debug,
    T: FromStr<Err = String> + Into<&'static str>,
{
    for (value, name) in <T as VariantArray>::VARIANTS.iter().zip(<T as VariantNames>::VARIANTS) {
        assert_eq!(serde_json::to_value(value).unwrap(), *name);
        assert_eq!(value.to_string(), *name);
        assert_eq!((*value).into(), *name);
        assert_eq!(name.parse(), Ok(*value));
    }
}

#[test]
fn json_labels_and_filters_use_the_same_names() {
    agree::<Announced>();
    agree::<CheckStep>();
    agree::<ClaimSource>();
    agree::<Decision>();
    agree::<Direction>();
    agree::<FindingKind>();
    agree::<Kind>();
    agree::<LostStage>();
    agree::<Outcome>();
    agree::<Phase>();
    agree::<Protocol>();
    agree::<Severity>();
    agree::<Side>();
    agree::<State>();
    agree::<Vantage>();
}

#[test]
fn an_unknown_name_is_answered_with_those_that_exist() {
    assert_eq!("open".parse::<State>(), Err("`open` is none of active, resolved".to_owned()));
    assert_eq!("tcp".parse::<Protocol>(), Err("`tcp` is none of TCP, UDP, SCTP".to_owned()));
}
