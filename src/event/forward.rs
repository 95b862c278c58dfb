//! Events for an actor: read from a stream, sent as messages.

use actix::{dev::SendError, Recipient};
use futures::StreamExt;

use super::{Event, EventStream};

/// How many events are sent in a row before others have their turn.
const IN_A_ROW: usize = 64;

/// Sends events as long as somebody receives them. No more than the receiver's mailbox holds are on their way at a time:
/// what it is too slow for waits in the stream, and is dropped there.
pub(crate) async fn forward(mut events: EventStream, recipient: Recipient<Event>) {
    let mut sent = 0;
    while let Some(event) = events.next().await {
        match recipient.try_send(event) {
            Ok(()) => {}
            Err(SendError::Full(event)) => {
                if recipient.send(event).await.is_err() {
                    return;
                }
            }
            Err(SendError::Closed(_)) => return,
        }
        sent += 1;
        if sent % IN_A_ROW == 0 {
            tokio::task::yield_now().await;
        }
    }
}
