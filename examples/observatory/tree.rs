//! The whole tree: what it is made of, and who keeps it moving.

use std::future::Future;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use crate::{devices, rooms, tenants, workers};

/// Starts it.
pub(crate) fn start() -> Result<Addr<DynamicSupervisor>, StartError> {
    DynamicSupervisor::builder()
        .name("observatory")
        .with_children(|root| {
            root.start_child(rooms::supervisor());
            root.start_child(workers::supervisor());
            root.start_child(tenants::supervisor());
            root.start_child(devices::supervisor());
            root.start_child(staff());
        })
        .start()
}

/// Those who send messages, and now and then one that does harm: tasks, begun again if they should end.
fn staff() -> impl ChildSpec<Actor = DynamicSupervisor> {
    DynamicSupervisor::builder()
        .name("staff")
        .with_children(|staff| {
            for clerk in 1..=3 {
                staff.start_child(member(format!("clerk-{clerk}"), move || rooms::carry_lines(clerk)));
            }
            staff.start_child(member("troublemaker", || rooms::quarrel(4)));
            staff.start_child(member("dispatcher", || workers::dispatch(5)));
            staff.start_child(member("foreman", workers::look_after));
            staff.start_child(member("customers", || tenants::send_requests(6)));
            staff.start_child(member("tester", || tenants::keep_on_the_edge(7)));
            staff.start_child(member("saboteur", || tenants::push_over_the_edge(8)));
            staff.start_child(member("archivist", || devices::change_tapes(9)));
        })
        .into_child()
}

fn member<Fut>(name: impl Into<String>, does: impl FnMut() -> Fut + Send + 'static) -> Task<()>
where
    Fut: Future<Output = ()> + 'static,
{
    Task::new(does).restart(Restart::Permanent).id(name)
}
