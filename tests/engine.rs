//! The builder against a real Docker Engine and a real registry.
//!
//! The engine is the one that `DOCKER_HOST` or the default socket gives; it must run on this machine, because a
//! registry and a process of a build are looked for here. Every image gets a name of its own test, and goes with it.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kitmake::builder::{
    Archive, BuildError, BuildRequest, Built, Connection, ContextSource, Engine, Failure, RegistryAuth,
};
use kitmake::image::{Platform, Reference};
use kitmake::problem::Class;
use kitmake::registry::Credentials;
use tokio::sync::mpsc;

/// An engine, a prefix for the names of images, and an image with a shell.
#[derive(Clone)]
struct Bench {
    engine: Engine,
    prefix: String,
    base: String,
    platform: Platform,
}

fn connection() -> Connection {
    #[expect(clippy::disallowed_methods, reason = "a test has no settings")]
    let host = std::env::var("DOCKER_HOST").ok();
    Connection { host, ..Connection::default() }
}

/// Runs a test with a bench of its own and removes its images, whatever the end.
async fn with_bench<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Bench) -> F) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (engine, info) = match Engine::connect(&connection()).await {
        Ok(connected) => connected,
        Err(problem) => panic!("{problem:?}; tests/run.sh starts a Docker Engine and runs the tests"),
    };
    let prefix = format!("kitmake-test/{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let base = format!("{prefix}/base:1");
    let bench = Bench { engine: engine.clone(), prefix: prefix.clone(), base, platform: info.platform };
    let context = tempfile::tempdir().unwrap();
    fs::create_dir(context.path().join("bin")).unwrap();
    fs::copy("/bin/busybox", context.path().join("bin/busybox")).expect("package busybox-static is installed");
    for name in ["sh", "cat", "echo", "find", "ls", "sleep", "sort", "stat", "test", "true"] {
        symlink("busybox", context.path().join("bin").join(name)).unwrap();
    }
    bench.built("base:1", context.path(), "FROM scratch\nCOPY bin /bin\nENV PATH=/bin\n").await;
    let result = tokio::spawn(test(bench)).await;
    for image in engine.images().await.unwrap() {
        for tag in image.tags.iter().filter(|tag| tag.contains(&format!("{prefix}/"))) {
            drop(engine.untag(&tag.parse().unwrap()).await);
        }
    }
    if let Err(error) = result {
        std::panic::resume_unwind(error.into_panic());
    }
}

impl Bench {
    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    fn request(&self, name: &str, directory: &Path) -> BuildRequest {
        BuildRequest {
            directory: directory.to_owned(),
            extra_sources: Vec::new(),
            dockerfile: "Dockerfile".to_owned(),
            dockerfile_text: None,
            texts: BTreeMap::new(),
            archives: Vec::new(),
            left_out: Vec::new(),
            exclude: Vec::new(),
            platform: self.platform.clone(),
            build_args: BTreeMap::new(),
            labels: BTreeMap::new(),
            network: false,
            no_cache: false,
            planned_at: None,
            registries: Vec::new(),
            tags: vec![self.name(name)],
        }
    }

    async fn build(&self, request: &BuildRequest) -> (Result<Built, BuildError>, Vec<String>) {
        let (log, mut lines) = mpsc::channel(8);
        let engine = self.engine.clone();
        let auth = RegistryAuth::default();
        let collected = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(line) = lines.recv().await {
                all.push(line);
            }
            all
        });
        let result = engine.build(request, &auth, log).await;
        (result, collected.await.unwrap())
    }

    /// Builds what must succeed, from a directory and the text of a Dockerfile. Returns the id and the log.
    async fn built(&self, name: &str, directory: &Path, dockerfile: &str) -> (String, Vec<String>) {
        let mut request = self.request(name, directory);
        request.dockerfile_text = Some(dockerfile.replace("BASE", &self.base));
        let (result, log) = self.build(&request).await;
        (result.unwrap_or_else(|error| panic!("{error:?}\n{}", log.join("\n"))).id, log)
    }

    async fn failure(&self, dockerfile: &str) -> (BuildError, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let mut request = self.request("failure", directory.path());
        request.dockerfile_text = Some(dockerfile.replace("BASE", &self.base));
        let (result, log) = self.build(&request).await;
        (result.expect_err("the build fails"), log)
    }
}

