//! How long a plan is expected to take, as it is shown. `estimate` computes it from what earlier runs took. It is no part
//! of the plan: the same plan is made whatever is remembered.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::image::Platform;
use crate::plan::{self, Action, Plan, Step, StepIndex};
use crate::wording::counted;

/// Names of a path that are shown before it is cut in the middle.
const NAMES: usize = 8;

/// How long a plan is expected to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Builds at once.
    pub jobs: usize,
    /// The time of each step, where it was done before.
    pub steps: Vec<Option<Duration>>,
    /// From the first step to the last, with so many builds at once.
    pub total: Duration,
    /// The steps that wait for each other the longest.
    pub critical_path: Vec<StepIndex>,
    /// How long those take, which is the least that the plan takes with any number of builds at once.
    pub at_least: Duration,
}

/// A plan with how long it takes.
#[derive(Debug, Serialize)]
struct Timed<'a> {
    #[serde(flatten)]
    plan: plan::Document<'a>,
    expected: ExpectedJson<'a>,
}

/// The JSON form: milliseconds, and steps by their ids.
#[derive(Debug, Serialize)]
struct ExpectedJson<'a> {
    jobs: usize,
    total_ms: u64,
    at_least_ms: u64,
    critical_path: Vec<&'a str>,
    unknown_steps: usize,
}

impl Expected {
    /// One line with its newline.
    #[must_use]
    pub fn line(&self, plan: &Plan) -> String {
        let (total, at_least) = (rough(self.total), rough(self.at_least));
        let jobs = counted(self.jobs, "job");
        let mut line = format!("expected: about {total} with {jobs}");
        if total != at_least {
            let _ = write!(line, ", at least {at_least}");
        }
        let names = names(plan, &self.critical_path);
        if !names.is_empty() {
            let _ = write!(line, " ({})", names.join(" -> "));
        }
        match (self.unknown(), self.steps.len()) {
            (0, _) => {}
            (1, steps) => {
                let _ = write!(line, "; 1 of {steps} steps has no record and counts as the mean of its kind");
            }
            (unknown, steps) => {
                let _ = write!(line, "; {unknown} of {steps} steps have no record and count as the mean of their kind");
            }
        }
        line.push('\n');
        line
    }

    /// The JSON form of the plan with how long it takes, with a newline at the end.
    #[must_use]
    pub fn json(&self, plan: &Plan) -> String {
        let step_ms = |step: usize| self.steps.get(step).copied().flatten().map(milliseconds);
        let expected = ExpectedJson {
            jobs: self.jobs,
            total_ms: milliseconds(self.total),
            at_least_ms: milliseconds(self.at_least),
            critical_path: self.critical_path.iter().map(|step| plan.steps[step.index()].id.as_str()).collect(),
            unknown_steps: self.unknown(),
        };
        let timed = Timed { plan: plan::document(plan, step_ms), expected };
        let mut text =
            serde_json::to_string_pretty(&timed).expect("a plan is strings, lists and maps with string keys");
        text.push('\n');
        text
    }

    fn unknown(&self) -> usize {
        self.steps.iter().filter(|step| step.is_none()).count()
    }
}

/// What is on a path, each thing once, with its platform where there are several; a long path is cut in the middle.
fn names(plan: &Plan, path: &[StepIndex]) -> Vec<String> {
    let steps: Vec<&Step> = path.iter().map(|step| &plan.steps[step.index()]).collect();
    let platforms: BTreeSet<&Platform> = steps.iter().filter_map(|step| platform(plan, step)).collect();
    let mut names: Vec<String> = steps
        .iter()
        .map(|step| match platform(plan, step).map(|platform| format!(" {platform}")) {
            Some(suffix) if platforms.len() == 1 => step.title.strip_suffix(&suffix).unwrap_or(&step.title).to_owned(),
            _ => step.title.clone(),
        })
        .collect();
    names.dedup();
    if names.len() > NAMES {
        names.splice(NAMES / 2..names.len() - (NAMES / 2 - 1), ["…".to_owned()]);
    }
    names
}

