//! The page in a real browser, over a real server.

use actix::prelude::*;
use actix_dynamic_supervisor::{dashboard::Dashboard, prelude::*};
use actix_web::{dev::ServerHandle, rt, App, HttpServer};

use crate::{
    hostile::NASTY,
    support::{driver::Browser, tree::*},
};

/// Shows the dashboard in a browser, on another thread: this one serves it.
async fn show<T: Send + 'static>(
    dashboard: &Dashboard,
    look: impl FnOnce(Browser, String) -> T + Send + 'static,
) -> Option<T> {
    let (handle, address) = serve(dashboard);
    let seen = rt::task::spawn_blocking(move || Browser::start().map(|browser| look(browser, address))).await;
    handle.stop(false).await;
    seen.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

fn serve(dashboard: &Dashboard) -> (ServerHandle, String) {
    let dashboard = dashboard.clone();
    let server = HttpServer::new(move || App::new().service(dashboard.clone()))
        .workers(1)
        .shutdown_timeout(0)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
    let address = format!("http://{}/s/", server.addrs()[0]);
    let server = server.run();
    let handle = server.handle();
    rt::spawn(server);
    (handle, address)
}

fn dashboard(shown: &Addr<DynamicSupervisor>) -> Dashboard {
    actix_dynamic_supervisor::dashboard::scope("/s", shown)
}

/// The row of the child that is called so, as an expression.
fn row(name: &str) -> String {
    format!("[...document.querySelectorAll('#rows tr')].find((row) => row.cells[0].textContent.includes('{name}'))")
}

#[actix_web::test]
async fn a_child_that_crashes_is_shown_with_its_reason() {
    let shown = supervisor();
    let rooms = nested(&shown, "rooms").await;
    for number in 0..60 {
        room(&rooms, &format!("room-{number}")).await;
    }
    let lobby = patient_room(&rooms, "lobby").await;
    show(&dashboard(&shown), move |browser, address| {
        browser.open(address);
        browser.until("document.querySelector('#connection').dataset.state === 'live'");
        // The first page of 50 does not have it, the search does.
        browser.until("document.querySelectorAll('#rows tr').length === 50");
        assert_eq!(browser.run(&format!("return Boolean({})", row("lobby"))), false);
        browser.press("/");
        for letter in "lobby".chars() {
            browser.press(&letter.to_string());
        }
        browser.until("document.querySelectorAll('#rows tr').length === 1");
        browser.until(&format!("{}?.cells[1].textContent.includes('running')", row("lobby")));

        lobby.addr.do_send(Crash("the roof fell in".to_owned()));
        browser.until(&format!("{}?.cells[1].textContent.includes('restarting')", row("lobby")));
        browser.until(&format!("{}.cells[1].textContent.includes('next try in')", row("lobby")));
        browser.until("document.querySelector('#log').textContent.includes('the roof fell in')");
        browser.until("document.querySelector('#tree').textContent.includes('1 down')");

        browser.run(&format!("{}.click()", row("lobby")));
        browser.until("document.querySelector('#detail-title').textContent === 'lobby'");
        let reason = browser.until("document.querySelector('#last-reason')?.textContent");
        assert!(reason.as_str().unwrap().contains("panicked: the roof fell in"), "{reason}");
        browser.until("document.querySelectorAll('.lives li').length === 1");
        assert_eq!(browser.run("return document.querySelector('[data-act]') === null"), true);

        browser.press("\u{e00c}");
        browser.until("document.querySelector('#detail-title').textContent === 'Summary'");
        assert_eq!(browser.complaints(), Vec::<String>::new());
    })
    .await;
}

#[actix_web::test]
async fn it_can_be_used_with_the_keyboard_alone() {
    let shown = supervisor();
    let rooms = nested(&shown, "rooms").await;
    room(&rooms, "lobby").await;
    show(&dashboard(&shown), |browser, address| {
        browser.open(address);
        browser.until("document.querySelectorAll('#tree [role=treeitem]').length === 3");
        let focused = |what: &str| browser.until(&format!("document.activeElement.textContent.includes('{what}')"));
        browser.run("document.querySelector('#tree [tabindex=\"0\"]').focus()");
        focused("All children");
        let (down, up, left, right, enter) = ("\u{e015}", "\u{e013}", "\u{e012}", "\u{e014}", "\u{e007}");
        browser.press(down);
        focused("shown");
        browser.press(left);
        browser.until("document.querySelectorAll('#tree [role=treeitem]').length === 2");
        browser.press(right);
        browser.until("document.querySelectorAll('#tree [role=treeitem]').length === 3");
        browser.press(right);
        focused("rooms");
        browser.press(enter);
        browser.until("document.querySelector('#list-title').textContent === 'shown/rooms'");
        browser.until("document.querySelectorAll('#rows tr').length === 1");
        browser.press(up);
        focused("shown");

        browser.run("document.querySelector('#rows [tabindex=\"0\"]').focus()");
        browser.press(enter);
        browser.until("document.activeElement.id === 'detail-title'");
        browser.press("\u{e00c}");
        focused("lobby");
        assert_eq!(browser.complaints(), Vec::<String>::new());
    })
    .await;
}

#[actix_web::test]
async fn a_button_restarts_a_child_after_a_question() {
    let shown = supervisor();
    let lobby = room(&shown, "lobby").await;
    show(&dashboard(&shown).actions(true), |browser, address| {
        browser.open(address);
        browser.until(&row("lobby"));
        browser.run(&format!("{}.click()", row("lobby")));
        browser.until("document.querySelector('[data-act=kill]')");
        browser.run("document.querySelector('[data-act=kill]').click()");
        browser.until("document.querySelector('#confirm').open");
        let question = browser.run("return document.querySelector('#confirm').textContent");
        assert!(question.as_str().unwrap().contains("brings it back"), "{question}");
        browser.run("document.querySelector('#confirm-yes').click()");
        browser.until("document.querySelector('#last-reason')?.textContent.includes('killed')");
        assert_eq!(browser.complaints(), Vec::<String>::new());
    })
    .await;
    assert!(lobby.addr.connected());
}

#[actix_web::test]
async fn hostile_names_stay_text() {
    let shown = DynamicSupervisor::builder().name(NASTY).max_restarts(1_000).start().unwrap();
    let below = nested(&shown, NASTY).await;
    let nasty = below.start_child(Child::new(|| Room).id(NASTY).key(NASTY)).await.unwrap();
    crash(&below, &nasty, NASTY).await;
    show(&dashboard(&shown).actions(true), move |browser, address| {
        browser.open(address);
        let title = browser.run("return document.title");
        let nasty_row = row("window.hacked=1");
        browser.until(&nasty_row);
        nasty.addr.do_send(Crash(NASTY.to_owned()));
        browser.until("document.querySelector('#log').textContent.includes('window.hacked')");
        browser.run(&format!("{nasty_row}.click()"));
        browser.until("document.querySelector('#last-reason')?.textContent.includes('<script>')");
        browser.run("document.querySelector('[data-act=terminate]').click()");
        browser.until("document.querySelector('#confirm-title').textContent.includes('<script>')");

        assert_eq!(browser.run("return document.title"), title);
        assert_eq!(browser.run("return window.hacked === undefined"), true);
        assert_eq!(browser.run("return document.querySelectorAll('img').length"), 1);
        assert_eq!(browser.run("return document.scripts.length"), 1);
        assert_eq!(browser.complaints(), Vec::<String>::new());

        // What a hole would do is refused all the same, and is seen here.
        browser.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hacked=1\">')");
        browser.run("const script = document.createElement('script'); script.text = 'window.hacked=2'; document.body.append(script)");
        let complaints = browser.complaints().join("\n");
        assert!(complaints.contains("Content Security Policy"), "{complaints}");
        assert_eq!(browser.run("return window.hacked === undefined"), true);
    })
    .await;
}