fn empty() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn sink() -> mpsc::Sender<String> {
    mpsc::channel(1).0
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_says_what_it_is_and_a_missing_one_how_to_start_it() {
    with_bench(async |bench: Bench| {
        let (_, info) = Engine::connect(&connection()).await.unwrap();
        assert_eq!(info.platform, bench.platform);
        assert!(info.cpus > 0 && info.version.contains('.'), "{info:?}");
    })
    .await;
    let directory = empty();
    let socket = directory.path().join("engine.sock");
    let missing = Connection { host: Some(format!("unix://{}", socket.display())), ..Connection::default() };
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = Connection { host: Some(format!("tcp://{nobody}")), ..Connection::default() };
    for connection in [missing, refused] {
        let problem = Engine::connect(&connection).await.unwrap_err();
        assert_eq!((problem.code().as_str(), problem.class()), ("builder::no_engine", Class::Infrastructure));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_has_all_its_names_its_labels_and_its_platform() {
    with_bench(async |bench: Bench| {
        let directory = empty();
        let mut request = bench.request("a:1", directory.path());
        request.dockerfile_text = Some(format!("FROM {}\nARG WHO\nRUN echo \"$WHO\" > /who\n", bench.base));
        request.tags.push(bench.name("b:2"));
        request.labels = BTreeMap::from([("k".to_owned(), "v <&> \"ä\"".to_owned()), ("l".to_owned(), String::new())]);
        request.build_args = BTreeMap::from([("WHO".to_owned(), "a b".to_owned())]);
        let id = bench.build(&request).await.0.unwrap().id;
        let images = bench.engine.images().await.unwrap();
        let image = images.iter().find(|image| image.id == id).expect("the image is listed");
        assert_eq!(image.tags, [bench.name("a:1"), bench.name("b:2")]);
        assert_eq!(image.labels, request.labels);
        assert_eq!(bench.engine.platform(&bench.name("b:2")).await.unwrap(), Some(bench.platform.clone()));
        assert_eq!(bench.engine.platform(&bench.name("c:3")).await.unwrap(), None);

        let name: Reference = bench.name("d:4").parse().unwrap();
        bench.engine.tag(&id, &name).await.unwrap();
        assert!(bench.engine.platform(&name.to_string()).await.unwrap().is_some());
        bench.engine.untag(&name).await.unwrap();
        assert_eq!(bench.engine.platform(&name.to_string()).await.unwrap(), None);
        let again = bench.engine.untag(&name).await.unwrap_err();
        assert_eq!(again.code(), "builder::image_not_found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_unpacks_the_context_so_that_later_sources_win() {
    with_bench(async |bench: Bench| {
        let (package, one, two) = (empty(), empty(), empty());
        let write = |directory: &tempfile::TempDir, path: &str, text: &str| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(&package, "lib/f", "package");
        write(&package, "lib/kept", "package");
        write(&package, "was-a-directory/x", "package");
        symlink("/etc", package.path().join("was-a-link")).unwrap();
        symlink("/nowhere", package.path().join("link")).unwrap();
        write(&package, "run", "#!/bin/sh\n");
        fs::set_permissions(package.path().join("run"), fs::Permissions::from_mode(0o4755)).unwrap();
        write(&package, ".dockerignore", "*\n");
        let deep = format!("{}/{}", "d".repeat(200), "f".repeat(200));
        write(&package, &deep, "deep");
        write(&one, "f", "one");
        write(&one, "g", "one");
        write(&two, "g", "two");
        write(&two, "was", "a file");
        let big = fs::File::create(package.path().join("big")).unwrap();
        big.set_len(40 << 20).unwrap();
        let source = |directory: &tempfile::TempDir, below: &str, destination: &str| ContextSource {
            source: directory.path().join(below),
            destination: destination.to_owned(),
        };
        let mut request = bench.request("context:1", package.path());
        request.extra_sources = vec![
            source(&one, "", "lib"),
            source(&two, "", "/lib/"),
            source(&two, "was", "was-a-directory"),
            source(&one, "", "was-a-link"),
        ];
        request.dockerfile_text = Some(format!(
            "FROM {}\nCOPY . /c/\n\
             RUN test \"$(cat /c/lib/f /c/lib/g /c/lib/kept)\" = onetwopackage\n\
             RUN test \"$(cat /c/was-a-directory)\" = 'a file' && test -f /c/was-a-link/g && test ! -L /c/was-a-link\n\
             RUN test -L /c/link && test -u /c/run && test -x /c/run && test -f /c/.dockerignore\n\
             RUN test \"$(cat /c/{deep})\" = deep && test \"$(stat -c %s /c/big)\" = {}\n",
            bench.base,
            40 << 20
        ));
        let (result, log) = bench.build(&request).await;
        assert!(result.is_ok(), "{result:?}\n{}", log.join("\n"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_step_is_named_with_its_exit_code_and_its_output() {
    with_bench(async |bench: Bench| {
        let (error, log) = bench.failure("FROM BASE\nRUN echo before && echo no newline; exit 7\n").await;
        assert_eq!(error.class(), None);
        let BuildError::Failed(Failure { step, exit_code, .. }) = error else { panic!("{error:?}") };
        assert_eq!(exit_code, Some(7));
        let step = step.unwrap();
        assert!(step.starts_with("[2/2] RUN echo before"), "{step}");
        let named = log.iter().rposition(|line| *line == step).expect("the step is named");
        assert_eq!(log[named + 1..named + 3], ["before", "no newline"], "{log:#?}");

        let (error, _) = bench.failure("FROM BASE\nFOO bar\n").await;
        assert!(
            error.class().is_none() && error.to_string().to_lowercase().contains("unknown instruction: foo"),
            "{error}"
        );
        let (error, _) = bench.failure("FROM BASE\nCOPY missing /\n").await;
        assert!(error.class().is_none() && error.to_string().contains("missing"), "{error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_build_is_cached_unless_that_is_turned_off() {
    with_bench(async |bench: Bench| {
        let directory = empty();
        let mut request = bench.request("cached:1", directory.path());
        request.dockerfile_text = Some(format!("FROM {}\nRUN echo {}\n", bench.base, bench.prefix));
        let cached = async |request: &BuildRequest| {
            let (built, log) = bench.build(request).await;
            let said = log.iter().any(|line| line.starts_with("CACHED [2/2] RUN"));
            assert_eq!(built.unwrap().cached, said, "{log:#?}");
            said
        };
        assert!(!cached(&request).await);
        assert!(cached(&request).await);
        request.no_cache = true;
        assert!(!cached(&request).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_without_network_see_the_loopback_only() {
    with_bench(async |bench: Bench| {
        let directory = empty();
        bench.built("net:1", directory.path(), "FROM BASE\nRUN test \"$(ls /sys/class/net)\" = lo\n").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_that_cannot_be_read_fails_the_build_and_names_the_file() {
    with_bench(async |bench: Bench| {
        let directory = empty();
        // Enough before the fault that the engine has begun to read.
        fs::write(directory.path().join("a"), vec![0; 8 << 20]).unwrap();
        let socket = directory.path().join("z.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let mut request = bench.request("unreadable:1", directory.path());
        request.dockerfile_text = Some(format!("FROM {}\nCOPY . /\n", bench.base));
        let error = bench.build(&request).await.0.unwrap_err();
        assert_eq!(error.class(), Some(Class::Repository));
        assert!(error.to_string().contains("z.sock"), "{error}");
        assert_eq!(bench.engine.platform(&bench.name("unreadable:1")).await.unwrap(), None);
    })
    .await;
}

/// Whether a process of this machine sleeps for this time.
fn sleeps(seconds: &str) -> bool {
    let command = format!("sleep\0{seconds}\0");
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .any(|process| fs::read(process.path().join("cmdline")).is_ok_and(|line| line == command.as_bytes()))
}

async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_mins(1), "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_future_ends_the_build_on_the_engine() {
    with_bench(async |bench: Bench| {
        let directory = empty();
        let seconds = format!("7{:06}", std::process::id());
        let mut request = bench.request("dropped:1", directory.path());
        request.dockerfile_text = Some(format!("FROM {}\nRUN sleep {seconds}\n", bench.base));
        let running = {
            let bench = bench.clone();
            tokio::spawn(async move { bench.build(&request).await })
        };
        eventually("the step runs", || sleeps(&seconds)).await;
        running.abort();
        eventually("the step has been stopped", || !sleeps(&seconds)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_builds_run_at_once() {
    with_bench(async |bench: Bench| {
        let directory = empty();
        fs::write(directory.path().join("f"), vec![1; 1 << 20]).unwrap();
        let builds = (0..16).map(|n| {
            let mut request = bench.request(&format!("many:{n}"), directory.path());
            request.dockerfile_text = Some(format!("FROM {}\nCOPY f /f\nRUN sleep 2 && echo {n}\n", bench.base));
            let bench = bench.clone();
            tokio::spawn(async move { bench.build(&request).await })
        });
        let mut ids = std::collections::BTreeSet::new();
        for build in builds.collect::<Vec<_>>() {
            let (result, log) = build.await.unwrap();
            ids.insert(result.unwrap_or_else(|error| panic!("{error:?}\n{}", log.join("\n"))).id);
        }
        assert_eq!(ids.len(), 16);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_built_for_another_platform_is_found_by_its_dependent_and_not_by_others() {
    with_bench(async |bench: Bench| {
        let directory = empty();
        fs::write(directory.path().join("f"), "text").unwrap();
        let foreign = if bench.platform.architecture() == "arm64" { "amd64" } else { "arm64" };
        let foreign = Platform::linux(foreign);
        let mut request = bench.request("foreign:1-arch", directory.path());
        request.platform = foreign.clone();
        request.dockerfile_text = Some("FROM scratch\nCOPY f /f\n".to_owned());
        bench.build(&request).await.0.unwrap();
        let base = bench.name("foreign:1-arch");
        assert_eq!(bench.engine.platform(&base).await.unwrap(), Some(foreign.clone()));

        let mut dependent = bench.request("foreign:2", directory.path());
        dependent.platform = foreign.clone();
        dependent.dockerfile_text = Some(format!("FROM {base}\nCOPY f /g\n"));
        let (result, log) = bench.build(&dependent).await;
        assert!(result.is_ok(), "{result:?}\n{}", log.join("\n"));
        assert_eq!(bench.engine.platform(&bench.name("foreign:2")).await.unwrap(), Some(foreign));

        // The name is local with another platform only, so the engine asks a registry, which does not have it.
        let mut wrong = bench.request("foreign:3", directory.path());
        wrong.dockerfile_text = Some(format!("FROM {base}\nCOPY f /g\n"));
        assert!(bench.build(&wrong).await.0.is_err());
    })
    .await;
}

/// A registry of the test's own, which ends with it.
struct Registry {
    child: Child,
    host: String,
    _directory: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

const PASSWORD: &str = "pa~?>ss~~??>>";
/// Of [`PASSWORD`], in which every spelling of base64 but the one for URLs has characters that are refused.
const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuuI2cTnrTt62iFgBXdd6JiFaE2cyIx4Yu";

async fn registry(private: bool) -> Registry {
    let directory = empty();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("htpasswd"), format!("user:{BCRYPT}\n")).unwrap();
    let auth = if private {
        format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", path("htpasswd").display())
    } else {
        String::new()
    };
    let text = format!(
        "version: 0.1\nlog: {{level: error}}\n\
         storage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: {address}}}\n{auth}",
        path("data").display()
    );
    fs::write(path("config.yml"), text).unwrap();
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(path("config.yml")).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("package docker-registry is installed");
    let registry = Registry { child, host: address.to_string(), _directory: directory };
    eventually("the registry listens", || std::net::TcpStream::connect(address).is_ok()).await;
    registry
}

fn account(host: &str, password: &str) -> RegistryAuth {
    let credentials = Credentials { username: "user".to_owned(), password: password.to_owned(), identity_token: None };
    RegistryAuth::from_iter([(host.to_owned(), credentials)])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_can_be_pulled_by_tag_and_by_digest() {
    with_bench(async |bench: Bench| {
        let registry = registry(false).await;
        let auth = RegistryAuth::default();
        let name: Reference = format!("{}/{}", registry.host, bench.name("pushed:1")).parse().unwrap();
        bench.engine.tag(&bench.base, &name).await.unwrap();
        bench.engine.push(&name, &auth, sink()).await.unwrap();
        let images = bench.engine.images().await.unwrap();
        let digests = images.iter().flat_map(|image| &image.digests).filter(|digest| digest.starts_with(&name.name()));
        let by_digest: Reference = digests.collect::<Vec<_>>()[0].parse().unwrap();
        bench.engine.untag(&name).await.unwrap();
        assert_eq!(bench.engine.platform(&name.to_string()).await.unwrap(), None);

        bench.engine.pull(&name, &bench.platform, &auth, sink()).await.unwrap();
        assert_eq!(bench.engine.platform(&name.to_string()).await.unwrap(), Some(bench.platform.clone()));
        bench.engine.untag(&name).await.unwrap();
        drop(bench.engine.untag(&by_digest).await);
        assert_eq!(bench.engine.platform(&by_digest.to_string()).await.unwrap(), None);
        bench.engine.pull(&by_digest, &bench.platform, &auth, sink()).await.unwrap();
        assert_eq!(bench.engine.platform(&by_digest.to_string()).await.unwrap(), Some(bench.platform.clone()));

        // Saved by digest, it is placed in the context of a build.
        let directory = empty();
        fs::create_dir(directory.path().join("images")).unwrap();
        fs::write(directory.path().join("images/old"), "").unwrap();
        let archive = |path: &str| Archive { path: path.to_owned(), images: vec![by_digest.to_string()] };
        let mut request = bench.request("archive:1", directory.path());
        request.archives = vec![archive("images/one.tar"), archive("other.tar")];
        request.left_out = vec!["images".to_owned()];
        request.dockerfile_text = Some(format!(
            "FROM {}\nCOPY . /c/\nRUN test ! -e /c/images/old\n\
             RUN for file in /c/images/one.tar /c/other.tar; do \
             busybox tar -tf $file | busybox grep -q '^manifest.json$' || exit 1; done\n",
            bench.base
        ));
        let (result, log) = bench.build(&request).await;
        assert!(result.is_ok(), "{result:?}\n{}", log.join("\n"));
        bench.engine.untag(&by_digest).await.unwrap();

        let missing = archive("x.tar");
        request.archives = vec![missing];
        let error = bench.build(&request).await.0.unwrap_err();
        assert_eq!(error.class(), Some(Class::Infrastructure), "{error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn absent_refused_and_unreachable_are_told_apart() {
    with_bench(async |bench: Bench| {
        let (open, private) = (registry(false).await, registry(true).await);
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let none = RegistryAuth::default();
        let name = |host: &str| format!("{host}/{}", bench.name("told:1")).parse::<Reference>().unwrap();
        let engine = &bench.engine;
        let pull = async |host: &str, auth: &RegistryAuth| {
            engine.pull(&name(host), &bench.platform, auth, sink()).await.map_err(|problem| problem.code())
        };
        assert_eq!(pull(&open.host, &none).await, Err("builder::image_not_found".to_owned()));
        assert_eq!(pull(&private.host, &none).await, Err("builder::unauthorized".to_owned()));
        assert_eq!(
            pull(&private.host, &account(&private.host, "wrong")).await,
            Err("builder::unauthorized".to_owned())
        );
        assert_eq!(pull(&nobody, &none).await, Err("builder::transfer".to_owned()));

        let push = async |host: &str, auth: &RegistryAuth| {
            engine.push(&name(host), auth, sink()).await.map_err(|problem| problem.code())
        };
        assert_eq!(push(&open.host, &none).await, Err("builder::image_not_found".to_owned()));
        for host in [&private.host, &nobody] {
            engine.tag(&bench.base, &name(host)).await.unwrap();
        }
        assert_eq!(push(&private.host, &none).await, Err("builder::unauthorized".to_owned()));
        assert_eq!(push(&nobody, &none).await, Err("builder::transfer".to_owned()));
        let account = account(&private.host, PASSWORD);
        assert_eq!(push(&private.host, &account).await, Ok(()));
        engine.untag(&name(&private.host)).await.unwrap();
        assert_eq!(pull(&private.host, &account).await, Ok(()));
        engine.untag(&name(&private.host)).await.unwrap();

        // The same for what a Dockerfile is FROM.
        let directory = empty();
        let build = async |from: &Reference, auth: &RegistryAuth| {
            let mut request = bench.request("from:1", directory.path());
            request.dockerfile_text = Some(format!("FROM {from}\nRUN true\n"));
            engine.build(&request, auth, sink()).await.map_err(|error| (error.class(), error.to_string()))
        };
        let absent = build(&name(&open.host), &none).await.unwrap_err();
        assert_eq!(absent.0, None, "{absent:?}");
        let refused = build(&name(&private.host), &none).await.unwrap_err();
        assert_eq!(refused.0, Some(Class::Infrastructure), "{refused:?}");
        engine.untag(&name(&nobody)).await.unwrap();
        let unreachable = build(&name(&nobody), &none).await.unwrap_err();
        assert_eq!(unreachable.0, Some(Class::Infrastructure), "{unreachable:?}");
        build(&name(&private.host), &account).await.unwrap();
    })
    .await;
}

/// Passes connections on to the engine until it is dropped, which cuts them all.
struct Proxy {
    socket: PathBuf,
    open: Arc<AtomicU64>,
    serving: tokio::task::JoinHandle<()>,
}

impl Proxy {
    fn start(directory: &Path) -> Self {
        let engine = connection().host.and_then(|host| host.strip_prefix("unix://").map(str::to_owned));
        let engine = engine.unwrap_or_else(|| "/var/run/docker.sock".to_owned());
        let socket = directory.join("proxy.sock");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let open = Arc::new(AtomicU64::new(0));
        let counted = open.clone();
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let (engine, counted) = (engine.clone(), counted.clone());
                counted.fetch_add(1, Ordering::SeqCst);
                connections.spawn(async move {
                    let mut server = tokio::net::UnixStream::connect(engine).await.unwrap();
                    drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
                    counted.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { socket, open, serving }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_goes_away_is_no_failed_build() {
    with_bench(async |bench: Bench| {
        let directory = empty();
        let proxy = Proxy::start(directory.path());
        let host = Some(format!("unix://{}", proxy.socket.display()));
        let (engine, _) = Engine::connect(&Connection { host, ..Connection::default() }).await.unwrap();
        let seconds = format!("6{:06}", std::process::id());
        let package = empty();
        let mut request = bench.request("gone:1", package.path());
        request.dockerfile_text = Some(format!("FROM {}\nRUN sleep {seconds}\n", bench.base));
        let running = tokio::spawn(async move { engine.build(&request, &RegistryAuth::default(), sink()).await });
        eventually("the step runs", || sleeps(&seconds)).await;
        proxy.serving.abort();
        let error = running.await.unwrap().unwrap_err();
        assert_eq!(error.class(), Some(Class::Infrastructure), "{error:?}");
        eventually("the step has been stopped", || !sleeps(&seconds)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_leaves_no_connection_behind() {
    with_bench(async |bench: Bench| {
        let directory = empty();
        let proxy = Proxy::start(directory.path());
        let host = Some(format!("unix://{}", proxy.socket.display()));
        let (engine, _) = Engine::connect(&Connection { host, ..Connection::default() }).await.unwrap();
        let package = empty();
        for (name, text) in [("one", "RUN true"), ("two", "RUN false"), ("three", "FOO")] {
            let mut request = bench.request(&format!("left:{name}"), package.path());
            request.dockerfile_text = Some(format!("FROM {}\n{text}\n", bench.base));
            drop(engine.build(&request, &RegistryAuth::default(), sink()).await);
        }
        eventually("all connections are closed", || proxy.open.load(Ordering::SeqCst) == 0).await;
        proxy.serving.abort();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_says_whose_programs_it_can_run() {
    let (engine, info) = Engine::connect(&connection()).await.unwrap();
    let runs = engine.runs().await.expect("its BuildKit answers");
    assert!(runs.contains(&info.platform), "{runs:?}");

    let directory = empty();
    let proxy = Proxy::start(directory.path());
    let host = Some(format!("unix://{}", proxy.socket.display()));
    let (behind, _) = Engine::connect(&Connection { host, ..Connection::default() }).await.unwrap();
    assert_eq!(behind.runs().await.as_ref(), Some(&runs));
    proxy.serving.abort();
    fs::remove_file(&proxy.socket).unwrap();
    assert_eq!(behind.runs().await, None, "what cannot be asked is not known");
}
