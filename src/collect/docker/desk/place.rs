//! Finds the place in a log where a reader has left off.
//!
//! Not by the engine's `since=`: two outputs may stand a little out of order in a log, a clock may have been
//! set back, and not every engine takes fractions of a second. So the last lines are looked through for the
//! one that was seen, and then read again without those up to it. What is not there any more has been
//! followed by more lines than are looked through: then all of them are new, whatever their moments say.
//!
//! Architecture invariant: pure.

use crate::containers::Place;

/// Counts the lines up to the one that was seen.
#[derive(Debug)]
pub struct Search {
    last_seen: Place,
    lines: u32,
    found: bool,
}

impl Search {
    pub fn of(last_seen: Place) -> Search {
        Search { last_seen, lines: 0, found: false }
    }

    /// Takes the next line (`None`: it has no moment); whether it is the one.
    pub fn take(&mut self, place: Option<Place>) -> bool {
        if !self.found {
            self.lines = self.lines.saturating_add(1);
            self.found = place == Some(self.last_seen);
        }
        self.found
    }

    /// Leaves out what was seen when the log is read once more. More may have been written meanwhile, so
    /// that the place is nearer to the beginning then, or gone.
    pub fn behind(self) -> Behind {
        let left = if self.found { self.lines } else { 0 };
        Behind { last_seen: self.last_seen, left, found: false }
    }
}

/// Leaves out what was seen.
#[derive(Debug)]
pub struct Behind {
    last_seen: Place,
    /// So many lines may still be before the new ones.
    left: u32,
    found: bool,
}

/// What is to be done with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was seen.
    Seen,
    /// It is new.
    New,
    /// It is new, and the last one that was seen is no longer there: what stood between them is lost.
    NewAfterGap,
}

impl Behind {
    /// Judges the next line.
    pub fn judge(&mut self, place: Option<Place>) -> Verdict {
        if self.found {
            return Verdict::New;
        }
        if self.left == 0 {
            self.found = true;
            return Verdict::NewAfterGap;
        }
        self.left -= 1;
        self.found = place == Some(self.last_seen);
        Verdict::Seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::Places;

    const HOUR: u64 = 3600 * 1_000_000_000;

    /// What is told of this log to a reader who has seen the line of this number; `gap` where lines may be
    /// missing.
    fn rest(log: &[(u64, &str)], from: usize, seen: Place) -> String {
        let mut search = Search::of(seen);
        for place in places(log, from) {
            search.take(Some(place));
        }
        let mut behind = search.behind();
        let mut told = Vec::new();
        for ((_, text), place) in log[from..].iter().zip(places(log, from)) {
            match behind.judge(Some(place)) {
                Verdict::Seen => {}
                Verdict::New => told.push(*text),
                Verdict::NewAfterGap => told.extend(["gap", *text]),
            }
        }
        told.join(" ")
    }

    /// The places that a reader was told who began at this line.
    fn places(log: &[(u64, &str)], from: usize) -> Vec<Place> {
        let mut places = Places::default();
        log[from..].iter().map(|(at, text)| places.next(*at, text.as_bytes())).collect()
    }

    #[test]
    fn wherever_one_leaves_off_the_rest_comes_once() {
        let logs: [&[(u64, &str)]; 4] = [
            &[(1, "a"), (2, "b"), (3, "c")],
            // Equal moments, equal texts.
            &[(1, "a"), (1, "b"), (1, "b"), (1, "c"), (2, "c"), (2, "c")],
            // Two outputs, a little out of order.
            &[(5, "a"), (3, "b"), (9, "c"), (4, "d"), (9, "e")],
            // A clock that was set back by an hour.
            &[(1, "a"), (HOUR, "b"), (2, "c"), (2, "c"), (HOUR + 1, "b"), (3, "d")],
        ];
        for log in logs {
            for (number, seen) in places(log, 0).into_iter().enumerate() {
                let wanted: Vec<&str> = log[number + 1..].iter().map(|(_, text)| *text).collect();
                assert_eq!(rest(log, 0, seen), wanted.join(" "), "{log:?} after {number}");
            }
        }
    }

    #[test]
    fn one_who_began_within_a_moment_finds_the_place_as_well() {
        let log = [(1, "a"), (1, "b"), (1, "c"), (1, "d"), (2, "e")];
        for (number, seen) in places(&log, 2).into_iter().enumerate() {
            let wanted: Vec<&str> = log[number + 3..].iter().map(|(_, text)| *text).collect();
            assert_eq!(rest(&log, 0, seen), wanted.join(" "), "after {number}");
        }
    }

    #[test]
    fn where_the_last_line_is_gone_a_gap_is_told_once_and_all_that_is_left_whatever_the_clock_says()
    {
        for log in [
            [(5, "a"), (7, "b"), (8, "c")],
            [(5, "a"), (6, "b"), (6, "c")],
            [(HOUR, "a"), (7, "b"), (8, "c")],
        ] {
            let seen = places(&log, 0)[0];
            assert_eq!(rest(&log, 1, seen), "gap b c", "{log:?}");
        }
    }

    #[test]
    fn what_went_between_the_search_and_the_reading_is_told_as_a_gap() {
        let seen = places(&[(1, "a")], 0)[0];
        let mut search = Search::of(seen);
        assert!(!search.take(None));
        assert!(search.take(Some(seen)));
        let mut behind = search.behind();
        let other = Some(Place { nth: 2, ..seen });
        let verdicts = [other, other, other, other].map(|place| behind.judge(place));
        assert_eq!(verdicts, [Verdict::Seen, Verdict::Seen, Verdict::NewAfterGap, Verdict::New]);
    }
}
