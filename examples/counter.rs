//! The story of Elixir's documentation: start children on demand, talk to them, crash one, count, stop.
//!
//! `cargo run --example counter`

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

#[derive(Default)]
struct Counter(usize);

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Supervised for Counter {}

#[derive(Message)]
#[rtype(result = "usize")]
struct Increment;

impl Handler<Increment> for Counter {
    type Result = usize;

    fn handle(&mut self, _: Increment, _: &mut Context<Self>) -> usize {
        self.0 += 1;
        self.0
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Poison;

impl Handler<Poison> for Counter {
    type Result = ();

    #[allow(clippy::panic)] // what this example is about
    fn handle(&mut self, _: Poison, _: &mut Context<Self>) {
        panic!("a message no counter can swallow");
    }
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("error")).init();
    // The default hook would print a backtrace hint for the panic that is made on purpose below.
    std::panic::set_hook(Box::new(|_| {}));

    let supervisor = DynamicSupervisor::builder().max_restarts(3).max_seconds(5).start()?;
    println!("a supervisor starts with no children");
    println!("  {}", supervisor.count_children().await?);

    let one = supervisor.start_child(Child::new(Counter::default)).await?;
    let two = supervisor.start_child(Child::new(Counter::default)).await?;
    println!("two counters, started on demand");
    println!("  one: {}, {}", one.addr.send(Increment).await?, one.addr.send(Increment).await?);
    println!("  two: {}", two.addr.send(Increment).await?);
    println!("  {}", supervisor.count_children().await?);

    println!("one is given poison, with two messages queued behind it");
    let poison = one.addr.send(Poison);
    let queued = [one.addr.send(Increment), one.addr.send(Increment)];
    if let Err(error) = poison.await {
        println!("  the poison is answered: {error}");
    }
    for request in queued {
        println!("  the queue is handled by the next incarnation, same address: {}", request.await?);
    }
    println!("  two did not notice: {}", two.addr.send(Increment).await?);
    for child in supervisor.which_children().await? {
        println!("  child {}: {:?}, restarts: {}", child.id, child.state, child.restarts);
    }

    supervisor.terminate_child(one.id).await?;
    println!("one is terminated");
    println!("  {}", supervisor.count_children().await?);

    let report = supervisor.stop().await?;
    println!("the supervisor is stopped, every child has ended");
    println!("  {report}");
    Ok(())
}
