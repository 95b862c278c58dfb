//! A real Chromium, by the WebDriver protocol: what is asked of it, and nothing else, is done here.

use std::{
    env,
    fmt::Display,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use serde_json::{json, Value};

/// A window of a browser without a screen.
pub(crate) struct Browser {
    driver: Child,
    address: String,
    session: String,
}

impl Browser {
    /// `None`, and a line that says so, if there is none on this machine. `DASHBOARD_BROWSER=required` does not let that pass.
    pub(crate) fn start() -> Option<Self> {
        let command = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut driver = match command {
            Ok(driver) => driver,
            Err(error) => {
                let is_required = env::var("DASHBOARD_BROWSER").is_ok_and(|browser| browser == "required");
                assert!(!is_required, "there is no chromedriver: {error}");
                eprintln!("left out: there is no chromedriver ({error}), so the page was not looked at in a browser");
                return None;
            }
        };
        let mut told = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = told.find_map(|line| {
            let line = line.unwrap();
            let (_, port) = line.split_once("started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let mut browser =
            Self { driver, address: format!("127.0.0.1:{}", port.expect("it says its port")), session: String::new() };
        // Read on: it must not wait for somebody who reads.
        std::thread::spawn(move || told.for_each(drop));
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900",
            ] },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let session = browser.ask("POST", "/session", &capabilities);
        browser.session = format!("/session/{}", session["sessionId"].as_str().expect("a session"));
        Some(browser)
    }

    pub(crate) fn open(&self, url: impl Display) {
        self.post("/url", json!({ "url": url.to_string() }));
    }

    /// Runs a script in the page; answers what it returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] }))
    }

    /// Looks again and again until the expression is true there; answers its value.
    pub(crate) fn until(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             const look = () => {{ const seen = {expression}; if (seen) done(seen); else setTimeout(look, 20); }};
             look();"
        );
        self.post("/execute/async", json!({ "script": script, "args": [] }))
    }

    /// Presses a key where the focus is; `\u{e00c}` is Escape, `\u{e007}` Enter, `\u{e015}` the arrow down.
    pub(crate) fn press(&self, key: &str) {
        let stroke = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        self.post("/actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": stroke }] }));
    }

    /// What the page has told its console, refusals of the content policy among it.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", json!({ "type": "browser" }));
        log.as_array().unwrap().iter().map(|line| line["message"].to_string()).collect()
    }

    fn post(&self, path: &str, body: Value) -> Value {
        self.ask("POST", &format!("{}{path}", self.session), &body)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.exchange(method, path, &body.to_string());
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{path}: {answer}"));
        if let Some(error) = answer["value"]["error"].as_str() {
            panic!("{path} {body}: {error}: {}", answer["value"]["message"].as_str().unwrap_or_default());
        }
        answer["value"].clone()
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> String {
        let mut driver = TcpStream::connect(&self.address).unwrap();
        let (host, length) = (&self.address, body.len());
        let head = "connection: close\r\ncontent-type: application/json";
        write!(driver, "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}")
            .unwrap();
        let mut reader = BufReader::new(driver);
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).unwrap() > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.exchange("DELETE", &self.session, "");
        }
        // It ends its browsers with itself.
        let _ = Command::new("kill").arg(self.driver.id().to_string()).status();
        let _ = self.driver.wait();
    }
}
