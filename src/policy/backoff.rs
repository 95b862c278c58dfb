//! How long to wait before a child is started again.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    exit::ExitReason,
    unwind::{self, Contained, PanicReport},
};

/// A delay before each try of a restart. Default: none, as in Elixir.
///
/// | made by | the delay before try *n* (1, 2, …) |
/// |---|---|
/// | [`Backoff::none`] | none |
/// | [`Backoff::fixed`] | always the same |
/// | [`Backoff::exponential`] | the first, doubled with each further try, up to a cap |
/// | [`Backoff::with`] | what a function of *n* and the last [`ExitReason`] says |
///
/// Tries are counted from the last time the child ran for [`forget_after`](Self::forget_after), a minute unless told
/// otherwise. A child that waits is `Restarting`: it fills its place, its queue is kept, it can be terminated, and
/// [`ChildInfo::next_try`](crate::ChildInfo::next_try) says when it is due. A delayed try that fails is followed by the
/// next one.
///
/// Every try counts in the limit when the delay *begins*: a supervisor that has had enough does not wait to say so.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use actix_dynamic_supervisor::prelude::*;
///
/// // 100 ms, 200 ms, 400 ms … 30 s, each shortened by up to a half.
/// let patient = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(30)).jitter(0.5, 42);
/// # let _ = patient;
/// ```
#[derive(Clone)]
#[must_use]
pub struct Backoff {
    delay: Delay,
    jitter: Option<Jitter>,
    forget_after: Duration,
}

#[derive(Clone)]
enum Delay {
    Fixed(Duration),
    Exponential { first: Duration, cap: Duration },
    Custom(Custom),
}

type Custom = Arc<Contained<Box<dyn Fn(u32, &ExitReason) -> Duration + Send + Sync>>>;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Jitter {
    /// Which part of a delay may be left out, 0 to 1.
    share: f64,
    seed: u64,
}

impl Backoff {
    /// How long a child has to run for its tries to be forgotten, unless told otherwise.
    pub const FORGET_AFTER: Duration = Duration::from_secs(60);

    /// No delay: for a child whose supervisor has one for all others.
    pub const fn none() -> Self {
        Self::fixed(Duration::ZERO)
    }

    /// Always the same delay.
    pub const fn fixed(delay: Duration) -> Self {
        Self::new(Delay::Fixed(delay))
    }

    /// `first`, doubled with each further try, but at most `cap`.
    pub const fn exponential(first: Duration, cap: Duration) -> Self {
        Self::new(Delay::Exponential { first, cap })
    }

    /// As `delay` says, given the number of the try (1 for the first after the child ran) and how the last incarnation
    /// ended.
    ///
    /// It is called in the supervisor's turn. Should it panic, that is reported, and the try is made without a delay.
    pub fn with(delay: impl Fn(u32, &ExitReason) -> Duration + Send + Sync + 'static) -> Self {
        Self::new(Delay::Custom(Arc::new(Contained::new(Box::new(delay)))))
    }

    const fn new(delay: Delay) -> Self {
        Self { delay, jitter: None, forget_after: Self::FORGET_AFTER }
    }

    /// Leaves out a random part of each delay, at most this share (0 to 1), so that children that fell together do not
    /// come back together.
    ///
    /// The same seed gives the same delays: they depend on the seed, the child and the try, and on nothing else.
    pub const fn jitter(mut self, share: f64, seed: u64) -> Self {
        self.jitter = Some(Jitter { share, seed });
        self
    }

    /// How long an incarnation has to run for the tries before it to be forgotten. Default: a minute.
    pub const fn forget_after(mut self, stable: Duration) -> Self {
        self.forget_after = stable;
        self
    }

    /// Are the tries made so far forgotten after an incarnation that ran for this long?
    pub(crate) fn forgets(&self, ran_for: Duration) -> bool {
        ran_for >= self.forget_after
    }

