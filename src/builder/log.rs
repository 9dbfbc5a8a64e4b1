//! The log of a build as lines of text, from the engine's trace of its steps.
//!
//! A step is named by a line of its own (`[2/3] RUN make`, with `CACHED ` before it if nothing ran) and again when its
//! output resumes after that of another one, since stages run side by side. Output comes in whole lines. Progress
//! of transfers is left out.

use std::collections::BTreeMap;

use bollard::moby::buildkit::v1::{StatusResponse, Vertex};

/// The longest line, in bytes.
const LONGEST: usize = 64 * 1024;

/// What has been seen of the steps of one build.
#[derive(Debug, Default)]
pub(super) struct Log {
    steps: BTreeMap<String, Step>,
    /// The step whose lines come last.
    current: String,
    failed: Option<Failed>,
    /// Some step ran on the result of others, and some was answered from the cache.
    worked: bool,
    saved: bool,
}

#[derive(Debug, Default)]
struct Step {
    name: String,
    named: bool,
    cached: bool,
    /// Output behind the last line break.
    partial: Vec<u8>,
}

#[derive(Debug)]
struct Failed {
    name: String,
    error: String,
}

impl Log {
    /// The lines that a message of the trace adds.
    pub(super) fn read(&mut self, status: &StatusResponse) -> Vec<String> {
        let mut lines = Vec::new();
        for vertex in &status.vertexes {
            // Output of a step is sent with or before the message that it ended.
            if vertex.completed.is_none() {
                self.vertex(vertex, &mut lines);
            }
        }
        for log in &status.logs {
            self.output(&log.vertex, &log.msg, &mut lines);
        }
        for warning in &status.warnings {
            lines.push(format!("WARNING: {}", String::from_utf8_lossy(&warning.short)));
        }
        for vertex in &status.vertexes {
            if vertex.completed.is_some() {
                self.vertex(vertex, &mut lines);
            }
        }
        lines
    }

    /// The lines that were not ended.
    pub(super) fn finish(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for digest in self.steps.keys().cloned().collect::<Vec<_>>() {
            self.end_line(&digest, &mut lines);
        }
        lines
    }

    /// The step that failed, and how; steps that were only stopped because of it do not count.
    pub(super) fn failed(&self) -> Option<(&str, &str)> {
        self.failed.as_ref().map(|failed| (failed.name.as_str(), failed.error.as_str()))
    }

    /// Whether everything that could be answered from the cache was, so that the build did no work. What has no inputs
    /// (where the base comes from, the reading of the context, the export of the image) is done each time.
    pub(super) fn is_cached(&self) -> bool {
        self.saved && !self.worked
    }

    fn vertex(&mut self, vertex: &Vertex, lines: &mut Vec<String>) {
        let step = self.steps.entry(vertex.digest.clone()).or_default();
        step.name = vertex.name.replace('\n', " ");
        if vertex.cached && !step.cached {
            step.cached = true;
            step.named = true;
            self.current.clone_from(&vertex.digest);
            lines.push(format!("CACHED {}", step.name));
        } else if vertex.started.is_some() && !step.named {
            step.named = true;
            self.current.clone_from(&vertex.digest);
            lines.push(step.name.clone());
        }
        if vertex.completed.is_some() {
            self.end_line(&vertex.digest, lines);
            if !vertex.inputs.is_empty() {
                *(if vertex.cached { &mut self.saved } else { &mut self.worked }) = true;
            }
        }
        if !vertex.error.is_empty() && !vertex.error.ends_with("context canceled") && self.failed.is_none() {
            let name = vertex.name.replace('\n', " ");
            lines.push(format!("ERROR {name}: {}", vertex.error.trim()));
            self.failed = Some(Failed { name, error: vertex.error.clone() });
        }
    }

    fn output(&mut self, digest: &str, bytes: &[u8], lines: &mut Vec<String>) {
        let mut pieces = bytes.split(|&byte| byte == b'\n');
        let last = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            self.partial(digest, piece, lines);
            self.line(digest, lines);
        }
        self.partial(digest, last, lines);
    }

    /// Adds to the partial line of a step, which stays bounded: what is overwritten is forgotten at once, and a line that
    /// is longer than any reader wants is broken.
    fn partial(&mut self, digest: &str, bytes: &[u8], lines: &mut Vec<String>) {
        for chunk in bytes.chunks(LONGEST) {
            let partial = &mut self.steps.entry(digest.to_owned()).or_default().partial;
            partial.extend_from_slice(chunk);
            if chunk.contains(&b'\r') {
                drop(partial.drain(..overwritten(partial)));
            }
            if partial.len() > LONGEST {
                let rest = partial.split_off(LONGEST);
                self.line(digest, lines);
                self.steps.entry(digest.to_owned()).or_default().partial = rest;
            }
        }
    }

    fn end_line(&mut self, digest: &str, lines: &mut Vec<String>) {
        if self.steps.get(digest).is_some_and(|step| !step.partial.is_empty()) {
            self.line(digest, lines);
        }
    }

    /// Ends the partial line of a step, naming the step first if another one had the word.
    fn line(&mut self, digest: &str, lines: &mut Vec<String>) {
        let step = self.steps.entry(digest.to_owned()).or_default();
        let bytes = std::mem::take(&mut step.partial);
        if self.current != digest {
            digest.clone_into(&mut self.current);
            lines.push(step.name.clone());
        }
        let text = String::from_utf8_lossy(&bytes[overwritten(&bytes)..]);
        lines.push(text.trim_end_matches('\r').to_owned());
    }
}

