use tokio_util::sync::CancellationToken;

use super::{Tasks, blocking};

/// Runs a task to its end beside one that waits for the cancellation, and returns whether that one has ended too.
async fn ends_the_others(task: impl Future<Output = ()> + Send + 'static) -> bool {
    let cancel = CancellationToken::new();
    let (tasks, others) = (Tasks::new(&cancel), Tasks::new(&cancel));
    others.spawn(cancel.clone().cancelled_owned());
    tasks.spawn(task);
    tasks.ended().await;
    let cancelled = cancel.is_cancelled();
    cancel.cancel();
    others.ended().await;
    cancelled
}

#[tokio::test]
async fn a_task_that_panics_ends_the_others() {
    assert!(ends_the_others(async { panic!("on purpose") }).await);
}

#[tokio::test]
async fn so_does_its_blocking_work() {
    let work = async {
        blocking(|| panic!("on purpose")).await;
    };
    assert!(ends_the_others(work).await);
}

#[tokio::test]
async fn a_task_that_ends_leaves_the_others_alone() {
    let work = async {
        assert_eq!(blocking(|| 7).await, 7);
    };
    assert!(!ends_the_others(work).await);
}

#[tokio::test]
async fn the_end_is_that_of_every_task() {
    let cancel = CancellationToken::new();
    let tasks = Tasks::new(&cancel);
    let (tx, mut rx) = tokio::sync::mpsc::channel(2);
    for number in 0..2 {
        let tx = tx.clone();
        tasks.spawn(async move {
            tokio::task::yield_now().await;
            tx.send(number).await.unwrap();
        });
    }
    tasks.ended().await;
    assert_eq!(rx.len(), 2);
    rx.close();
}
