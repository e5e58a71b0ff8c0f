//! Whether an answer calls tools, and with what. It owns the simulator's rule for it, the same in every
//! dialect; it refuses to read requests.
//!
//! The rule: a tool is called when the caller demands it, or when the last word of the user speaks of a
//! `tool`; of `tools`, and every tool is called at once, a lone one twice. After the result of a tool the
//! answer is a text, unless a call is demanded.

use serde_json::{Value, json};

use super::content::{Call, Shape, json_tokens};
use super::schema::example;

/// A tool on offer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tool {
    pub(super) name: String,
    /// JSON schema of its arguments.
    pub(super) schema: Value,
}

/// What the caller says about calling tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Demand {
    /// As the model sees fit.
    #[default]
    Free,
    /// None.
    Never,
    /// Any, but at least one.
    Any,
    /// This one.
    Named(String),
}

/// What decides on tool calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Offer<'a> {
    pub(super) tools: Vec<Tool>,
    pub(super) demand: Demand,
    /// At most one call.
    pub(super) single: bool,
    /// Text of the last message of the user.
    pub(super) asked: &'a str,
    /// Whether the conversation ends with the result of a tool.
    pub(super) after_result: bool,
}

/// The calls of the answer, if it makes any. `Err` names a demanded tool that is not on offer.
pub(super) fn calls(offer: &Offer<'_>) -> Result<Option<Shape>, String> {
    let speaks_of =
        |word: &str| offer.asked.split(|c: char| !c.is_alphanumeric()).any(|w| w.eq_ignore_ascii_case(word));
    let chosen: Vec<&Tool> = match &offer.demand {
        Demand::Never => return Ok(None),
        Demand::Named(name) => {
            let tool = offer.tools.iter().find(|tool| tool.name == *name);
            vec![tool.ok_or_else(|| name.clone())?]
        }
        Demand::Free if offer.after_result => return Ok(None),
        Demand::Free | Demand::Any if speaks_of("tools") && !offer.single => match offer.tools.as_slice() {
            [lone] => vec![lone, lone],
            all => all.iter().collect(),
        },
        Demand::Free if !speaks_of("tool") && !speaks_of("tools") => return Ok(None),
        Demand::Free | Demand::Any => offer.tools.first().into_iter().collect(),
    };
    if chosen.is_empty() {
        return Ok(None);
    }
    let call = |tool: &Tool| Call {
        name: tool.name.clone(),
        arguments: json_tokens(&example(&tool.schema).to_string()),
    };
    Ok(Some(Shape::Calls(chosen.into_iter().map(call).collect())))
}

/// JSON for a caller that asked for JSON: of the schema, or of any.
pub(super) fn json_answer(schema: Option<&Value>) -> Shape {
    let value = schema.map_or_else(|| json!({"answer": "the weir is open"}), example);
    Shape::Json(json_tokens(&value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(offer: &Offer<'_>) -> Vec<String> {
        match calls(offer).unwrap() {
            Some(Shape::Calls(calls)) => calls.into_iter().map(|call| call.name).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn the_last_word_of_the_user_decides_unless_the_caller_demands() {
        let tool = |name: &str| Tool { name: name.to_owned(), schema: json!({"type": "object"}) };
        let offer =
            |asked, demand| Offer { tools: vec![tool("a"), tool("b")], demand, asked, ..Offer::default() };
        assert_eq!(names(&offer("use a tool, please", Demand::Free)), ["a"]);
        assert_eq!(names(&offer("use Tools", Demand::Free)), ["a", "b"]);
        assert_eq!(names(&Offer { single: true, ..offer("use tools", Demand::Free) }), ["a"]);
        assert_eq!(names(&offer("toolbox", Demand::Free)), Vec::<String>::new());
        assert_eq!(names(&offer("hello", Demand::Any)), ["a"]);
        assert_eq!(names(&offer("tools", Demand::Never)), Vec::<String>::new());
        assert_eq!(names(&offer("hello", Demand::Named("b".to_owned()))), ["b"]);
        assert_eq!(calls(&offer("hello", Demand::Named("c".to_owned()))), Err("c".to_owned()));
        assert_eq!(
            names(&Offer { after_result: true, ..offer("a tool", Demand::Free) }),
            Vec::<String>::new()
        );
        assert_eq!(names(&Offer { tools: vec![tool("a")], ..offer("tools", Demand::Free) }), ["a", "a"]);
    }
}