/// How many bytes at the start of a line are overwritten by what follows: what a carriage return overwrites on a terminal
/// is progress, of which the last state is enough. Returns at the end overwrite nothing yet.
fn overwritten(line: &[u8]) -> usize {
    let text = line.iter().rposition(|&byte| byte != b'\r').unwrap_or(0);
    line[..text].iter().rposition(|&byte| byte == b'\r').map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use bollard::moby::buildkit::v1::VertexLog;

    use super::*;

    fn started(name: &str) -> Vertex {
        let mut vertex = Vertex { digest: name.to_owned(), name: name.to_owned(), ..Vertex::default() };
        vertex.started.get_or_insert_default();
        vertex
    }

    fn completed(name: &str) -> Vertex {
        let mut vertex = started(name);
        vertex.completed.get_or_insert_default();
        vertex
    }

    fn output(name: &str, text: &str) -> VertexLog {
        VertexLog { vertex: name.to_owned(), msg: text.as_bytes().to_vec(), ..VertexLog::default() }
    }

    fn vertexes(vertexes: Vec<Vertex>) -> StatusResponse {
        StatusResponse { vertexes, ..StatusResponse::default() }
    }

    fn logs(logs: Vec<VertexLog>) -> StatusResponse {
        StatusResponse { logs, ..StatusResponse::default() }
    }

    #[test]
    fn a_step_is_named_once_and_its_output_follows_in_whole_lines() {
        let mut log = Log::default();
        let pending = Vertex { started: None, ..started("RUN a") };
        assert_eq!(log.read(&vertexes(vec![pending])), [""; 0]);
        assert_eq!(log.read(&vertexes(vec![started("RUN a")])), ["RUN a"]);
        assert_eq!(log.read(&logs(vec![output("RUN a", "one\ntw")])), ["one"]);
        assert_eq!(log.read(&logs(vec![output("RUN a", "o\n\nthree")])), ["two", ""]);
        assert_eq!(log.read(&vertexes(vec![completed("RUN a")])), ["three"]);
        assert_eq!(log.finish(), [""; 0]);
    }

    #[test]
    fn interleaved_steps_are_named_again_and_never_mix_their_lines() {
        let mut log = Log::default();
        log.read(&vertexes(vec![started("A"), started("B")]));
        assert_eq!(log.read(&logs(vec![output("A", "1 "), output("B", "2\n"), output("A", "3\n")])), ["2", "A", "1 3"]);
    }

    #[test]
    fn a_character_that_is_split_between_two_messages_stays_whole() {
        let mut log = Log::default();
        log.read(&vertexes(vec![started("A")]));
        let (first, second) = "ä\n".as_bytes().split_at(1);
        log.read(&logs(vec![VertexLog { msg: first.to_vec(), ..output("A", "") }]));
        assert_eq!(log.read(&logs(vec![VertexLog { msg: second.to_vec(), ..output("A", "") }])), ["ä"]);
    }

    #[test]
    fn a_cached_step_is_marked_and_overwritten_progress_is_dropped() {
        let mut log = Log::default();
        assert_eq!(log.read(&vertexes(vec![Vertex { cached: true, ..completed("A") }])), ["CACHED A"]);
        log.read(&vertexes(vec![started("B")]));
        assert_eq!(log.read(&logs(vec![output("B", "10%\r100%\r\n")])), ["100%"]);
    }

    #[test]
    fn a_build_is_cached_if_nothing_that_has_inputs_ran() {
        let on = |vertex: Vertex, cached| Vertex { inputs: vec!["FROM".to_owned()], cached, ..vertex };
        let told = |vertices: Vec<Vertex>| {
            let mut log = Log::default();
            log.read(&vertexes(vertices));
            log.is_cached()
        };
        let (from, export) = (completed("FROM"), completed("exporting to image"));
        assert!(!told(vec![from.clone(), export.clone()]), "nothing could be cached");
        assert!(told(vec![from.clone(), on(completed("RUN a"), true), export.clone()]));
        assert!(!told(vec![from, on(completed("RUN a"), true), on(completed("RUN b"), false), export]));
    }

    #[test]
    fn output_without_a_line_break_takes_no_more_memory_than_a_line() {
        let mut log = Log::default();
        log.read(&vertexes(vec![started("A")]));
        for percent in 0..20_000 {
            assert_eq!(log.read(&logs(vec![output("A", &format!("{percent} of 20000\r"))])), [""; 0]);
            assert!(log.steps["A"].partial.len() < 100);
        }
        assert_eq!(log.read(&logs(vec![output("A", "\n")])), ["19999 of 20000"]);
        let widest = "x".repeat(LONGEST);
        assert_eq!(
            log.read(&logs(vec![output("A", &widest), output("A", &widest), output("A", "y\n")])),
            [&*widest, &widest, "y"]
        );
        assert_eq!(log.read(&logs(vec![output("A", &format!("{widest}\n"))])), [widest]);
    }

    #[test]
    fn the_step_that_failed_is_kept_not_those_stopped_with_it() {
        let mut log = Log::default();
        let stopped = Vertex { error: "failed to x: context canceled".into(), ..completed("A") };
        let failed = Vertex { error: "exit code: 2".into(), ..completed("B") };
        assert_eq!(log.read(&vertexes(vec![stopped.clone(), failed, stopped])), ["A", "B", "ERROR B: exit code: 2"]);
        assert_eq!(log.failed(), Some(("B", "exit code: 2")));
    }
}
