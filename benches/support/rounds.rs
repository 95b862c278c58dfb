//! Timing two sides in turn, so that what disturbs the machine disturbs both.

use std::time::Instant;

/// What was measured of the two sides, one figure per round.
pub(crate) struct Samples {
    ours: Vec<f64>,
    floor: Vec<f64>,
}

impl Samples {
    pub(crate) fn ours(&self) -> f64 {
        median(&self.ours)
    }

    pub(crate) fn floor(&self) -> f64 {
        median(&self.floor)
    }
}

/// A round to warm up, then `count` rounds, the two sides in turn; each second round the other side begins.
pub(crate) async fn alternate(
    count: usize,
    mut ours: impl AsyncFnMut() -> f64,
    mut floor: impl AsyncFnMut() -> f64,
) -> Samples {
    ours().await;
    floor().await;
    let mut samples = Samples { ours: Vec::new(), floor: Vec::new() };
    for round in 0..count {
        if round % 2 == 0 {
            samples.ours.push(ours().await);
            samples.floor.push(floor().await);
        } else {
            samples.floor.push(floor().await);
            samples.ours.push(ours().await);
        }
    }
    samples
}

/// Nanoseconds that each of `count` repetitions in `work` took.
pub(crate) async fn per(count: u64, work: impl AsyncFnOnce()) -> f64 {
    let begun = Instant::now();
    work().await;
    begun.elapsed().as_nanos() as f64 / count as f64
}

pub(crate) fn median(samples: &[f64]) -> f64 {
    quantile(samples, 0.5)
}

/// The sample below which this share of them lies; NaN if there is none.
pub(crate) fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}
