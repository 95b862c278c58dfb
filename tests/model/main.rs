//! Model and crate side by side: random steps, and after each of them all that can be seen must be equal: answers, what
//! was told, what was handled, counts, lists, names, and which instances live by an independent census.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `MODEL_CASES` | how many cases | 2000 |
//! | `MODEL_SEED` | of the first case; the others follow | 1 |
//!
//! A case that fails is made smaller; what is printed then replays it. Each case has a System and a paused clock of its
//! own, so a seed always gives the same case.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod answers;
mod dice;
mod keys;
mod life;
mod menu;
mod patience;
mod reference;
mod rules;
mod seen;
mod starts;
mod steps;
mod terms;
mod words;
mod worker;
mod world;

use std::{
    collections::BTreeMap,
    env,
    panic::{catch_unwind, AssertUnwindSafe},
    sync::{
        atomic::{AtomicU64, Ordering},
        Mutex,
    },
    thread,
};

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

use self::{reference::Reference, seen::Seen, steps::Step, world::World};

const DEFAULT_CASES: u64 = 2000;

/// Steps of a case.
const STEPS: usize = 60;

impl ReferenceStateMachine for Reference {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        state.next_step()
    }

    fn apply(state: Self, step: &Step) -> Self {
        state.step(step)
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        state.permits(step)
    }
}

struct SideBySide;

impl StateMachineTest for SideBySide {
    type SystemUnderTest = World;
    type Reference = Reference;

    fn init_test(_: &Reference) -> World {
        World::new()
    }

    fn apply(mut world: World, model: &Reference, step: Step) -> World {
        let seen = world.step(&step, model);
        let expected = Seen::expected(model);
        assert!(seen == expected, "after {step:?}{}", expected.difference(&seen));
        world
    }

    fn teardown(world: World, model: Reference) {
        world.end();
        let mut all = REACHED.lock().unwrap();
        for (what, times) in model.seen {
            *all.entry(what).or_default() += times;
        }
    }
}

/// How often which interesting state was reached, in all cases.
static REACHED: Mutex<BTreeMap<&str, usize>> = Mutex::new(BTreeMap::new());

/// Each at least this often in [`DEFAULT_CASES`], or the cases do not test what they are meant to.
const OFTEN: usize = 30;

/// What has to be reached. What the model sees and is not here is a slip too: the two lists are compared.
const INTERESTING: &[&str] = &[
    "a child asked to stop ends otherwise",
    "a child is had that is being restarted",
    "a child is killed at its deadline",
    "a child waits once more",
    "a delay is at its cap",
    "a key is taken",
    "a message is closed",
    "a name is taken",
    "a nested supervisor comes back",
    "a parked child comes back",
    "a parked child is tried in vain",
    "a request is overtaken",
    "a restart declines",
    "a restart exactly one period ago counts",
    "a restart exactly one period ago uses up the child's own",
    "a restart falls out of the child's own window",
    "a restart falls out of the window",
    "a retry is void",
    "a second end of a child joins the first",
    "a start is noticed too late",
    "a start is refused: shutting down",
    "a start has its turn",
    "a start is waited for",
    "a start that waits for its turn is cut off",
    "a start is withdrawn in time",
    "a start succeeds whose caller is gone",
    "a start takes longer than allowed",
    "a stop joins a shutdown under way",
    "a stop's deadline kills the rest",
    "a supervisor gives others a turn",
    "a supervisor is dropped while a child waits",
    "a supervisor is dropped with its parent",
    "a try is void: the supervisor shuts down",
    "a try of a restart fails",
    "a waiter has gone away",
    "a waiter has whom another started",
    "a waiter is refused: shutting down",
    "a waiter is the next to start",
    "an end is asked for by a caller that is gone",
    "an end is noticed too late",
    "an end is waited for",
    "crash and terminate in one turn",
    "ended between two tries of a restart",
    "ended when its own end is not noticed yet",
    "ended when its start is not noticed yet",
    "ended while it restarts",
    "ended while it starts",
    "ended while it waits",
    "full, with one that restarts",
    "full, with one that starts",
    "full, with one that stops",
    "full, with one that waits for its next try",
    "killed by key",
    "killed while it is being terminated",
    "killed while it starts",
    "killed while it waits",
    "messages wait for the next incarnation",
    "more than one waits",
    "terminated by key",
    "terminated twice in one turn",
    "the limit of restarts is exactly reached",
    "the limit of restarts is far again",
    "the limit of restarts comes near",
    "the limit of restarts is exceeded",
    "tries are forgotten",
    "tries are forgotten after exactly the stable time",
    "used up, and the supervisor's limit too",
    "used up: parked",
    "used up: removed",
    "used up: the supervisor's matter",
];

#[test]
fn the_crate_does_what_the_model_says() {
    // Scripted panics are no news, and those of a failing case are told in the end.
    std::panic::set_hook(Box::new(|_| {}));
    // `tracing` decides per call site for all threads; with a subscriber for all it asks each thread's own.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    let number = |name, default| env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (cases, first) = (number("MODEL_CASES", DEFAULT_CASES), number("MODEL_SEED", 1));

    let next = AtomicU64::new(first);
    let failed = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + cases || failed.lock().unwrap().is_some() {
                    return;
                }
                if let Err(failure) = run_case(seed) {
                    failed.lock().unwrap().get_or_insert((seed, failure));
                }
            });
        }
    });
    let _ = std::panic::take_hook();
    if let Some((seed, failure)) = failed.into_inner().unwrap() {
        panic!("case {seed}: {failure}\n\nreplay it: MODEL_SEED={seed} MODEL_CASES=1 cargo test --test model");
    }

    let reached = REACHED.lock().unwrap();
    println!("{cases} cases of {STEPS} steps, seeds from {first}");
    reached.iter().for_each(|(what, times)| println!("{times:>9}  {what}"));
    assert!(reached.keys().all(|what| INTERESTING.contains(what)), "a state that is not in the list");
    if cases >= DEFAULT_CASES {
        let rare = |what: &&&str| reached.get(**what).copied().unwrap_or_default() < OFTEN;
        let rare: Vec<_> = INTERESTING.iter().filter(rare).collect();
        assert!(rare.is_empty(), "reached less than {OFTEN} times: {rare:?}");
    }
}

/// What the smallest case found did, and what went wrong in its last step.
fn run_case(seed: u64) -> Result<(), String> {
    let rng = TestRng::from_seed(RngAlgorithm::XorShift, &u128::from(seed).to_le_bytes());
    let config = Config { cases: 1, failure_persistence: None, max_shrink_iters: 3000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config.clone(), rng);
    let smallest = Mutex::new(None);
    let result = runner.run(&Reference::sequential_strategy(STEPS..STEPS + 1), |(model, steps, counter)| {
        let test = || SideBySide::test_sequential(config.clone(), model, steps.clone(), counter);
        // A world that failed is dropped, not used again.
        catch_unwind(AssertUnwindSafe(test)).map_err(|panic| {
            let why = panic.downcast_ref::<String>().map_or("a panic", String::as_str);
            let steps: Vec<_> = steps.iter().map(|step| format!("  {step:?}")).collect();
            *smallest.lock().unwrap() = Some(format!("{why}\nsteps:\n{}", steps.join("\n")));
            TestCaseError::fail("not equal")
        })
    });
    result.map_err(|error| smallest.into_inner().unwrap().unwrap_or(error.to_string()))
}
