//! A headless Chromium, driven over the protocol `WebDriver`.
//!
//! Each has a chromedriver of its own on a free port; both end with the value.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long anything in the browser may take before the test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

/// The key by which `WebDriver` tells an element from other objects.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys as `WebDriver` writes them.
pub mod key {
    pub const ENTER: &str = "\u{e007}";
    pub const ESCAPE: &str = "\u{e00c}";
    pub const LEFT: &str = "\u{e012}";
    pub const RIGHT: &str = "\u{e014}";
    pub const TAB: &str = "\u{e004}";
}

pub struct Browser {
    driver: Child,
    address: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Browser {
    /// Opens a file.
    pub fn open(file: &Path, fragment: &str) -> Self {
        // The client wants TLS to be settled, though there is none here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Debian's package chromium-driver is installed; `tests/run.sh` does that");
        let lines = BufReader::new(driver.stdout.take().expect("it is piped")).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let port = line.split_once("started successfully on port ")?.1;
            Some(port.trim_end_matches('.').to_owned())
        });
        let address = format!("http://127.0.0.1:{}", port.expect("chromedriver says where it listens"));
        let client =
            reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client needs no more than that");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let mut browser = Self { driver, address, client, runtime };
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--window-size=1400,900",
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let session = browser.post("/session", &wanted);
        let id = session["sessionId"].as_str().expect("a session has an id");
        browser.address = format!("{}/session/{id}", browser.address);
        browser.post("/url", &json!({ "url": format!("file://{}{fragment}", file.display()) }));
        browser
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let sent = async {
            let request = self.client.post(format!("{}{path}", self.address)).json(body);
            let answer = request.send().await.expect("chromedriver answers");
            answer.json::<Value>().await.expect("it answers in JSON")
        };
        let mut answer = self.runtime.block_on(sent);
        assert!(answer["value"].get("error").is_none(), "{path} {body}: {answer:#}");
        answer["value"].take()
    }

    /// What a script returns.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression is true.
    pub fn wait_for(&self, expression: &str) {
        let began = Instant::now();
        while self.run(&format!("return Boolean({expression})")) != Value::Bool(true) {
            assert!(began.elapsed() < PATIENCE, "never true: {expression}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The text of the first element that a selector finds, as it is shown.
    pub fn text(&self, selector: &str) -> String {
        let text = self.run(&format!("return document.querySelector({selector:?}).innerText"));
        text.as_str().unwrap_or_else(|| panic!("{selector} has text")).to_owned()
    }

    /// The texts of all elements that a selector finds.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let texts =
            self.run(&format!("return [...document.querySelectorAll({selector:?})].map((it) => it.textContent)"));
        serde_json::from_value(texts).expect("a list of texts")
    }

    fn element(&self, selector: &str) -> String {
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector }));
        found[ELEMENT].as_str().expect("an element has an id").to_owned()
    }

    /// Clicks as a person does: it fails if something lies over the element.
    pub fn click(&self, selector: &str) {
        self.post(&format!("/element/{}/click", self.element(selector)), &json!({}));
    }

    /// Types into an element.
    pub fn type_into(&self, selector: &str, text: &str) {
        self.post(&format!("/element/{}/value", self.element(selector)), &json!({ "text": text }));
    }

    /// Presses keys where the focus is.
    pub fn press(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })])
            .collect();
        self.post("/actions", &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] }));
    }

    /// The browser's own button.
    pub fn back(&self) {
        self.post("/back", &json!({}));
    }

    /// What the page wrote to the console, errors of the browser about it included.
    pub fn console(&self) -> Vec<String> {
        self.log("browser").iter().map(|entry| entry["message"].to_string()).collect()
    }

    /// The addresses that were asked for.
    pub fn requests(&self) -> Vec<String> {
        let events = self.log("performance").into_iter().map(|entry| {
            let message = entry["message"].as_str().expect("an event is written as text");
            let message: Value = serde_json::from_str(message).expect("the text is JSON");
            message["message"].clone()
        });
        let requests = events.filter(|event| event["method"] == "Network.requestWillBeSent");
        requests.map(|event| event["params"]["request"]["url"].to_string()).collect()
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        serde_json::from_value(self.post("/se/log", &json!({ "type": kind }))).expect("a log is a list")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser; without it chromedriver would leave it behind.
        let _ = self.runtime.block_on(async { self.client.delete(&self.address).send().await });
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
