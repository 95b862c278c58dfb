//! What is asked for in the address, checked: nothing of it reaches a supervisor as it came.

use std::str::FromStr;

use actix_web::web::Query;

use super::answer::Refusal;
use crate::{
    children::ChildState,
    id::{ChildId, SupervisorId},
    snapshot::{ChildFilter, TakeSnapshot},
};

const MAX_QUERY_BYTES: usize = 2_048;
const MAX_TEXT_BYTES: usize = 400;
const MAX_MODULE_BYTES: usize = 512;
const MAX_LIMIT: usize = 1_000;
const DEFAULT_LIMIT: usize = 50;

/// Which children are to be listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ListQuery {
    /// Of all if none is named.
    pub(super) supervisor: Option<SupervisorId>,
    text: Option<String>,
    state: Option<State>,
    module: Option<String>,
    pub(super) order: ListOrder,
    pub(super) limit: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum ListOrder {
    #[default]
    Worst,
    Start {
        after: Option<ChildId>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Starting,
    Running,
    Restarting,
    Stopping,
}

impl ListQuery {
    pub(super) fn parse(query: &str) -> Result<Self, Refusal> {
        let mut wanted = Self { limit: DEFAULT_LIMIT, ..Self::default() };
        let (mut seen, mut order, mut after) = (Vec::new(), None, None);
        for (name, value) in pairs(query)? {
            if seen.contains(&name) {
                return Err(Refusal::Malformed("a parameter is given twice"));
            }
            match name.as_str() {
                "supervisor" => wanted.supervisor = Some(supervisor_id(&value)?),
                "q" => wanted.text = Some(bounded(value, MAX_TEXT_BYTES)?),
                "state" => wanted.state = Some(value.parse()?),
                "module" => wanted.module = Some(bounded(value, MAX_MODULE_BYTES)?),
                "order" => order = Some(value),
                "after" => after = Some(child_id(&value).ok_or(Refusal::Malformed("after is the id of a child"))?),
                "limit" => wanted.limit = limit(&value)?,
                _ => return Err(Refusal::Malformed("there is no parameter of this name")),
            }
            seen.push(name);
        }
        wanted.order = match (order.as_deref(), after) {
            (None | Some("worst"), None) => ListOrder::Worst,
            (Some("start"), after) => ListOrder::Start { after },
            (None | Some("worst"), Some(_)) => return Err(Refusal::Malformed("after goes with order=start")),
            _ => return Err(Refusal::Malformed("order is worst or start")),
        };
        if after.is_some_and(|after| Some(after.supervisor()) != wanted.supervisor) {
            return Err(Refusal::Malformed("after is a child of the supervisor that is named"));
        }
        Ok(wanted)
    }

    /// What the supervisors are asked.
    pub(super) fn request(&self) -> TakeSnapshot {
        let mut filter = ChildFilter::new();
        if let Some(text) = &self.text {
            filter = filter.text(text.as_str());
        }
        if let Some(state) = self.state {
            filter = filter.state(state.into());
        }
        if let Some(module) = &self.module {
            filter = filter.module(module.as_str());
        }
        let request = TakeSnapshot::new().filter(filter).limit(self.limit);
        match self.order {
            ListOrder::Worst => request.worst_first(),
            ListOrder::Start { after } => request.in_start_order(after),
        }
    }
}

/// The query of a request about one child: it may name the child's supervisor.
pub(super) fn check_supervisor(query: &str, child: ChildId) -> Result<(), Refusal> {
    for (name, value) in pairs(query)? {
        if name != "supervisor" {
            return Err(Refusal::Malformed("there is no parameter of this name"));
        }
        if supervisor_id(&value)? != child.supervisor() {
            return Err(Refusal::NotFound("child"));
        }
    }
    Ok(())
}

/// For requests that take none.
pub(super) fn check_empty(query: &str) -> Result<(), Refusal> {
    if query.is_empty() {
        Ok(())
    } else {
        Err(Refusal::Malformed("there are no parameters here"))
    }
}

/// The id that `text` is, but for the place of the child, which is not known from it: only its supervisor and its number tell.
pub(super) fn child_id(text: &str) -> Option<ChildId> {
    let (supervisor, number) = text.split_once('.')?;
    Some(ChildId::new(SupervisorId::from_number(number_of(supervisor)?), number_of(number)?, 0))
}

fn pairs(query: &str) -> Result<Vec<(String, String)>, Refusal> {
    if query.len() > MAX_QUERY_BYTES {
        return Err(Refusal::Malformed("the query is too long"));
    }
    Query::from_query(query).map(Query::into_inner).map_err(|_| Refusal::Malformed("the query cannot be read"))
}

fn supervisor_id(text: &str) -> Result<SupervisorId, Refusal> {
    number_of(text).map(SupervisorId::from_number).ok_or(Refusal::Malformed("supervisor is a number"))
}

/// Digits alone: `parse` would take a sign.
fn number_of(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn limit(text: &str) -> Result<usize, Refusal> {
    let limit = number_of(text).and_then(|limit| usize::try_from(limit).ok());
    limit.filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or(Refusal::Malformed("limit is a number from 1 to 1000"))
}

fn bounded(text: String, max_bytes: usize) -> Result<String, Refusal> {
    if text.len() > max_bytes {
        return Err(Refusal::Malformed("a parameter is too long"));
    }
    Ok(text)
}

impl FromStr for State {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        match text {
            "starting" => Ok(Self::Starting),
            "running" => Ok(Self::Running),
            "restarting" => Ok(Self::Restarting),
            "stopping" => Ok(Self::Stopping),
            _ => Err(Refusal::Malformed("state is starting, running, restarting or stopping")),
        }
    }
}

impl From<State> for ChildState {
    fn from(state: State) -> Self {
        match state {
            State::Starting => Self::Starting,
            State::Running => Self::Running,
            State::Restarting => Self::Restarting,
            State::Stopping => Self::Stopping,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str) -> bool {
        matches!(ListQuery::parse(query), Err(Refusal::Malformed(_)))
    }

    #[test]
    fn nothing_asked_is_the_worst_fifty_of_all() {
        let wanted = ListQuery::parse("").unwrap();
        assert_eq!((wanted.supervisor, wanted.order, wanted.limit), (None, ListOrder::Worst, 50));
    }

    #[test]
    fn all_can_be_asked_for_at_once() {
        let query = "supervisor=3&q=a%26b&state=restarting&module=app%3A%3ARoom&order=start&after=3.12&limit=1000";
        let wanted = ListQuery::parse(query).unwrap();
        assert_eq!(wanted.text.as_deref(), Some("a&b"));
        assert_eq!(wanted.module.as_deref(), Some("app::Room"));
        assert_eq!(wanted.state, Some(State::Restarting));
        assert_eq!(wanted.limit, 1_000);
        assert!(matches!(wanted.order, ListOrder::Start { after: Some(id) } if id.to_string() == "3.12"));
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for query in [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=+5",
            "limit=",
            "limit=ten",
            "limit=99999999999999999999999",
            "supervisor=",
            "supervisor=x",
            "supervisor=-1",
            "supervisor=1.1",
            "state=up",
            "state=",
            "order=best",
            "after=1.2",
            "order=worst&after=1.2",
            "order=start&after=1.2",
            "order=start&supervisor=2&after=1.2",
            "order=start&supervisor=1&after=x",
            "q=a&q=b",
            "what=1",
            "limit",
        ] {
            assert!(refused(query), "{query}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        assert!(!refused(&format!("q={}", "x".repeat(MAX_TEXT_BYTES))));
        assert!(refused(&format!("q={}", "x".repeat(MAX_TEXT_BYTES + 1))));
        assert!(refused(&format!("module={}", "x".repeat(MAX_MODULE_BYTES + 1))));
        assert!(refused(&format!("q={}", "%20".repeat(MAX_QUERY_BYTES / 3))));
    }

    #[test]
    fn an_id_is_two_numbers_with_a_dot_between() {
        assert_eq!(child_id("3.12").unwrap().to_string(), "3.12");
        for text in ["", ".", "3", "3.", ".12", "3.12.1", "a.b", "3.-1", "+3.1", "3 .1", "99999999999999999999.1"] {
            assert!(child_id(text).is_none(), "{text}");
        }
    }
}
