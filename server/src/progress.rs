//! Work-done progress of what a command started: on the client's token, or on one of ours where the client takes that.

use serde_json::json;
use tower_lsp::ls_types::*;

use crate::outbox::Key;
use crate::session::Session;

/// One progress.
#[derive(Clone, Debug)]
pub struct Progress {
    title: String,
    /// What is being done.
    message: String,
    token: Option<ProgressToken>,
    begun: bool,
}

impl Progress {
    /// Not begun; with the client's own token, if it sent one.
    pub fn new(title: String, token: Option<ProgressToken>) -> Self {
        Progress { title, message: String::new(), token, begun: false }
    }

    /// Says first what is done.
    pub fn saying(self, message: String) -> Self {
        Progress { message, ..self }
    }

    /// Whether it is the one of a token.
    pub fn is(&self, token: &ProgressToken) -> bool {
        self.token.as_ref() == Some(token)
    }

    fn running(&self) -> Option<&ProgressToken> {
        self.token.as_ref().filter(|_| self.begun)
    }
}

impl Session {
    /// Begins a progress, at once on the client's own token, else when the client has taken ours. `find` looks it up: it
    /// may be over by then.
    pub(crate) fn begin(
        &mut self,
        id: u64,
        own_token: String,
        find: impl Fn(&mut Session, u64) -> Option<&mut Progress> + Send + 'static,
    ) {
        let able = self.client.progress;
        let Some(progress) = find(self, id) else { return };
        if progress.token.is_none() && able {
            let token = ProgressToken::String(own_token);
            progress.token = Some(token.clone());
            return self.request(
                "window/workDoneProgress/create",
                json!({ "token": token }),
                move |s, answer| {
                    let Some(progress) = find(s, id) else { return };
                    if answer.is_none() {
                        // The client refused the token: no progress then.
                        progress.token = None;
                        return;
                    }
                    let begins = progress.begin();
                    s.say_progress(begins, None);
                },
            );
        }
        let begins = progress.begin();
        self.say_progress(begins, None);
    }

    /// Tells how far it is; only the newest matters.
    pub(crate) fn report(&self, progress: &Progress, percent: Option<u32>) {
        let Some(token) = progress.running() else { return };
        let mut value = json!({ "kind": "report", "message": progress.message, "cancellable": true });
        if let Some(percent) = percent {
            value["percentage"] = json!(percent);
        }
        let key = Key::Progress(format!("{token:?}"));
        self.say_progress(Some(json!({ "token": token, "value": value })), Some(key));
    }

    /// Ends it.
    pub(crate) fn end(&self, progress: &Progress, message: &str) {
        let Some(token) = progress.running() else { return };
        let value = json!({ "kind": "end", "message": message });
        self.say_progress(Some(json!({ "token": token, "value": value })), None);
    }

    fn say_progress(&self, params: Option<serde_json::Value>, key: Option<Key>) {
        if let Some(params) = params {
            self.notify("$/progress", &params, key);
        }
    }
}

impl Progress {
    fn begin(&mut self) -> Option<serde_json::Value> {
        let token = self.token.clone()?;
        self.begun = true;
        let value =
            json!({ "kind": "begin", "title": self.title, "message": self.message, "cancellable": true });
        Some(json!({ "token": token, "value": value }))
    }

    /// What is being done now.
    pub fn now(&mut self, message: &str) {
        message.clone_into(&mut self.message);
    }
}
