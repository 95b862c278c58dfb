//! Questions to supervisors, on behalf of everybody who looks at this worker.
//!
//! Who asks the same at the same time gets the same answer, and only so many questions are open at a time: however many
//! look, and whatever they ask, a supervisor has a handful of questions from here in its mailbox.

use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix::{Addr, WeakAddr};
use actix_web::{rt, web::Bytes};
use futures::{
    future::{LocalBoxFuture, Shared},
    FutureExt,
};
use serde::Serialize;
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout, Instant},
};

use super::{
    answer::{json, Refusal},
    query::{ListOrder, ListQuery},
    root::Root,
};
use crate::{
    children::ChildState,
    error::SnapshotError,
    id::{ChildId, SupervisorId},
    snapshot::{Branch, ChildInfo, Snapshot, TakeSnapshot},
    supervisor::{DynamicSupervisor, SupervisorAddr},
    unwind,
};

/// After this time a request is answered, whatever the supervisor does.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);
/// After this time a branch below counts as silent.
const BRANCH_DEADLINE: Duration = Duration::from_millis(700);
/// How old an answer may be, if nothing has happened since.
const FRESH: Duration = Duration::from_millis(250);
/// An end counts as one of late if it is not longer ago than this.
const LATELY: Duration = Duration::from_secs(60);
const MAX_KNOWN: usize = 64;
const MAX_AT_ONCE: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Question {
    Tree(Shape),
    List(ListQuery),
    Child(ChildId),
}

/// How a tree is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    Json,
    Text,
    Dot,
}

pub(super) type Told = Result<Bytes, Refusal>;

struct Open {
    answer: Shared<LocalBoxFuture<'static, Told>>,
    answered: Rc<Cell<Option<Instant>>>,
    /// Of the time before which event it is.
    era: u64,
}

pub(super) struct Asker {
    root: Root,
    open: RefCell<HashMap<Question, Open>>,
    era: Cell<u64>,
    /// Where the supervisors of the last tree are.
    supervisors: RefCell<HashMap<SupervisorId, WeakAddr<DynamicSupervisor>>>,
    turns: Arc<Semaphore>,
}

impl Asker {
    pub(super) fn new(root: Root) -> Rc<Self> {
        Rc::new(Self {
            root,
            open: RefCell::default(),
            era: Cell::new(0),
            supervisors: RefCell::default(),
            turns: Arc::new(Semaphore::new(MAX_AT_ONCE)),
        })
    }

    pub(super) fn root(&self) -> &Root {
        &self.root
    }

    /// Something has happened: answers from before are not given any more.
    pub(super) fn forget_answers(&self) {
        self.era.set(self.era.get() + 1);
    }

    /// The answer, or that there is none in time.
    pub(super) async fn ask(self: &Rc<Self>, question: Question) -> Told {
        let answer = self.open(question)?;
        timeout(DEADLINE, answer).await.unwrap_or(Err(Refusal::Silent))
    }

