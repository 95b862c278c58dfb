//! What is drawn by chance: the specs of children and supervisors, messages, reasons, times.

use std::ops::Range;

use crate::words::{
    Backoff, Budget, GiveUp, Key, Kind, Label, Limits, Message, OnStop, Plan, Reason, Restart, Shutdown, Spec,
};

/// Time goes on in multiples of this, and what falls due does so in between, no two things at the same moment.
pub const UNIT: u64 = 100_000;

/// What a supervisor bears that is not told otherwise: restarts, and within which time.
pub const DEFAULT_INTENSITY: (usize, u64) = (3, 5_000);

/// Few, so that children meet.
pub const KEYS: Key = 3;

/// Numbers by chance, from one.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    pub fn from(&mut self, range: Range<u64>) -> u64 {
        range.start + self.below(range.end - range.start)
    }

    pub fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    pub fn pick<T: Clone>(&mut self, those: &[T]) -> T {
        those[self.below(those.len() as u64) as usize].clone()
    }

    /// Each has a weight; 0 is never drawn.
    pub fn weighted<T: Copy>(&mut self, those: &[(u64, T)]) -> T {
        let mut at = self.below(those.iter().map(|(weight, _)| weight).sum());
        let is_it = |(weight, _): &&(u64, T)| {
            let is_it = at < *weight;
            at = at.saturating_sub(*weight);
            is_it
        };
        those.iter().find(is_it).expect("some have a weight").1
    }

    pub fn units(&mut self, range: Range<u64>) -> u64 {
        self.from(range) * UNIT
    }

    pub fn reason(&mut self) -> Reason {
        self.pick(&[Reason::Normal, Reason::Shutdown, Reason::ShutdownWith, Reason::Failed])
    }

    pub fn message(&mut self) -> Message {
        let exit = Message::Exit(self.reason());
        self.weighted(&[(5, Message::Work), (3, Message::Panic), (2, exit)])
    }

    pub fn plan(&mut self) -> Plan {
        let exit = Plan::ExitInStarted(self.reason());
        self.weighted(&[
            (2, Plan::Ignore),
            (3, Plan::Fail),
            (2, Plan::Panic),
            (2, Plan::PanicInStarted),
            (2, exit),
            (2, Plan::CrashAtOnce),
            (5, Plan::Run),
        ])
    }

    pub fn plans(&mut self, first: &[Plan], more: Range<u64>) -> Vec<Plan> {
        let more = self.from(more);
        first.iter().copied().chain((0..more).map(|_| self.plan())).collect()
    }

    pub fn restart(&mut self) -> Restart {
        self.weighted(&[(4, Restart::Permanent), (3, Restart::Transient), (2, Restart::Temporary)])
    }

    pub fn shutdown(&mut self, label: Label) -> Shutdown {
        let within = Shutdown::Within(self.units(1..4) + residue(label, 0));
        self.weighted(&[(3, within), (1, Shutdown::BrutalKill), (1, Shutdown::Infinity)])
    }

    pub fn worker(&mut self, label: Label) -> Spec {
        let is_async = self.one_in(3);
        let start_timeout = (is_async && self.one_in(2)).then(|| self.units(1..4) + residue(label, 0));
        let (backoff, budget) = (self.own_backoff(label), self.budget(label));
        let is_patient = backoff.is_some() || budget.is_some();
        let starts = match self.from(if is_patient { 4 } else { 0 }..13) {
            0..=5 => vec![Plan::Run],
            6 => vec![Plan::RunWith],
            7..=11 => self.plans(&[Plan::Run], 1..4),
            _ => self.plans(&[], 1..3),
        };
        let exit = OnStop::Exit(self.reason());
        let slow = OnStop::Slow(self.units(0..4) + residue(label, 1));
        let on_stop =
            self.weighted(&[(4, OnStop::Obey), (3, exit), (1, OnStop::Panic), (3, OnStop::Refuse), (5, slow)]);
        let (restart, shutdown) = (self.restart(), self.shutdown(label));
        let key = self.one_in(4).then(|| self.key());
        let kind = Kind::Worker;
        Spec { kind, key, restart, backoff, budget, shutdown, is_async, start_timeout, starts, on_stop }
    }

    pub fn supervisor(&mut self, label: Label, names: &[Label]) -> Spec {
        let (restart, shutdown) = (self.restart(), self.shutdown(label));
        let spec = Spec::supervisor(restart, shutdown, self.limits(label, names));
        Spec { backoff: self.own_backoff(label), budget: self.budget(label), ..spec }
    }

    pub fn key(&mut self) -> Key {
        self.below(KEYS as u64) as Key
    }

    fn own_backoff(&mut self, label: Label) -> Option<Backoff> {
        self.one_in(4).then(|| self.backoff(label))
    }

    /// Of a child that crashes when a unit is full, the next incarnation then has run for that much more than some units.
    fn backoff(&mut self, label: Label) -> Backoff {
        let fixed = self.delay(label, 3);
        let doubled = (fixed, Some(self.delay(label, 4) + self.units(0..3)));
        let (first, cap) = self.weighted(&[(1, (0, None)), (3, (fixed, None)), (5, doubled)]);
        let stable = self.units(0..3) + residue(label, 3);
        let forget_after = self.weighted(&[(2, None), (9, Some(stable)), (1, Some(10 * UNIT))]);
        Backoff { first, cap, forget_after }
    }

    fn budget(&mut self, label: Label) -> Option<Budget> {
        let park = GiveUp::Park(self.delay(label, 5));
        let give_up = self.weighted(&[(2, GiveUp::Remove), (2, GiveUp::Escalate), (3, park)]);
        let (max_restarts, within) = (self.below(3) as usize, self.units(1..5));
        self.one_in(4).then_some(Budget { max_restarts, within, give_up })
    }

    /// At least half a unit.
    fn delay(&mut self, label: Label, kind: u64) -> u64 {
        self.units(1..4) - residue(label, kind)
    }

    /// Sometimes with the name of another.
    pub fn limits(&mut self, label: Label, names: &[Label]) -> Limits {
        let max_restarts = self.pick(&[0, 1, 1, 2, 2, 2, 5, 5, 5, 5, 20, 20, 20, 20, 20, 20]);
        let some = (max_restarts, self.units(1..5));
        let (max_restarts, period) = self.weighted(&[(4, some), (1, DEFAULT_INTENSITY)]);
        let max_children = self.one_in(2).then(|| self.below(4) as usize);
        let backoff = self.one_in(8).then(|| self.backoff(label));
        let max_starts = self.one_in(3).then(|| self.from(1..3) as usize);
        let name = if !names.is_empty() && self.one_in(8) { self.pick(names) } else { label };
        Limits { max_restarts, period, max_children, backoff, max_starts, name }
    }
}

/// Tells moments of one node from those of all others.
pub fn residue(label: Label, kind: u64) -> u64 {
    (label as u64 * 7_919 + kind * 17_389) % 49_999 + 1
}