    /// The delay before try `tries`; `salt` tells children apart.
    ///
    /// # Errors
    ///
    /// The user's function panicked.
    pub(crate) fn delay(&self, tries: u32, reason: &ExitReason, salt: u64) -> Result<Duration, PanicReport> {
        let delay = match &self.delay {
            Delay::Fixed(delay) => *delay,
            Delay::Exponential { first, cap } => {
                let doubled = 1_u32.checked_shl(tries.saturating_sub(1)).and_then(|times| first.checked_mul(times));
                doubled.map_or(*cap, |delay| delay.min(*cap))
            }
            Delay::Custom(custom) => {
                unwind::guard(|| custom.get().map_or(Duration::ZERO, |delay| delay(tries, reason)))?
            }
        };
        Ok(match self.jitter {
            Some(jitter) => jitter.shorten(delay, tries, salt),
            None => delay,
        })
    }
}

impl Jitter {
    fn shorten(self, delay: Duration, tries: u32, salt: u64) -> Duration {
        // This way NaN is no share either.
        let share = f64::max(0.0, self.share).min(1.0);
        let dice = mix(self.seed ^ mix(salt ^ mix(u64::from(tries))));
        // 53 bits: what a float holds exactly.
        let unit = (dice >> 11) as f64 / (1_u64 << 53) as f64;
        // Too long for a float to name exactly is too long to matter.
        Duration::try_from_secs_f64(delay.as_secs_f64() * (1.0 - share * unit)).map_or(delay, |short| short.min(delay))
    }
}

/// The finaliser of SplitMix64: every bit of the input moves every bit of the output.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.delay {
            Delay::Fixed(delay) => write!(f, "Backoff::fixed({delay:?})")?,
            Delay::Exponential { first, cap } => write!(f, "Backoff::exponential({first:?}, {cap:?})")?,
            Delay::Custom(_) => f.write_str("Backoff::with(..)")?,
        }
        if let Some(Jitter { share, seed }) = self.jitter {
            write!(f, ".jitter({share}, {seed})")?;
        }
        write!(f, ".forget_after({:?})", self.forget_after)
    }
}

