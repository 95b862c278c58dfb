//! A page that shows what supervisors do, for any [actix-web] 4 application. Feature `dashboard`.
//!
//! ```no_run
//! use actix_dynamic_supervisor::{dashboard, prelude::*};
//! use actix_web::{App, HttpServer};
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let supervisor = DynamicSupervisor::builder().start()?;
//!
//!     let shown = supervisor.clone();
//!     HttpServer::new(move || App::new().service(dashboard::scope("/supervisors", &shown)))
//!         .bind(("127.0.0.1", 8080))?
//!         .shutdown_timeout(1) // pages that are open would be waited for
//!         .run()
//!         .await?;
//!     supervisor.stop().await?;
//!     Ok(())
//! }
//! ```
//!
//! The page at `/supervisors/` has the tree of supervisors with how much of their restart limits is used; the children of
//! one or of all, the worst first, to be searched; of each child its last lives, why they ended, and when it is tried again;
//! and what happens, as it happens. It needs nothing but itself: no other server, no build step, no cookie.
//!
//! # What it guarantees
//!
//! * **It only looks**, unless [`Dashboard::actions`] says otherwise.
//! * **It holds up nobody.** While somebody looks, each worker of the server subscribes once and takes one snapshot a second, and
//!   all who look at it get the same bytes; while nobody does, it does nothing. Who reads too slowly is let go, and the page
//!   comes back by itself.
//! * **It is not held up.** A branch that does not answer is shown as silent, and a request is answered 503 after two seconds.
//! * **It keeps nothing alive.** It holds addresses weakly: a supervisor that has ended is shown as stopped.
//! * **Names, keys and messages are text.** Whatever somebody typed, the page makes no markup of it, and its
//!   `Content-Security-Policy` lets nothing run but its own script.
//!
//! # How to protect it
//!
//! It has no users and no passwords: who can reach it can read names, keys and messages of panics. Bind it to an address
//! that only you reach, or put it behind what guards the rest of your application. It is an ordinary service, so it can be
//! wrapped in a scope that has a middleware:
//!
//! ```
//! use actix_dynamic_supervisor::{dashboard, prelude::*};
//! use actix_web::{
//!     body::{EitherBody, MessageBody},
//!     dev::{ServiceRequest, ServiceResponse},
//!     http::header::AUTHORIZATION,
//!     middleware::{from_fn, Next},
//!     web, App, Error, HttpResponse,
//! };
//!
//! async fn for_operators(
//!     request: ServiceRequest,
//!     next: Next<impl MessageBody + 'static>,
//! ) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
//!     // Stands for what your application has: a session, a token, a client's certificate.
//!     if request.headers().get(AUTHORIZATION).is_some_and(|given| given == "Basic b3BlcmF0b3I6c2VjcmV0") {
//!         return Ok(next.call(request).await?.map_into_left_body());
//!     }
//!     let refusal = HttpResponse::Unauthorized().insert_header(("WWW-Authenticate", "Basic")).finish();
//!     Ok(request.into_response(refusal).map_into_right_body())
//! }
//!
//! # actix::System::new().block_on(async {
//! # let supervisor = DynamicSupervisor::builder().start().unwrap();
//! let app = App::new().service(
//!     web::scope("/admin").wrap(from_fn(for_operators)).service(dashboard::scope("/supervisors", &supervisor)),
//! );
//! # use actix_web::test::{call_service, init_service, TestRequest};
//! # let app = init_service(app).await;
//! # let asked = || TestRequest::get().uri("/admin/supervisors/");
//! # assert_eq!(call_service(&app, asked().to_request()).await.status(), 401);
//! # let known = asked().insert_header((AUTHORIZATION, "Basic b3BlcmF0b3I6c2VjcmV0"));
//! # assert_eq!(call_service(&app, known.to_request()).await.status(), 200);
//! # })
//! ```
//!
//! With [actions](Dashboard::actions), requests of other sites are refused: a browser must say that it comes from the page itself.
//! That does not replace knowing who asks. And on a machine that also opens foreign pages, let the application serve its own
//! names only (`guard::Host`): else a foreign name that is made to lead to your address counts as the same site.
//!
//! # For programs
//!
//! | request | answer |
//! |---|---|
//! | `GET api/tree` | the [`Snapshot`](crate::Snapshot) without lists of children, as JSON |
//! | `GET api/tree.txt`, `GET api/tree.dot` | the same as text, and for Graphviz |
//! | `GET api/children?supervisor=1&q=text&state=restarting&module=..&order=worst&limit=50` | those children, of all supervisors if none is named; `order=start` goes on with `after=` the `next` of the answer |
//! | `GET api/children/1.12` | one child, with its queue |
//! | `GET api/events` | each [`Event`](crate::Event), and a `tick` with tree and rates each second, as `text/event-stream` |
//! | `POST api/children/1.12/terminate`, `POST api/children/1.12/kill` | what [`terminate_child`](crate::SupervisorAddr::terminate_child) and [`kill_child`](crate::SupervisorAddr::kill_child) do: 200 when it is done, 202 if it takes longer |
//!
//! What goes wrong is answered as `{"error": "…"}`: 400 malformed, 403 not allowed, 404 not there, 405 wrong method, 503 no answer.
//!
//! [actix-web]: https://docs.rs/actix-web/4

mod answer;
mod api;
mod asker;
mod feed;
mod guard;
mod page;
mod query;
mod root;
mod scope;
mod viewer;

pub use self::{
    root::Root,
    scope::{scope, Dashboard},
};
