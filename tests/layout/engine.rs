//! Images go from a real engine into a layout, to skopeo and back.

use std::fs::File;
use std::io::Seek;
use std::sync::atomic::{AtomicU64, Ordering};

use kitmake::builder::{BuildRequest, Connection, Engine, RegistryAuth};
use tokio::sync::mpsc;

use super::support::{docker, skopeo};
use super::*;

/// An engine, names of its own, and a layout.
struct Bench {
    engine: Engine,
    org: String,
    directory: tempfile::TempDir,
    layout: Layout,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let names = docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", &format!("{}/*", self.org)]);
        for name in names.lines() {
            docker(&["image", "rm", "--force", name]);
        }
    }
}

impl Bench {
    async fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        #[expect(clippy::disallowed_methods, reason = "a test has no settings")]
        let host = std::env::var("DOCKER_HOST").ok();
        let engine = match Engine::connect(&Connection { host, ..Connection::default() }).await {
            Ok((engine, _)) => engine,
            Err(problem) => panic!("{problem:?}; tests/run.sh starts a Docker Engine and runs the tests"),
        };
        let org = format!("kitmake-layout-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::at(directory.path().join("cache"));
        Self { engine, org, directory, layout }
    }

    fn name(&self, name: &str) -> String {
        format!("docker.io/{}/{name}", self.org)
    }

    /// Where skopeo finds a name of the layout.
    fn oci(&self, name: &str) -> String {
        format!("oci:{}:{}", self.layout.directory().display(), self.name(name))
    }

    /// Builds an image with three layers, two of which are the same, and returns its id.
    async fn build(&self, name: &str, wanted: &str) -> String {
        let context = tempfile::tempdir().unwrap();
        fs::write(context.path().join("own"), format!("{} {name} {wanted}", self.org)).unwrap();
        fs::write(context.path().join("base"), "of all").unwrap();
        let request = BuildRequest {
            directory: context.path().to_owned(),
            extra_sources: Vec::new(),
            dockerfile: "Dockerfile".to_owned(),
            dockerfile_text: Some(
                "FROM scratch\nCOPY base /base\nCOPY own /own\nCOPY base /base\nENV A=b\nENTRYPOINT [\"/x\"]\n"
                    .to_owned(),
            ),
            texts: BTreeMap::new(),
            archives: Vec::new(),
            left_out: Vec::new(),
            exclude: Vec::new(),
            platform: platform(wanted),
            build_args: BTreeMap::new(),
            labels: [("org.kitmake.key".to_owned(), format!("key of {wanted}"))].into(),
            network: false,
            no_cache: false,
            planned_at: None,
            registries: Vec::new(),
            tags: vec![self.name(name)],
        };
        self.engine.build(&request, &RegistryAuth::default(), sink()).await.unwrap().id
    }

    async fn store(&self, from: &str, name: &str, wanted: &str) {
        let saved = self.engine.save_to(&[self.name(from)]).await.unwrap();
        self.layout.store(&image(&self.name(name)), &platform(wanted), saved).unwrap();
    }

    /// An archive of an image of the layout.
    fn taken_out(&self, name: &str, wanted: &str, tags: &[&str]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        let tags: Vec<_> = tags.iter().map(|tag| image(&self.name(tag))).collect();
        self.layout.archive(&image(&self.name(name)), &platform(wanted), &tags, &mut file).unwrap();
        file.rewind().unwrap();
        file
    }

    /// What docker says of an image of the engine that does not depend on when it came there.
    fn inspect(&self, name: &str) -> Value {
        let text = docker(&["image", "inspect", &self.name(name)]);
        let all: Value = serde_json::from_str(&text).unwrap();
        let fields = ["Id", "Os", "Architecture", "Created", "Config", "RootFS", "Size"];
        fields.iter().map(|field| ((*field).to_owned(), all[0][field].clone())).collect()
    }

    fn is_there(&self, name: &str) -> bool {
        !docker(&["image", "ls", "--quiet", &self.name(name)]).is_empty()
    }
}

/// A log that nobody reads.
fn sink() -> mpsc::Sender<String> {
    mpsc::channel(1).0
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_engine_saved_is_read_by_skopeo_and_loaded_back_as_the_same_image() {
    let bench = Bench::new().await;
    let id = bench.build("a:1", "linux/amd64").await;
    bench.store("a:1", "a:1", "linux/amd64").await;
    let before = bench.inspect("a:1");
    let layers = before["RootFS"]["Layers"].clone();
    assert_eq!(layers.as_array().unwrap().len(), 3);

    let found = find(&bench.layout, &bench.name("a:1"), "linux/amd64").unwrap();
    assert_eq!((&found.id, found.labels["org.kitmake.key"].as_str()), (&id, "key of linux/amd64"));

    for name in ["a:1", "a:1-amd64"] {
        let seen = parse(&skopeo(&["--override-arch=amd64", "inspect", &bench.oci(name)]));
        assert_eq!(seen["Layers"], layers, "{name}");
        assert_eq!(seen["Labels"]["org.kitmake.key"], "key of linux/amd64");
        let target = bench.directory.path().join(name.replace(':', "-"));
        skopeo(&["--override-arch=amd64", "copy", "--quiet", &bench.oci(name), &format!("dir:{}", target.display())]);
        let copied = parse(&fs::read_to_string(target.join("manifest.json")).unwrap());
        assert_eq!(copied["config"]["digest"], id.as_str());
        for layer in layers.as_array().unwrap() {
            let hex = layer.as_str().unwrap().trim_start_matches("sha256:");
            assert_eq!(format!("sha256:{hex}"), digest(&fs::read(target.join(hex)).unwrap()));
        }
    }
    let raw = parse(&skopeo(&["inspect", "--raw", &bench.oci("a:1")]));
    assert_eq!(raw["manifests"][0]["platform"], json!({"architecture": "amd64", "os": "linux"}));
    let raw = parse(&skopeo(&["inspect", "--raw", &bench.oci("a:1-amd64")]));
    assert_eq!(raw["config"]["digest"], id.as_str());

    docker(&["image", "rm", &bench.name("a:1")]);
    assert!(!bench.is_there("a:1"));
    let (log, mut lines) = mpsc::channel(8);
    bench.engine.load(bench.taken_out("a:1", "linux/amd64", &["a:1", "a:1-amd64"]), log).await.unwrap();
    assert_eq!(bench.inspect("a:1"), before);
    assert_eq!(bench.inspect("a:1-amd64"), before);
    let mut log = Vec::new();
    lines.recv_many(&mut log, 8).await;
    assert!(log.iter().any(|line| line.contains("a:1")), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_for_another_platform_joins_and_each_is_loaded_as_what_it_is() {
    let bench = Bench::new().await;
    for (name, wanted) in [("a:1-amd64", "linux/amd64"), ("a:1-arm64", "linux/arm64")] {
        bench.build(name, wanted).await;
        bench.store(name, "a:1", wanted).await;
    }
    for (arch, other) in [("amd64", "arm64"), ("arm64", "amd64")] {
        let wanted = format!("linux/{arch}");
        let id = find(&bench.layout, &bench.name("a:1"), &wanted).unwrap().id;
        let seen = |name: &str| parse(&skopeo(&["--override-arch", arch, "inspect", "--config", &bench.oci(name)]));
        assert_eq!(seen("a:1")["architecture"], arch);
        assert_eq!(seen(&format!("a:1-{arch}"))["architecture"], arch);
        assert_eq!(seen(&format!("a:1-{other}"))["architecture"], other, "whatever the reader's own is");

        bench.engine.load(bench.taken_out("a:1", &wanted, &["loaded:1"]), sink()).await.unwrap();
        let loaded = bench.inspect("loaded:1");
        assert_eq!((loaded["Id"].as_str(), loaded["Architecture"].as_str()), (Some(id.as_str()), Some(arch)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_skopeo_with_compressed_layers_is_read_loaded_and_kept() {
    let bench = Bench::new().await;
    bench.build("a:1", "linux/arm64").await;
    let tar = bench.directory.path().join("saved.tar");
    docker(&["image", "save", "--output", &tar.display().to_string(), &bench.name("a:1")]);
    fs::create_dir(bench.layout.directory()).unwrap();
    skopeo(&["copy", "--quiet", &format!("docker-archive:{}", tar.display()), &bench.oci("a:1")]);
    let manifest = parse(&skopeo(&["inspect", "--raw", &bench.oci("a:1")]));
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");

    let found = find(&bench.layout, &bench.name("a:1"), "linux/arm64").unwrap();
    assert_eq!(found.labels["org.kitmake.key"], "key of linux/arm64");
    bench.engine.load(bench.taken_out("a:1", "linux/arm64", &["loaded:1"]), sink()).await.unwrap();
    assert_eq!(bench.inspect("loaded:1")["RootFS"], bench.inspect("a:1")["RootFS"]);

    bench.build("a:1-amd64", "linux/amd64").await;
    bench.store("a:1-amd64", "a:1", "linux/amd64").await;
    assert_eq!(find(&bench.layout, &bench.name("a:1"), "linux/arm64"), Some(found));
    let other = bench.name("other:1");
    skopeo(&["copy", "--quiet", &format!("docker-archive:{}", tar.display()), &bench.oci("other:1")]);
    assert!(find(&bench.layout, &other, "linux/arm64").unwrap().listed);
    for (name, wanted) in [("a:1", "linux/amd64"), ("a:1", "linux/arm64"), ("a:1-amd64", "linux/amd64")] {
        assert!(find(&bench.layout, &bench.name(name), wanted).unwrap().listed, "skopeo kept {name} {wanted}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_with_compressed_layers_is_stored_as_it_is() {
    let bench = Bench::new().await;
    let id = bench.build("a:1", "linux/amd64").await;
    let directory = bench.directory.path();
    let (saved, unpacked, packed) =
        (directory.join("saved.tar"), directory.join("unpacked"), directory.join("packed.tar"));
    docker(&["image", "save", "--output", &saved.display().to_string(), &bench.name("a:1")]);
    fs::create_dir(&unpacked).unwrap();
    support::run(std::process::Command::new("tar").arg("-xf").arg(&saved).arg("-C").arg(&unpacked));
    for (path, bytes) in contents(&unpacked) {
        if path.ends_with("layer.tar") {
            fs::write(&path, bytes).unwrap();
            support::run(std::process::Command::new("gzip").arg(&path));
            fs::rename(path.with_extension("tar.gz"), &path).unwrap();
        }
    }
    support::run(std::process::Command::new("tar").arg("-cf").arg(&packed).arg("-C").arg(&unpacked).arg("."));
    let name = image(&bench.name("a:1"));
    bench.layout.store(&name, &platform("linux/amd64"), File::open(&packed).unwrap()).unwrap();

    let manifest = parse(&skopeo(&["inspect", "--raw", &bench.oci("a:1-amd64")]));
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    docker(&["image", "rm", &bench.name("a:1")]);
    bench.engine.load(bench.taken_out("a:1", "linux/amd64", &["a:1"]), sink()).await.unwrap();
    assert_eq!(bench.inspect("a:1")["Id"], id.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_archive_is_refused_by_the_engine_and_an_absent_image_is_not_saved() {
    let bench = Bench::new().await;
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, &vec![b'x'; 3 << 20]).unwrap();
    file.rewind().unwrap();
    let refused = bench.engine.load(file, sink()).await.unwrap_err();
    assert_eq!(refused.code(), "builder::engine");
    let absent = bench.engine.save_to(&[bench.name("absent:1")]).await.unwrap_err();
    assert_eq!(absent.code(), "builder::image_not_found");
}