/// Two functions are equal only if they are the same one.
impl PartialEq for Backoff {
    fn eq(&self, other: &Self) -> bool {
        let same_delay = match (&self.delay, &other.delay) {
            (Delay::Fixed(one), Delay::Fixed(other)) => one == other,
            (Delay::Exponential { first, cap }, Delay::Exponential { first: other, cap: other_cap }) => {
                (first, cap) == (other, other_cap)
            }
            (Delay::Custom(one), Delay::Custom(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        same_delay && self.jitter == other.jitter && self.forget_after == other.forget_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn delays(backoff: &Backoff, tries: impl IntoIterator<Item = u32>) -> Vec<u128> {
        let delay = |tries| backoff.delay(tries, &ExitReason::Killed, 7).expect("no panic");
        tries.into_iter().map(|tries| delay(tries).as_millis()).collect()
    }

    #[test]
    fn a_fixed_delay_is_always_the_same() {
        assert_eq!(delays(&Backoff::fixed(MS(30)), [1, 2, 1000]), [30, 30, 30]);
        assert_eq!(delays(&Backoff::none(), [1, 9]), [0, 0]);
    }

    #[test]
    fn an_exponential_delay_doubles_up_to_its_cap() {
        assert_eq!(delays(&Backoff::exponential(MS(10), MS(100)), 1..=6), [10, 20, 40, 80, 100, 100]);
    }

    #[test]
    fn no_number_of_tries_and_no_length_overflows() {
        let longest = Backoff::exponential(Duration::MAX, Duration::MAX).jitter(1.0, 0);
        for tries in [0, 1, 31, 32, 33, u32::MAX] {
            assert!(longest.delay(tries, &ExitReason::Killed, 0).is_ok());
        }
        assert_eq!(delays(&Backoff::exponential(MS(1), MS(5)), [32, 33, u32::MAX]), [5, 5, 5]);
    }

    #[test]
    fn a_function_sees_the_try_and_the_last_reason() {
        let backoff = Backoff::with(|tries, reason| if reason.is_abnormal() { MS(u64::from(tries)) } else { MS(0) });
        assert_eq!(delays(&backoff, [3, 4]), [3, 4]);
        assert_eq!(backoff.delay(3, &ExitReason::Normal, 0), Ok(MS(0)));
    }

    #[test]
    fn a_function_that_panics_is_told() {
        let backoff = Backoff::with(|_, _| std::panic::panic_any("no idea"));
        assert_eq!(backoff.delay(1, &ExitReason::Killed, 0).expect_err("told").message(), "no idea");
    }

    #[test]
    fn jitter_leaves_out_at_most_its_share_and_is_the_same_for_the_same_seed() {
        let backoff = |seed| Backoff::fixed(MS(1000)).jitter(0.25, seed);
        let seen = delays(&backoff(1), 1..500);
        assert!(seen.iter().all(|ms| (750..=1000).contains(ms)), "{seen:?}");
        assert!(seen.iter().any(|&ms| ms < 800) && seen.iter().any(|&ms| ms > 950), "it spreads");
        assert_eq!(seen, delays(&backoff(1), 1..500));
        assert_ne!(seen, delays(&backoff(2), 1..500));
    }

    #[test]
    fn the_dice_are_those_of_splitmix64() {
        // The first three numbers of its reference implementation for the seed 1234567.
        let mut state = 1_234_567_u64;
        let numbers: Vec<u64> = (0..3)
            .map(|_| {
                let number = mix(state);
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                number
            })
            .collect();
        assert_eq!(numbers, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
    }

    #[test]
    fn a_jitter_is_as_it_always_was() {
        let backoff = Backoff::fixed(MS(1000)).jitter(0.5, 42);
        assert_eq!(delays(&backoff, 1..=5), JITTERED);
        let whole = Backoff::fixed(MS(1000)).jitter(1.0, 42);
        assert!(delays(&whole, 1..500).into_iter().min() < Some(20), "all of it may be left out");
    }

    /// Recorded: who replays a test by its seed relies on it.
    const JITTERED: [u128; 5] = [684, 739, 659, 978, 551];

    #[test]
    fn a_backoff_shows_what_it_was_made_of() {
        let shown = format!("{:?}", Backoff::exponential(MS(1), MS(5)).jitter(0.5, 7).forget_after(MS(9)));
        assert_eq!(shown, "Backoff::exponential(1ms, 5ms).jitter(0.5, 7).forget_after(9ms)");
        assert_eq!(format!("{:?}", Backoff::with(|_, _| MS(1))), "Backoff::with(..).forget_after(60s)");
    }

    #[test]
    fn two_children_do_not_share_their_jitter() {
        let backoff = Backoff::fixed(MS(1000)).jitter(1.0, 3);
        assert_ne!(backoff.delay(1, &ExitReason::Killed, 1), backoff.delay(1, &ExitReason::Killed, 2));
    }

    #[test]
    fn a_share_out_of_order_is_taken_as_the_nearest_in_order() {
        assert_eq!(delays(&Backoff::fixed(MS(1000)).jitter(f64::NAN, 3), [1, 2]), [1000, 1000]);
        assert_eq!(delays(&Backoff::fixed(MS(1000)).jitter(-4.0, 3), [1, 2]), [1000, 1000]);
        assert!(delays(&Backoff::fixed(MS(1000)).jitter(f64::INFINITY, 3), 1..100).iter().all(|&ms| ms <= 1000));
    }

    #[test]
    fn tries_are_forgotten_after_a_stable_time() {
        let backoff = Backoff::none().forget_after(MS(50));
        assert!(!backoff.forgets(MS(49)) && backoff.forgets(MS(50)));
    }

    #[test]
    fn two_backoffs_are_equal_if_they_say_the_same() {
        assert_eq!(Backoff::exponential(MS(1), MS(2)), Backoff::exponential(MS(1), MS(2)));
        assert_ne!(Backoff::exponential(MS(1), MS(2)), Backoff::exponential(MS(1), MS(3)));
        assert_eq!(Backoff::fixed(MS(1)), Backoff::fixed(MS(1)));
        assert_ne!(Backoff::fixed(MS(1)), Backoff::fixed(MS(2)));
        assert_ne!(Backoff::fixed(MS(1)), Backoff::fixed(MS(1)).jitter(0.1, 0));
        assert_ne!(Backoff::fixed(MS(1)), Backoff::fixed(MS(1)).forget_after(MS(1)));
        let custom = Backoff::with(|_, _| MS(1));
        assert_eq!(custom, custom.clone());
        assert_ne!(custom, Backoff::with(|_, _| MS(1)));
    }
}
