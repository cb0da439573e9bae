//! Expressions in CEL over the fields of a record or a finding.
//!
//! An expression comes from whoever may read the API, so it is bounded: by its length, by its depth, and by loops, none of
//! which stands inside another. What is left takes time in proportion to the expression and to the record. The parser
//! gets a thread with a stack of its own: it follows nested brackets before anything can count them.

mod check;
mod convert;
mod point;

use std::sync::{Arc, LazyLock};
use std::thread;

use cel::common::ast::SourceInfo;
use cel::parser::Parser;
use cel::{Context, Env, IdedExpr, ParseErrors, Value};
use serde_json::Value as Json;

use self::check::Check;
use self::point::pointed;
use crate::filter::Subject;
use crate::filter::fields::Fields;

/// The longest expression, in characters.
const MAX_LENGTH: usize = 1_000;
/// The deepest nesting of brackets. An expression that a person writes has a few.
const MAX_NESTING: u16 = 24;
/// Stack of the parser, in bytes: it takes less than a hundredth of it for an expression of this length and nesting, and more
/// in builds without optimisation.
const STACK: usize = 32 << 20;

/// The functions and operators of CEL. Each evaluation adds the fields of its record.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// An expression that can be evaluated.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    text: String,
    subject: Subject,
    expr: Arc<IdedExpr>,
    /// The outermost fields that it names.
    fields: Vec<String>,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.subject) == (&other.text, other.subject)
    }
}

impl Eq for Expression {}

impl Expression {
    /// Reads an expression, and checks that its fields and functions exist.
    ///
    /// # Errors
    /// Fails with a message that points into the expression.
    pub(super) fn parse(subject: Subject, text: &str) -> Result<Self, String> {
        let length = text.chars().count();
        if text.trim().is_empty() {
            return Err("it is empty".to_owned());
        }
        if length > MAX_LENGTH {
            return Err(format!("it has {length} characters; the limit is {MAX_LENGTH}"));
        }
        // Errors point by the column alone.
        let text = text.replace(char::is_control, " ");
        let expr = thread::scope(|scope| {
            let parse = || parse(subject, &text);
            let parser = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, parse);
            let parser = parser.map_err(|error| format!("no thread can be started to read it: {error}"))?;
            parser.join().unwrap_or_else(|_| Err("CEL's parser can't read it".to_owned()))
        })?;
        let known = |name: &&str| Fields::of(subject).schema(name).is_some();
        let fields = expr.references().variables().into_iter().filter(known).map(str::to_owned).collect();
        Ok(Self { text, subject, expr: Arc::new(expr), fields })
    }

    /// Is true when the expression is true. It is not where it needs a field that the record lacks, or compares what can't
    /// be compared.
    pub(super) fn matches(&self, json: &Json) -> bool {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        for field in &self.fields {
            context.add_variable_from_value(field, convert::value(&json[field]));
        }
        matches!(context.resolve(&self.expr), Ok(Value::Bool(true)))
    }
}

fn parse(subject: Subject, text: &str) -> Result<IdedExpr, String> {
    let parser = Parser::new().max_recursion_depth(MAX_NESTING);
    let (expr, source) = parser.parse_with_source_info(text).map_err(|errors| first(text, &errors))?;
    Check::new(Fields::of(subject)).check(&expr).map_err(|fault| {
        let column = column(text, &source, fault.at);
        pointed(text, column, &fault.what)
    })?;
    Ok(expr)
}

/// Returns the first of the parser's errors: others mostly follow from it.
fn first(text: &str, errors: &ParseErrors) -> String {
    let Some(error) = errors.errors.first() else { return "CEL's parser can't read it".to_owned() };
    let column = usize::try_from(error.pos.1 - 1).unwrap_or(0);
    if error.msg.contains("Recursion limit") {
        return pointed(text, column, &format!("brackets are nested more than {MAX_NESTING} deep"));
    }
    pointed(text, column, error.msg.trim().trim_start_matches("Syntax error: "))
}

/// Returns the column of a part of the expression, from 0. The parser counts bytes.
fn column(text: &str, source: &SourceInfo, id: u64) -> usize {
    let start = source.offset_for(id).and_then(|(start, _)| text.get(..usize::try_from(start).ok()?));
    start.map_or(0, |before| before.chars().count())
}

#[cfg(test)]
mod tests;
