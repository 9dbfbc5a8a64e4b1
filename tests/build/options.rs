//! What the flags of a build do.

use super::{Bench, set, steps, told_set};
use crate::support::docker;

#[test]
fn force_builds_what_is_selected_and_nothing_else() {
    let bench = Bench::new();
    bench.kitmake(&["push", "pkg/vtpm", "pkg/ca-certificates"]).with_code(0);
    let forced = bench.kitmake(&["build", "pkg/vtpm", "pkg/ca-certificates", "--force", "--push"]).with_code(0);
    assert_eq!(told_set(&forced, "Built"), set(["pkg/ca-certificates", "pkg/vtpm"]));
    assert_eq!(told_set(&forced, "Pushed"), set(["pkg/ca-certificates", "pkg/vtpm"]));
}

#[test]
fn pull_brings_what_is_published_to_the_builder() {
    let bench = Bench::new();
    bench.kitmake(&["build", "tools/base", "pkg/vtpm", "--push"]).with_code(0);
    let vtpm = bench.reference("pkg/vtpm");
    let id = docker(&["image", "inspect", "--format", "{{.Id}}", &vtpm]);
    bench.forget_images();
    assert_eq!(bench.to_build(&["pkg/vtpm"]), set([]), "the registry has it");
    assert_eq!(steps(&bench.plan(&["pkg/vtpm"]), "fetch"), set([]));
    let pulled = bench.kitmake(&["build", "pkg/vtpm", "--pull"]).with_code(0);
    assert_eq!(told_set(&pulled, "Fetched"), set(["pkg/vtpm"]));
    assert_eq!(told_set(&pulled, "Built"), set([]));
    for name in [&vtpm, &format!("{vtpm}-amd64")] {
        assert_eq!(docker(&["image", "inspect", "--format", "{{.Id}}", name]), id, "{name}");
    }
    let again = bench.kitmake(&["build", "pkg/vtpm", "--pull"]).with_code(0);
    assert!(again.stderr.starts_with("nothing to do"), "{}", again.stderr);
}

#[test]
fn quiet_is_silent_on_success_and_verbose_shows_the_logs() {
    let bench = Bench::fresh();
    let quiet = bench.kitmake(&["-q", "build", "tools/base"]).with_code(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    assert!(Bench::on_builder(&bench.reference("tools/base")));
    let verbose = bench.kitmake(&["-v", "build", "pkg/vtpm"]).with_code(0);
    assert!(
        verbose.stderr.contains("pkg/vtpm@amd64 | ") && verbose.stderr.contains("timed vtpm"),
        "{}",
        verbose.stderr
    );
    assert_eq!(verbose.stdout, "", "only data goes to standard output");
}