#[actix_web::test]
async fn a_supervisor_that_has_stopped_and_a_server_that_is_gone_are_told() {
    let shown = supervisor();
    room(&shown, "lobby").await;
    let stopped = shown.clone();
    let (handle, address) = serve(&dashboard(&shown));
    let (serves, gone) = (handle.clone(), rt::System::current());
    let look = move || {
        let browser = Browser::start()?;
        browser.open(address);
        browser.until(&row("lobby"));
        gone.arbiter().spawn(async move {
            stopped.stop().await.unwrap();
        });
        browser.until("document.querySelector('#banner').textContent.includes('has stopped')");
        browser.until("document.querySelector('#connection').textContent === 'stopped'");
        // What was there can still be read.
        assert_eq!(browser.run(&format!("return Boolean({})", row("lobby"))), true);
        Some(())
    };
    let seen = rt::task::spawn_blocking(look).await;
    serves.stop(false).await;
    seen.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));

    let shown = supervisor();
    let (handle, address) = serve(&dashboard(&shown));
    let here = rt::System::current();
    let look = move || {
        let browser = Browser::start()?;
        browser.open(address);
        browser.until("document.querySelector('#connection').dataset.state === 'live'");
        here.arbiter().spawn(async move { handle.stop(false).await });
        browser.until("document.querySelector('#banner').textContent.includes('Disconnected, trying again')");
        browser.until("document.querySelector('#connection').textContent === 'disconnected'");
        Some(())
    };
    let seen = rt::task::spawn_blocking(look).await;
    seen.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
}

#[actix_web::test]
async fn a_supervisor_that_was_not_asked_is_not_called_silent() {
    let shown = supervisor();
    shown.start_child(Child::new(|| Room).key("somebody else's").child_type(ChildType::Supervisor)).await.unwrap();
    show(&dashboard(&shown), |browser, address| {
        browser.open(address);
        browser.until("document.querySelector('#tree').textContent.includes(\"somebody else's\")");
        browser.until("document.querySelector('#status').textContent === 'all children running'");
        browser.until("document.querySelector('#tree').textContent.includes('not asked')");
    })
    .await;
}