    fn open(self: &Rc<Self>, question: Question) -> Result<Shared<LocalBoxFuture<'static, Told>>, Refusal> {
        let (now, era) = (Instant::now(), self.era.get());
        let mut open = self.open.borrow_mut();
        open.retain(|_, one| match one.answered.get() {
            Some(at) => one.era == era && now.saturating_duration_since(at) < FRESH,
            None => true,
        });
        // One that is open was perhaps taken before what has happened since; the next waits for its turn.
        if let Some(one) = open.get(&question).filter(|one| one.era == era) {
            return Ok(one.answer.clone());
        }
        if open.len() >= MAX_KNOWN {
            return Err(Refusal::Busy);
        }
        let answered = Rc::new(Cell::new(None));
        let task = rt::spawn(Rc::clone(self).carry_out(question.clone(), Rc::clone(&answered)));
        // A panic on the way ends in the task.
        let answer = task.map(|told| told.unwrap_or(Err(Refusal::Broken))).boxed_local().shared();
        open.insert(question, Open { answer: answer.clone(), answered, era });
        Ok(answer)
    }

    async fn carry_out(self: Rc<Self>, question: Question, answered: Rc<Cell<Option<Instant>>>) -> Told {
        /// However it ends, also in a panic, it is not open any more.
        struct Answered(Rc<Cell<Option<Instant>>>);
        impl Drop for Answered {
            fn drop(&mut self) {
                self.0.set(Some(Instant::now()));
            }
        }
        let _answered = Answered(answered);
        match question {
            Question::Tree(shape) => self.tree(shape).await,
            Question::List(query) => self.list(query).await,
            Question::Child(id) => self.child(id).await,
        }
    }

    async fn tree(&self, shape: Shape) -> Told {
        let snapshot = self.take(&self.root.addr()?, TakeSnapshot::new().limit(0)).await?;
        self.note(&snapshot);
        let text = match shape {
            Shape::Json => json(&snapshot)?,
            Shape::Text => unwind::guard(|| format!("{snapshot}\n")).map_err(|_| Refusal::Broken)?,
            Shape::Dot => unwind::guard(|| snapshot.to_dot()).map_err(|_| Refusal::Broken)?,
        };
        Ok(text.into())
    }

    /// Where they are. One that is silent this time is where it was before.
    #[allow(clippy::mutable_key_type, reason = "an address is compared by its mailbox, which stays the same")]
    fn note(&self, snapshot: &Snapshot) {
        let below = snapshot.supervisors().flat_map(|one| &one.nested);
        let below = below.filter_map(|branch| Some((branch.snapshot()?.id, branch.addr::<DynamicSupervisor>()?)));
        let root = self.root.addr().ok().map(|root| (snapshot.id, root));
        let told: HashMap<_, _> = below.chain(root).collect();
        let addresses: HashSet<_> = told.values().collect();
        let mut known = self.supervisors.borrow_mut();
        // At the same address there may have been one with another id, before it was restarted.
        known.retain(|_, addr| addr.upgrade().is_some_and(|addr| addr.connected() && !addresses.contains(&addr)));
        known.extend(told.iter().map(|(id, addr)| (*id, addr.downgrade())));
    }

    async fn list(self: &Rc<Self>, query: ListQuery) -> Told {
        // One more than is listed tells whether more follow.
        let request = query.request().limit(query.limit + 1);
        let snapshot = match query.supervisor {
            Some(id) => {
                let supervisor = self.locate(id).await?;
                self.take(&supervisor, request.depth(0)).await.and_then(|told| is_still(told, id))?
            }
            None => self.take(&self.root.addr()?, request).await?,
        };
        let mut children: Vec<&ChildInfo> = snapshot.supervisors().flat_map(|one| &one.children).collect();
        if query.supervisor.is_none() && query.order == ListOrder::Worst {
            children.sort_by_key(|child| worst(child));
        }
        let has_more = children.len() > query.limit;
        children.truncate(query.limit);
        let goes_on = query.supervisor.is_some() && query.order != ListOrder::Worst && has_more;
        json(&List {
            matched: snapshot.supervisors().map(|one| one.matched).sum(),
            next: children.last().filter(|_| goes_on).map(|child| child.id.to_string()),
            silent: silent_paths(&snapshot).filter(|_| query.supervisor.is_none()).collect(),
            children,
        })
        .map(Bytes::from)
    }

    async fn child(self: &Rc<Self>, id: ChildId) -> Told {
        let (_, snapshot) = self.find(id, true).await?;
        let child = snapshot.children.first().ok_or(Refusal::NotFound("child"))?;
        json(&OneChild { child }).map(Bytes::from)
    }

    /// The supervisor of this child, and what it tells of it: this child, and no other, is listed.
    pub(super) async fn find(
        self: &Rc<Self>,
        id: ChildId,
        with_queue: bool,
    ) -> Result<(Addr<DynamicSupervisor>, Snapshot), Refusal> {
        let before = id.number().checked_sub(1).ok_or(Refusal::NotFound("child"))?;
        let supervisor = self.locate(id.supervisor()).await?;
        // Its place is not known here, its number is: it is the next after the number before.
        let after = ChildId::new(id.supervisor(), before, 0);
        let request = TakeSnapshot::new().depth(0).limit(1).in_start_order(after).queues(with_queue);
        let told = self.take(&supervisor, request).await.and_then(|told| is_still(told, id.supervisor()))?;
        match told.children.first() {
            Some(child) if child.id.number() == id.number() => Ok((supervisor, told)),
            _ => Err(Refusal::NotFound("child")),
        }
    }

    async fn locate(self: &Rc<Self>, id: SupervisorId) -> Result<Addr<DynamicSupervisor>, Refusal> {
        let known = || self.supervisors.borrow().get(&id).and_then(WeakAddr::upgrade);
        if let Some(supervisor) = known() {
            return Ok(supervisor);
        }
        // A tree of a moment ago does not have it. Everybody who looks for one waits for the same new tree.
        let tree = Question::Tree(Shape::Json);
        let has_answer = self.open.borrow().get(&tree).is_some_and(|one| one.answered.get().is_some());
        if has_answer {
            self.open.borrow_mut().remove(&tree);
        }
        self.open(tree)?.await?;
        known().ok_or(Refusal::NotFound("supervisor"))
    }

    async fn take(&self, supervisor: &Addr<DynamicSupervisor>, request: TakeSnapshot) -> Result<Snapshot, Refusal> {
        let Ok(turn) = Arc::clone(&self.turns).acquire_owned().await else { return Err(Refusal::Busy) };
        match supervisor.snapshot(request.deadline(BRANCH_DEADLINE)).await {
            Ok(snapshot) => Ok(snapshot),
            Err(SnapshotError::SupervisorGone) => Err(Refusal::Gone),
            Err(_) => {
                // The question still lies in its mailbox: no new one soon.
                rt::spawn(async move {
                    sleep(DEADLINE).await;
                    drop(turn);
                });
                Err(Refusal::Silent)
            }
        }
    }
}

/// A nested supervisor that was restarted is another one, at the same address.
fn is_still(told: Snapshot, id: SupervisorId) -> Result<Snapshot, Refusal> {
    if told.id == id {
        Ok(told)
    } else {
        Err(Refusal::NotFound("supervisor"))
    }
}

/// The order of what is worst over several supervisors, as each of them has it: who is down, who fell most often lately, who
/// fell most often at all.
fn worst(child: &ChildInfo) -> impl Ord {
    let is_down = child.state == ChildState::Restarting;
    let lately = child.lives.iter().filter(|life| life.ended.elapsed() < LATELY).count();
    (Reverse(is_down), Reverse(lately), Reverse(child.restarts), child.id)
}

fn silent_paths(snapshot: &Snapshot) -> impl Iterator<Item = String> + '_ {
    let below = |one: &Snapshot, branch: &Branch| format!("{}/{}", one.path, branch.name);
    snapshot.supervisors().flat_map(move |one| {
        one.nested.iter().filter(|branch| branch.is_silent()).map(move |branch| below(one, branch))
    })
}

#[derive(Serialize)]
struct List<'a> {
    matched: usize,
    children: Vec<&'a ChildInfo>,
    next: Option<String>,
    silent: Vec<String>,
}

#[derive(Serialize)]
struct OneChild<'a> {
    child: &'a ChildInfo,
}
