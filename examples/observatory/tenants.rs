//! `tenants`: a supervisor for each customer, so that one who makes trouble is no trouble to the others.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use crate::dice::Dice;

const SERVICES: [&str; 4] = ["billing", "orders", "search", "mail"];

/// Always has more than half of its restarts used up.
const GLOBEX: &str = "globex";

/// Uses up all of them now and then, ends, and is started again by its parent.
const INITECH: &str = "initech";

pub(crate) fn supervisor() -> impl ChildSpec<Actor = DynamicSupervisor> {
    DynamicSupervisor::builder()
        .name("tenants")
        .max_restarts(30)
        .max_seconds(300)
        .backoff(Backoff::fixed(Duration::from_secs(3)))
        .with_children(|tenants| {
            tenants.start_child(tenant("acme", 3));
            tenants.start_child(tenant(GLOBEX, 8));
            tenants.start_child(tenant(INITECH, 2));
        })
        .into_child()
}

fn tenant(name: &'static str, max_restarts: u32) -> impl ChildSpec<Actor = DynamicSupervisor> {
    DynamicSupervisor::builder()
        .name(name)
        .max_restarts(max_restarts)
        .max_seconds(60)
        .with_children(|tenant| {
            for service in SERVICES {
                tenant.start_child(Child::new(|| Service).key(service));
            }
        })
        .into_child()
}

struct Service;

impl Actor for Service {
    type Context = Context<Self>;
}

impl Supervised for Service {}

#[derive(Message)]
#[rtype(result = "()")]
struct Serve;

impl Handler<Serve> for Service {
    type Result = ();

    fn handle(&mut self, _: Serve, _: &mut Context<Self>) {}
}

/// A request that ends the service.
#[derive(Message)]
#[rtype(result = "()")]
struct BadRequest(usize);

impl Handler<BadRequest> for Service {
    type Result = ();

    #[allow(clippy::panic, reason = "stands for the mistakes that every application has somewhere")]
    fn handle(&mut self, BadRequest(number): BadRequest, ctx: &mut Context<Self>) {
        match number % 3 {
            0 => panic!("invoice {number} has no customer"),
            1 => panic!("attempt to divide by zero"),
            _ => ctx.exit(ExitReason::failed(format!("the database closed the connection (order {number})"))),
        }
    }
}

/// Requests, nearly all of which are in order.
pub(crate) async fn send_requests(seed: u64) {
    let mut dice = Dice::new(seed);
    loop {
        actix_rt::time::sleep(dice.millis(100, 300)).await;
        if let Some(service) = service_of(dice.pick(&["acme", GLOBEX, INITECH]), &mut dice) {
            service.do_send(Serve);
        }
    }
}

/// Bad requests to one tenant, as many as its restarts allow, and not one more.
pub(crate) async fn keep_on_the_edge(seed: u64) {
    let mut dice = Dice::new(seed);
    loop {
        actix_rt::time::sleep(dice.millis(100, 300)).await;
        let Some(globex) = DynamicSupervisor::whereis(GLOBEX) else { continue };
        let Ok(snapshot) = globex.snapshot(TakeSnapshot::new().depth(0).limit(0)).await else { continue };
        let is_on_the_edge = snapshot.limit.used >= 5 && !(snapshot.limit.used == 5 && dice.one_in(60));
        if let (false, Some(service)) = (is_on_the_edge, service_of(GLOBEX, &mut dice)) {
            service.do_send(BadRequest(dice.below(1_000)));
        }
    }
}

/// Bad requests to another, until it gives up.
pub(crate) async fn push_over_the_edge(seed: u64) {
    let mut dice = Dice::new(seed);
    loop {
        actix_rt::time::sleep(dice.millis(8_000, 16_000)).await;
        if let Some(service) = service_of(INITECH, &mut dice) {
            service.do_send(BadRequest(dice.below(1_000)));
        }
    }
}

fn service_of(tenant: &str, dice: &mut Dice) -> Option<Addr<Service>> {
    DynamicSupervisor::whereis(tenant)?.whereis(dice.pick(&SERVICES))
}