fn platform<'a>(plan: &'a Plan, step: &'a Step) -> Option<&'a Platform> {
    match (step.node, &step.action) {
        (Some(node), _) => Some(&plan.nodes[node].platform),
        (None, Action::Fetch { platform, .. }) => Some(platform),
        (None, _) => None,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A time as exact as an estimate is: `40 s`, `12 min` or `2 h 05 min`, rounded.
#[must_use]
pub fn rough(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let (seconds, minutes) = ((milliseconds + 500) / 1_000, (milliseconds + 30_000) / 60_000);
    match minutes {
        _ if seconds < 90 => format!("{} s", seconds.max(1)),
        0..90 => format!("{minutes} min"),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::testing::Pkg;
    use crate::plan::Platforms;
    use crate::plan::testing::{World, amd64, arm64, world};

    /// A chain of packages, each built on the one before.
    fn chain<const LENGTH: usize>() -> World {
        world(std::array::from_fn::<_, LENGTH, _>(|number| {
            let package = Pkg::new(&format!("pkg/p{number}")).arches(&["amd64", "arm64"]);
            if number == 0 { package } else { package.from(&format!("t/p{}:now", number - 1)) }
        }))
    }

    fn expected(plan: &Plan, seconds: &[Option<u64>], total: u64, at_least: u64) -> Expected {
        let critical_path = (0..u32::try_from(plan.steps.len()).unwrap()).map(StepIndex).collect();
        let steps = seconds.iter().map(|seconds| seconds.map(Duration::from_secs)).collect();
        let (total, at_least) = (Duration::from_secs(total), Duration::from_secs(at_least));
        Expected { jobs: 4, steps, total, critical_path, at_least }
    }

    #[test]
    fn the_line_says_how_long_at_least_why_and_what_is_not_known() {
        let plan = chain::<3>().plan();
        let some = [Some(60), Some(60), None];
        assert_eq!(
            expected(&plan, &some, 720, 430).line(&plan),
            "expected: about 12 min with 4 jobs, at least 7 min (pkg/p0 -> pkg/p1 -> pkg/p2); 1 of 3 steps has no record \
             and counts as the mean of its kind\n"
        );
        let mut all = expected(&plan, &[Some(60); 3], 181, 180);
        all.jobs = 1;
        assert_eq!(all.line(&plan), "expected: about 3 min with 1 job (pkg/p0 -> pkg/p1 -> pkg/p2)\n");
    }

    #[test]
    fn a_long_path_is_cut_and_a_package_is_named_once_unless_there_are_several_platforms() {
        let plan = chain::<12>().plan();
        let shown = expected(&plan, &[Some(5); 12], 60, 60).line(&plan);
        let path = "(pkg/p0 -> pkg/p1 -> pkg/p2 -> pkg/p3 -> … -> pkg/p9 -> pkg/p10 -> pkg/p11)";
        assert_eq!(shown, format!("expected: about 60 s with 4 jobs {path}\n"));

        let mut world = chain::<1>();
        world.request.publish = Some(plan::Publish::default());
        let plan = world.plan();
        assert!(plan.steps.len() > 1, "a build and what is due on the registry");
        let shown = expected(&plan, &[Some(5), Some(1), Some(1)], 7, 7).line(&plan);
        assert_eq!(shown, "expected: about 7 s with 4 jobs (pkg/p0)\n");
        world.request.platforms = Platforms::These(vec![amd64(), arm64()]);
        world.request.publish = None;
        let plan = world.plan();
        let shown = expected(&plan, &[Some(5), Some(5)], 7, 7).line(&plan);
        assert_eq!(shown, "expected: about 7 s with 4 jobs (pkg/p0 linux/amd64 -> pkg/p0 linux/arm64)\n");
    }

    #[test]
    fn programs_get_milliseconds_and_no_new_fields_where_nothing_is_known() {
        let plan = chain::<2>().plan();
        let document = expected(&plan, &[Some(7), None], 14, 14).json(&plan);
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["steps"][0]["expected_ms"], 7_000);
        assert_eq!(document["steps"][1].get("expected_ms"), None);
        assert_eq!(
            document["expected"],
            serde_json::json!({
                "jobs": 4,
                "total_ms": 14_000,
                "at_least_ms": 14_000,
                "critical_path": ["build:pkg/p0@linux/amd64", "build:pkg/p1@linux/amd64"],
                "unknown_steps": 1,
            })
        );
        let without = plan::json(&plan);
        assert!(!without.contains("expected"));
        // All else is the same.
        let mut without: serde_json::Value = serde_json::from_str(&without).unwrap();
        without["expected"] = document["expected"].clone();
        without["steps"][0]["expected_ms"] = 7_000.into();
        assert_eq!(without, document);
    }

    #[test]
    fn rough_times_are_rounded_and_never_have_ninety_of_a_unit() {
        let texts = [0, 600, 89_400, 89_600, 150_000, 5_369_000, 5_370_000, 7_500_000]
            .map(|milliseconds| rough(Duration::from_millis(milliseconds)));
        assert_eq!(texts, ["1 s", "1 s", "89 s", "1 min", "3 min", "89 min", "1 h 30 min", "2 h 05 min"]);
    }
}
