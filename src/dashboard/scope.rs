//! The dashboard as a part of an application.

use std::rc::Rc;

use actix_web::{
    dev::{AppService, HttpServiceFactory},
    guard,
    http::header,
    middleware::DefaultHeaders,
    web, HttpRequest, Resource,
};

use super::{
    answer::Refusal,
    api::{self, Shared},
    asker::Asker,
    feed::Feed,
    page::{self, ASSETS, PAGE},
    root::Root,
};

/// Nothing but the page's own files runs, is shown or is asked, and nobody may frame it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The dashboard of a supervisor, or of all [`Partitions`](crate::Partitions), at `path` and below.
///
/// `root` is an `Addr<DynamicSupervisor>`, `Partitions`, or a reference to one of them; it is held weakly.
///
/// # Examples
///
/// ```
/// use actix_dynamic_supervisor::{dashboard, prelude::*};
/// use actix_web::{test, App};
///
/// # actix::System::new().block_on(async {
/// let supervisor = DynamicSupervisor::builder().start()?;
/// let app = test::init_service(App::new().service(dashboard::scope("/supervisors", &supervisor))).await;
///
/// let page = test::call_service(&app, test::TestRequest::get().uri("/supervisors/").to_request()).await;
/// assert_eq!(page.status(), 200);
/// # Ok::<_, StartError>(()) }).unwrap();
/// ```
pub fn scope(path: &str, root: impl Into<Root>) -> Dashboard {
    let path = path.trim_end_matches('/').to_owned();
    Dashboard { path, root: root.into(), has_actions: false }
}

/// A dashboard, to be given to `App::service`, `Scope::service` or `ServiceConfig::service`; made by [`scope`].
///
/// Each worker of a server makes its own, and so each has a feed of its own.
#[derive(Clone, Debug)]
#[must_use = "it serves nothing until it is given to an application"]
pub struct Dashboard {
    path: String,
    root: Root,
    has_actions: bool,
}

impl Dashboard {
    /// May who sees it also terminate and kill children? Default: no.
    ///
    /// Requests that do not come from the page itself are refused; who may see the page is for the application to say.
    pub fn actions(mut self, are_allowed: bool) -> Self {
        self.has_actions = are_allowed;
        self
    }
}

impl HttpServiceFactory for Dashboard {
    fn register(self, config: &mut AppService) {
        let Self { path, root, has_actions } = self;
        let asker = Asker::new(root);
        let feed = Feed::new(Rc::clone(&asker), has_actions);
        let mut scope = web::scope(&path)
            .app_data(Rc::new(Shared { asker, feed, has_actions }))
            .service(looked_at("").route(reading().to(|request: HttpRequest| async move { page::redirect(&request) })));
        for asset in ASSETS.iter().chain([&PAGE]) {
            let serve = move |request: HttpRequest| async move { asset.response(&request) };
            scope = scope.service(looked_at(asset.path).route(reading().to(serve)));
        }
        scope
            .service(looked_at("/api/tree").route(reading().to(api::tree)))
            .service(looked_at("/api/tree.txt").route(reading().to(api::text)))
            .service(looked_at("/api/tree.dot").route(reading().to(api::dot)))
            .service(looked_at("/api/children").route(reading().to(api::children)))
            .service(looked_at("/api/children/{id}").route(reading().to(api::child)))
            .service(only("GET", "/api/events").route(web::get().to(api::events)))
            .service(only("POST", "/api/children/{id}/terminate").route(web::post().to(api::terminate)))
            .service(only("POST", "/api/children/{id}/kill").route(web::post().to(api::kill)))
            .default_service(web::to(|| async { Refusal::NotFound("page").response() }))
            .wrap(headers())
            .register(config);
    }
}

fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::REFERRER_POLICY, "no-referrer"))
        // The page says otherwise.
        .add((header::CACHE_CONTROL, "no-store"))
}

/// What is there to be read, and answers nothing else.
fn looked_at(path: &str) -> Resource {
    only("GET, HEAD", path)
}

fn only(methods: &'static str, path: &str) -> Resource {
    web::resource(path).default_service(web::to(move || async move { Refusal::WrongMethod(methods).response() }))
}

fn reading() -> actix_web::Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}
