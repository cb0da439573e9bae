//! What an expression may contain: fields that exist, functions that are cheap, and no loop inside a loop.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, SelectExpr};

use crate::filter::fields::{Fields, Schema};

/// The functions that expressions may call. Operators have names that begin with a sign.
const FUNCTIONS: [&str; 7] = ["contains", "startsWith", "endsWith", "size", "int", "double", "string"];
/// The deepest tree. Chains of operators are the deepest that people write.
const MAX_DEPTH: usize = 64;

/// What is wrong, and the part of the expression.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: u64,
    pub(super) what: String,
}

/// A walk through an expression.
pub(super) struct Check<'a> {
    fields: &'a Fields,
    /// The variables of the loop around this part.
    bound: Vec<&'a str>,
    depth: usize,
}

impl<'a> Check<'a> {
    pub(super) fn new(fields: &'a Fields) -> Self {
        Self { fields, bound: Vec::new(), depth: 0 }
    }

    /// Checks a part of the expression with all that it contains.
    pub(super) fn check(&mut self, part: &'a IdedExpr) -> Result<(), Fault> {
        if self.depth == MAX_DEPTH {
            return Err(Fault { at: part.id, what: "the expression is too deep here".to_owned() });
        }
        self.depth += 1;
        let result = self.kind(part);
        self.depth -= 1;
        result
    }

    fn kind(&mut self, part: &'a IdedExpr) -> Result<(), Fault> {
        match &part.expr {
            Expr::Ident(name) => self.ident(part.id, name),
            Expr::Call(call) => self.call(part.id, call),
            Expr::Select(select) => {
                self.check(&select.operand)?;
                self.select(part.id, select)
            }
            Expr::Comprehension(comprehension) => self.comprehension(part.id, comprehension),
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.check(element)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| self.entry(&entry.expr)),
            Expr::Literal(_) => Ok(()),
            Expr::Struct(_) | Expr::Unspecified => {
                Err(Fault { at: part.id, what: "there are no messages here".to_owned() })
            }
        }
    }

    fn ident(&self, at: u64, name: &str) -> Result<(), Fault> {
        if self.bound.contains(&name) || self.fields.schema(name).is_some() {
            return Ok(());
        }
        let known: Vec<_> = self.fields.names().collect();
        Err(Fault { at, what: format!("there is no field `{name}`; there are {}", known.join(", ")) })
    }

    fn select(&self, at: u64, select: &SelectExpr) -> Result<(), Fault> {
        let Some(schema) = self.schema(&select.operand) else { return Ok(()) };
        let known = self.fields.of_schema(schema);
        if known.is_empty() || known.contains_key(&select.field) {
            return Ok(());
        }
        let known: Vec<_> = known.into_keys().collect();
        let what = format!("there is no field `{}` here; there are {}", select.field, known.join(", "));
        Err(Fault { at, what })
    }

    /// Returns the schema of a field, or of a field of a field.
    fn schema(&self, part: &IdedExpr) -> Option<&'a Schema> {
        match &part.expr {
            Expr::Ident(name) if !self.bound.contains(&name.as_str()) => self.fields.schema(name),
            Expr::Select(select) if !select.test => {
                self.fields.of_schema(self.schema(&select.operand)?).remove(&select.field)
            }
            _ => None,
        }
    }

    fn call(&mut self, at: u64, call: &'a CallExpr) -> Result<(), Fault> {
        let name = call.func_name.as_str();
        let operator =
            !name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains('?') || name == "_?_:_";
        if !operator && !FUNCTIONS.contains(&name) {
            let known = FUNCTIONS.join(", ");
            return Err(Fault { at, what: format!("there is no function `{name}`; there are {known}") });
        }
        call.target.iter().try_for_each(|target| self.check(target))?;
        call.args.iter().try_for_each(|argument| self.check(argument))
    }

    /// Checks `all`, `exists`, `exists_one`, `filter` and `map`.
    fn comprehension(&mut self, at: u64, comprehension: &'a ComprehensionExpr) -> Result<(), Fault> {
        if !self.bound.is_empty() {
            return Err(Fault { at, what: "a loop can't be inside another one".to_owned() });
        }
        let ComprehensionExpr { iter_var, iter_var2, accu_var, .. } = comprehension;
        // The list may not come from a loop either: each could make what the next one goes through larger.
        self.bound = [Some(iter_var), iter_var2.as_ref(), Some(accu_var)]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let ComprehensionExpr { iter_range, accu_init, loop_cond, loop_step, result, .. } = comprehension;
        let parts = [iter_range, accu_init, loop_cond, loop_step, result];
        let checked = parts.into_iter().try_for_each(|part| self.check(part));
        self.bound.clear();
        checked
    }

    fn entry(&mut self, entry: &'a EntryExpr) -> Result<(), Fault> {
        match entry {
            EntryExpr::StructField(field) => self.check(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.check(&entry.key)?;
                self.check(&entry.value)
            }
        }
    }
}
