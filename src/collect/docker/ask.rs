//! Asks the engine about many containers: a few at a time, and about none for longer than a moment, so
//! that one container which hangs takes nothing from the others.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// So many questions are with the engine at once. Each is a connection with some 25 KiB of buffers, and an engine
/// that is well answers in a millisecond: more of them would only cost memory.
const AT_ONCE: usize = 3;

/// What the engine said about one container.
#[derive(Debug)]
pub enum Answer<T> {
    /// This.
    Said(T),
    /// That it does not exist any more.
    Gone,
    /// Nothing, or nothing that helps.
    Nothing,
}

/// Waits for one answer, this long at the most.
pub async fn one<T>(
    patience: Duration,
    question: impl Future<Output = Result<T, Error>>,
) -> Answer<T> {
    match timeout(patience, question).await {
        Ok(Ok(said)) => Answer::Said(said),
        Ok(Err(Error::DockerResponseServerError { status_code: 404, .. })) => Answer::Gone,
        Ok(Err(_)) | Err(_) => Answer::Nothing,
    }
}

/// Questions that are with the engine, or wait for their turn.
#[derive(Debug)]
pub struct Questions<T> {
    turns: Arc<Semaphore>,
    under_way: JoinSet<T>,
}

impl<T> Default for Questions<T> {
    fn default() -> Self {
        Questions { turns: Arc::new(Semaphore::new(AT_ONCE)), under_way: JoinSet::new() }
    }
}

impl<T: Send + 'static> Questions<T> {
    /// Asks when its turn has come: what the question waits for in vain, it has to give up itself.
    pub fn ask(&mut self, question: impl Future<Output = T> + Send + 'static) {
        let turns = self.turns.clone();
        self.under_way.spawn(async move {
            // Nobody closes it.
            let _turn = turns.acquire_owned().await;
            question.await
        });
    }

    /// The next answer, in the order in which they come; `None`: nothing is under way. Cancel-safe.
    pub async fn next(&mut self) -> Option<T> {
        loop {
            // One that panicked is lost, and the others go on.
            if let Ok(answer) = self.under_way.join_next().await? {
                return Some(answer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::{Instant, sleep};

    use super::*;

    async fn answers<T: Send + 'static>(mut questions: Questions<T>) -> Vec<T> {
        let mut answers = Vec::new();
        while let Some(answer) = questions.next().await {
            answers.push(answer);
        }
        answers
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_are_asked_at_a_time_and_none_is_forgotten() {
        let at_work = Arc::new(AtomicUsize::new(0));
        let mut questions = Questions::default();
        for number in 0..50 {
            let at_work = at_work.clone();
            questions.ask(async move {
                let others = at_work.fetch_add(1, Ordering::SeqCst);
                sleep(Duration::from_millis(10)).await;
                at_work.fetch_sub(1, Ordering::SeqCst);
                (number, others)
            });
        }
        let mut answers = answers(questions).await;
        answers.sort_unstable();
        assert!(answers.iter().map(|(number, _)| *number).eq(0..50));
        let busiest = answers.iter().map(|(_, others)| others + 1).max();
        assert_eq!(busiest, Some(AT_ONCE));
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_hang_take_nothing_from_the_others() {
        const EACH: Duration = Duration::from_secs(1);
        let question = async |hangs: bool| {
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok("figures")
        };
        let started = Instant::now();
        let mut questions = Questions::default();
        for number in 0..100 {
            questions.ask(one(EACH, question(number % 5 == 0)));
        }
        let answers = answers(questions).await;
        let said = answers.iter().filter(|answer| matches!(answer, Answer::Said("figures")));
        assert_eq!((answers.len(), said.count()), (100, 80));
        // 20 that hang, a few at a time.
        assert!(
            started.elapsed() <= EACH * 20_u32.div_ceil(AT_ONCE as u32),
            "{:?}",
            started.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_panics_takes_no_answer_with_it() {
        let mut questions = Questions::default();
        questions.ask(async { panic!("a fault of ours") });
        questions.ask(async { "an answer" });
        assert_eq!(answers(questions).await, ["an answer"]);
    }
}
