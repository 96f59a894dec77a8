//! The arithmetic of what was measured: a histogram of latencies, medians.

/// Each doubling of a value has so many buckets: a percentile is off by less than 2 %.
const BUCKETS: usize = 64;

/// Counts values in nanoseconds; its size does not depend on how many.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// An empty one.
    pub fn new() -> Histogram {
        Histogram { counts: vec![0; BUCKETS * BUCKETS], total: 0 }
    }

    /// Counts this value.
    pub fn record(&mut self, nanoseconds: u64) {
        self.counts[bucket(nanoseconds)] += 1;
        self.total += 1;
    }

    /// The value that this share (0 to 1) of all values does not exceed, in milliseconds; 0 when
    /// there are none.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        let rank = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        found.map_or(0.0, middle) / 1e6
    }
}

fn bucket(value: u64) -> usize {
    let Some(doublings) = value.checked_ilog2().and_then(|log| log.checked_sub(6)) else {
        return value as usize;
    };
    // The value's highest bit stands for the doublings; the six below it choose among 64 buckets.
    BUCKETS * (doublings as usize) + (value >> doublings) as usize
}

fn middle(bucket: usize) -> f64 {
    if bucket < 2 * BUCKETS {
        return bucket as f64;
    }
    let doublings = bucket / BUCKETS - 1;
    let lowest = ((bucket % BUCKETS + BUCKETS) as u64) << doublings;
    lowest as f64 + (1_u64 << doublings) as f64 / 2.0
}

/// The middle of these values; of an even number, between the two in the middle. 0 when there are
/// none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => 0.0,
        (length, half) if length % 2 == 1 => sorted[half],
        (_, half) => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}

/// The least and the greatest of these values.
pub fn range(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    (least, values.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}
