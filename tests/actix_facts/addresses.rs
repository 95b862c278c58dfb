//! Mailboxes, addresses, requests.

use super::*;

#[test]
fn do_send_ignores_the_capacity_of_the_mailbox() {
    let inbox = inbox(2);
    let addr = address(&inbox);

    (0..100).for_each(|_| addr.do_send(note("one of many")));

    assert_eq!(drain(&inbox), 100);
}

#[test]
fn every_clone_of_an_address_has_a_slot_of_its_own() {
    let inbox = inbox(2);
    let addr = address(&inbox);
    assert!(addr.try_send(note("1")).is_ok() && addr.try_send(note("2")).is_ok());
    assert!(matches!(addr.try_send(note("3")), Err(SendError::Full(_))));

    for _ in 0..100 {
        assert!(addr.clone().try_send(note("by a clone")).is_ok());
    }

    assert_eq!(drain(&inbox), 102);
}

#[test]
fn a_request_to_a_full_mailbox_is_queued_when_it_is_polled_however_full_it_is() {
    let inbox = inbox(1);
    let addr = address(&inbox);
    let _fills_it = addr.send(note("first"));

    let mut late = addr.send(note("late")).boxed_local();
    assert_eq!(drain(&inbox), 1);

    addr.do_send(note("fills it again"));
    assert_eq!(late.as_mut().now_or_never(), None);
    assert_eq!(drain(&inbox), 2);
}

#[test]
fn dropping_the_last_address_wakes_the_receiver_and_leaves_it_disconnected() {
    let inbox = inbox(16);
    let (addr, clone) = (address(&inbox), address(&inbox));
    let (wakes, waker) = counting_waker();
    let next = inbox.borrow_mut().poll_next_unpin(&mut TaskContext::from_waker(&waker));
    assert!(next.is_pending());

    drop(addr);
    assert_eq!((wakes.count(), inbox.borrow().connected()), (0, true));

    drop(clone);
    assert_eq!((wakes.count(), inbox.borrow().connected()), (1, false));
}

#[test]
fn a_weak_address_can_be_upgraded_as_long_as_the_receiver_lives() {
    let inbox = inbox(16);
    let weak = address(&inbox).downgrade();
    assert!(!inbox.borrow().connected());

    let addr = weak.upgrade().expect("the receiver lives");
    addr.do_send(note("again"));
    assert_eq!((drain(&inbox), inbox.borrow().connected()), (1, true));

    drop(inbox);
    assert!(weak.upgrade().is_none());
}

#[test]
fn addresses_of_a_dropped_receiver_are_closed() {
    let inbox = inbox(16);
    let addr = address(&inbox);
    let queued = addr.send(note("queued"));

    drop(inbox);

    assert!(!addr.connected());
    assert_eq!(queued.now_or_never(), CLOSED);
    assert_eq!(addr.send(note("late")).now_or_never(), CLOSED);
    assert!(matches!(addr.try_send(note("late")), Err(SendError::Closed(_))));
}

#[test]
fn a_panicking_destructor_of_a_message_unwinds_out_of_the_receiver_and_strands_what_is_behind() {
    let inbox = inbox(16);
    let addr = address(&inbox);
    addr.do_send(armed());
    let mut behind = addr.send(note("behind")).boxed_local();

    assert!(caught(|| drop(inbox)).is_err());

    // The address keeps the queue: who waits for the answer and holds an address waits for ever.
    assert!(!addr.connected());
    assert_eq!(behind.as_mut().now_or_never(), None);
    drop(addr);
    assert_eq!(behind.now_or_never(), CLOSED);
}

#[test]
fn a_receiver_emptied_message_by_message_strands_nothing_behind_a_panicking_destructor() {
    let inbox = inbox(16);
    let addr = address(&inbox);
    addr.do_send(armed());
    let behind = addr.send(note("behind"));

    let mut panics = 0;
    while let Some(Some(envelope)) = inbox.borrow_mut().next().now_or_never() {
        panics += usize::from(caught(|| drop(envelope)).is_err());
    }

    assert_eq!(panics, 1);
    assert_eq!(behind.now_or_never(), CLOSED);
}

#[test]
fn a_request_dropped_before_it_is_handled_is_skipped_but_a_told_message_is_not() {
    let life = plain(probe());

    drop(life.addr.send(note("asked")));
    let life = life.with(note("told")).begun();

    assert_eq!(life.log.take(), "started, told");
}
