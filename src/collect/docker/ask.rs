//! Asks the engine about many containers: a few at a time, and no longer than a moment, so that one
//! container whose figures hang takes nothing from the others.

use std::future::Future;
use std::time::Duration;

use bollard::errors::Error;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

/// So many questions are with the engine at once.
const AT_ONCE: usize = 8;

/// All of them together are given up after this.
const TOGETHER: Duration = Duration::from_secs(2);

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

/// Asks all the questions and returns the answers that came, in the order in which they came.
pub async fn all<Q>(questions: Vec<Q>) -> Vec<Q::Output>
where
    Q: Future<Output: Send> + Send + 'static,
{
    let deadline = Instant::now() + TOGETHER;
    let mut waiting = questions.into_iter();
    let mut asked = JoinSet::new();
    let mut answers = Vec::new();
    loop {
        while asked.len() < AT_ONCE
            && let Some(question) = waiting.next()
        {
            asked.spawn(question);
        }
        match timeout_at(deadline, asked.join_next()).await {
            Ok(Some(answer)) => answers.extend(answer),
            Ok(None) | Err(_) => return answers,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_few_are_asked_at_a_time_and_none_is_forgotten() {
        let at_work = Arc::new(AtomicUsize::new(0));
        let questions = (0..50).map(|number| {
            let at_work = at_work.clone();
            async move {
                let others = at_work.fetch_add(1, Ordering::SeqCst);
                sleep(Duration::from_millis(10)).await;
                at_work.fetch_sub(1, Ordering::SeqCst);
                (number, others)
            }
        });
        let mut answers = all(questions.collect()).await;
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
        let questions = (0..100).map(|number| one(EACH, question(number % 5 == 0)));
        let started = Instant::now();
        let answers = all(questions.collect()).await;
        assert_eq!(started.elapsed(), TOGETHER);
        let said = answers.iter().filter(|answer| matches!(answer, Answer::Said("figures")));
        assert!(said.count() > 50);
    }
}
