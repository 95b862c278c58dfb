//! What it costs those who do not look. A measurement: nothing is asserted about its figures.
//!
//! `cargo test --release --features dashboard --test dashboard load -- --ignored --nocapture`

use std::{
    sync::{
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        Arc,
    },
    thread,
    time::{Duration, Instant},
};

use actix::prelude::*;
use actix_dynamic_supervisor::dashboard;
use actix_web::{rt, App, HttpServer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::tree::*;

const STREAMS: usize = 1_000;
const FOR: Duration = Duration::from_secs(10);
/// A room crashes so often.
const CRASHES_EVERY: Duration = Duration::from_millis(20);

#[derive(Message)]
#[rtype(result = "()")]
struct Ping;

impl Handler<Ping> for Room {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Context<Self>) {}
}

#[derive(Default)]
struct Read {
    streams: AtomicUsize,
    chunks: AtomicU64,
    bytes: AtomicU64,
    /// How often a stream was let go.
    closed: AtomicU64,
}

#[actix_web::test]
#[ignore = "a measurement"]
async fn requests_to_a_child_with_nobody_looking_and_with_a_thousand() {
    // A crash in a loop must not be a line in a terminal in a loop.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref::<String>().is_none_or(|text| !text.contains("again")) {
            hook(panic);
        }
    }));
    let shown = supervisor();
    for group in 0..10 {
        let rooms = nested(&shown, &format!("group {group}")).await;
        for number in 0..30 {
            room(&rooms, &format!("room {number}")).await;
        }
    }
    let (asked, crashing) = (room(&shown, "asked").await, room(&shown, "crashing").await);
    let for_server = shown.clone();
    let server = HttpServer::new(move || App::new().service(dashboard::scope("/s", &for_server)))
        .workers(2)
        .max_connections(2 * STREAMS)
        .bind("127.0.0.1:0")
        .unwrap();
    let address = server.addrs()[0];
    rt::spawn(server.run());

    let rate = || async {
        let (began, mut requests, mut crashes) = (Instant::now(), 0_u64, 0);
        while began.elapsed() < FOR {
            asked.addr.send(Ping).await.unwrap();
            requests += 1;
            if began.elapsed() >= CRASHES_EVERY * crashes {
                crashes += 1;
                crashing.addr.do_send(Crash("again".to_owned()));
            }
        }
        requests as f64 / began.elapsed().as_secs_f64()
    };
    let before = rate().await;

    let read = Arc::new(Read::default());
    let reads = Arc::clone(&read);
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let streams = (0..STREAMS).map(|_| look(address, Arc::clone(&reads)));
            futures::future::join_all(streams).await;
        });
    });
    while read.streams.load(Relaxed) < STREAMS {
        tokio::task::yield_now().await;
    }
    let (chunks, bytes) = (read.chunks.load(Relaxed), read.bytes.load(Relaxed));
    let during = rate().await;
    let per_second = |count: u64| count as f64 / FOR.as_secs_f64();
    println!(
        "requests per second: {before:.0} with nobody looking, {during:.0} with {STREAMS} streams ({:.0} %); \
         reads per second: {:.0}, MB per second: {:.1}, let go: {}",
        100.0 * during / before,
        per_second(read.chunks.load(Relaxed) - chunks),
        per_second(read.bytes.load(Relaxed) - bytes) / 1e6,
        read.closed.load(Relaxed),
    );
}

/// `None` when the server is gone, at the end.
async fn open(address: std::net::SocketAddr) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(b"GET /s/api/events HTTP/1.1\r\nhost: x\r\n\r\n").await.ok()?;
    Some(stream)
}

async fn look(address: std::net::SocketAddr, read: Arc<Read>) {
    let mut chunk = vec![0; 64 * 1024];
    let mut is_first = true;
    let Some(mut stream) = open(address).await else { return };
    loop {
        let bytes = stream.read(&mut chunk).await.unwrap_or(0);
        if bytes == 0 {
            // It was too slow, and comes back, as a page does.
            read.closed.fetch_add(1, Relaxed);
            match open(address).await {
                Some(again) => stream = again,
                None => return,
            }
            continue;
        }
        read.streams.fetch_add(usize::from(is_first), Relaxed);
        is_first = false;
        read.chunks.fetch_add(1, Relaxed);
        read.bytes.fetch_add(bytes as u64, Relaxed);
    }
}
