//! Starts that go on until they are let through, and a count of them.

use std::sync::{Arc, Mutex};

use actix_dynamic_supervisor::prelude::*;

use super::Scene;
use crate::support::script::Gate;
use crate::support::{settle, Probe};

/// The starts under way, by name, and the most there ever were.
#[derive(Clone, Default)]
pub(super) struct Site(Arc<Mutex<(Vec<String>, usize)>>);

pub(super) struct UnderWay(Site, String);

impl Site {
    pub(super) fn enter(&self, name: String) -> UnderWay {
        let mut site = self.0.lock().unwrap();
        site.0.push(name.clone());
        site.1 = site.1.max(site.0.len());
        UnderWay(self.clone(), name)
    }

    pub(super) fn under_way(&self) -> Vec<String> {
        self.0.lock().unwrap().0.clone()
    }

    pub(super) fn most(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0 .0.lock().unwrap().0.retain(|name| *name != self.1);
    }
}

/// Starts that pass the gate one by one. Their names are their key and, from the second on, the incarnation.
pub(super) struct Yard {
    pub(super) scene: Scene,
    pub(super) site: Site,
    pub(super) gate: Gate,
}

impl Yard {
    pub(super) fn new(scene: Scene) -> Self {
        Self { scene, site: Site::default(), gate: Gate::shut() }
    }

    pub(super) fn spec(
        &self,
        key: &'static str,
    ) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
        let (site, gate, journal) = (self.site.clone(), self.gate.clone(), self.scene.journal.clone());
        Child::from_async(move |cx: StartContext<Probe>| {
            let (site, gate, journal) = (site.clone(), gate.clone(), journal.clone());
            async move {
                let name = match cx.incarnation() {
                    1 => key.to_owned(),
                    incarnation => format!("{key}{incarnation}"),
                };
                let _under_way = site.enter(name);
                gate.pass().await;
                Ok::<_, BoxError>(Start::Run(Probe::new(&journal, cx.incarnation())))
            }
        })
        .key(key)
    }

    /// Asks for a child, without waiting for it.
    pub(super) fn begin(&self, key: &'static str) -> tokio::task::JoinHandle<Result<Started<Probe>, StartChildError>> {
        tokio::task::spawn_local(self.scene.supervisor.start_child(self.spec(key)))
    }

    pub(super) async fn admit(&self, starts: usize) {
        self.gate.admit(starts);
        settle().await;
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.scene.supervisor.whereis::<Probe>(key).is_some()
    }
}
