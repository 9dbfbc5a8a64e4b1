//! Foreign platforms whose build steps run programs: with an emulator they are built, without one that is said beforehand.
//!
//! The program is a few instructions for arm64, made here. The emulator is qemu from Debian's package qemu-user-static. It is
//! made known to the kernel for the time of the test, which takes root; it is forgotten with a process, whatever the end.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use kitmake::builder::{Connection, Engine};
use kitmake::image::Platform;

use super::{set, told_set};
use crate::support::{Monorepo, Registry, docker, unpack};

const QEMU: &str = "/usr/bin/qemu-aarch64-static";

/// Where the kernel learns which interpreter starts which programs.
const BINFMT: &str = "/proc/sys/fs/binfmt_misc";

/// What a program for arm64 begins with, and which of its bits count.
const MAGIC: &str = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00";
const MASK: &str = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";

/// A program for arm64 under Linux that makes the empty file `ran` where it is started.
fn program() -> Vec<u8> {
    let code: [u32; 9] = [
        0x9280_0c60, // x0 = AT_FDCWD
        0x1000_0101, // x1 = the text after the code
        0xd280_0822, // x2 = O_WRONLY | O_CREAT
        0xd280_3483, // x3 = 0644
        0xd280_0708, // x8 = openat
        0xd400_0001, // system call
        0xd280_0000, // x0 = 0
        0xd280_0ba8, // x8 = exit
        0xd400_0001, // system call
    ];
    let mut body: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    body.extend(b"ran\0");
    let (address, headers) = (0x40_0000_u64, 64 + 56_u64);
    let size = headers + body.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend([2_u16, 183].into_iter().flat_map(u16::to_le_bytes));
    file.extend(1_u32.to_le_bytes());
    file.extend([address + headers, 64, 0].into_iter().flat_map(u64::to_le_bytes));
    file.extend(0_u32.to_le_bytes());
    file.extend([64_u16, 56, 1, 0, 0, 0].into_iter().flat_map(u16::to_le_bytes));
    file.extend([1_u32, 5].into_iter().flat_map(u32::to_le_bytes));
    file.extend([0, address, address, size, size, 0x1000].into_iter().flat_map(u64::to_le_bytes));
    file.extend(body);
    file
}

fn write_program(path: &Path) {
    fs::write(path, program()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Whether this machine starts programs for arm64.
fn runs_here() -> bool {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("program");
    write_program(&path);
    let ran = Command::new(&path).current_dir(directory.path()).status().is_ok_and(|status| status.success());
    ran && directory.path().join("ran").exists()
}

/// An emulator that the kernel knows as long as this value lives.
struct Emulator(Child);

impl Emulator {
    /// Makes it known, or says why that cannot be. It is known as long as the mount in the namespace of a process is, and
    /// that process ends when its standard input does.
    fn start() -> Result<Self, String> {
        if !Path::new(QEMU).exists() {
            return Err(format!("there is no {QEMU}; Debian's package qemu-user-static has it"));
        }
        let name = format!("kitmake-test-{}", std::process::id());
        let script = "mount -t binfmt_misc none \"$1\" && printf %s \"$3\" >\"$1/register\" || exit 1\n\
                      echo ready; cat >/dev/null; printf %s -1 >\"$1/$2\"";
        let line = format!(":{name}:M::{MAGIC}:{MASK}:{QEMU}:F");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh", BINFMT, &name, &line]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut emulator = Self(command.spawn().map_err(|error| format!("`unshare` cannot be run: {error}"))?);
        let mut answer = String::new();
        BufReader::new(emulator.0.stdout.take().unwrap()).read_line(&mut answer).unwrap();
        match answer.as_str() {
            "ready\n" => Ok(emulator),
            _ => Err(format!("this process may not mount binfmt_misc at {BINFMT} or register an interpreter there")),
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// A package whose image is the program, one that runs it in a stage of its own platform, and one whose steps run on the
/// builder's own platform; all for these architectures.
struct Bench {
    monorepo: Monorepo,
    /// Takes the images from the engine at the end.
    _registry: Registry,
}

impl Bench {
    fn new(architectures: &str) -> Self {
        super::engine_answers();
        let registry = Registry::start();
        registry.publish_outside_images("outside");
        let org = format!("{}/emulation", registry.address());
        let busybox = format!("{}/outside/busybox:1", registry.address());
        let yml = |image: &str, args: &str| {
            format!("org: {org}\nimage: {image}\narches: [{architectures}]\nbuildArgs: [{args}]\n")
        };
        let base = "BASE=@lkt:pkg:../base";
        let cross = format!(
            "FROM --platform=$BUILDPLATFORM {busybox} AS cross\nARG TARGETARCH\nRUN echo $TARGETARCH > /built-for\n\
             FROM scratch\nCOPY --from=cross /built-for /\n"
        );
        let monorepo = Monorepo::with_files(&[
            ("pkg/base/build.yml", &yml("base", "")),
            ("pkg/base/Dockerfile", "FROM scratch\nWORKDIR /\nCOPY program /\n"),
            ("pkg/native/build.yml", &yml("native", base)),
            ("pkg/native/Dockerfile", "ARG BASE\nFROM ${BASE}\nRUN [\"/program\"]\n"),
            ("pkg/cross/build.yml", &yml("cross", "")),
            ("pkg/cross/Dockerfile", &cross),
        ]);
        write_program(&monorepo.path("pkg/base/program"));
        monorepo.commit("Add the program");
        Self { monorepo, _registry: registry }
    }
}

#[test]
fn an_emulator_runs_the_steps_of_a_foreign_platform() {
    let emulator = if runs_here() { Ok(None) } else { Emulator::start().map(Some) };
    let _emulator = match emulator {
        Ok(emulator) => emulator,
        Err(reason) => return skipped("an_emulator_runs_the_steps_of_a_foreign_platform", &reason),
    };
    assert!(runs_here(), "the kernel knows {QEMU} and does not start programs for arm64");
    let bench = Bench::new("arm64");
    let built = bench.monorepo.kitmake(&["push", "--platforms", "all", "--force"]).with_code(0);
    assert_eq!(told_set(&built, "Built"), set(["pkg/base", "pkg/cross", "pkg/native"]));
    let reference = bench.monorepo.show_tag(&["pkg/native"]).remove(0);
    assert!(unpack(&reference, "arm64").path().join("ran").is_file());
    let reference = bench.monorepo.show_tag(&["pkg/cross"]).remove(0);
    assert_eq!(fs::read_to_string(unpack(&reference, "arm64").path().join("built-for")).unwrap(), "arm64\n");
}

#[test]
fn without_an_emulator_the_plan_says_so_with_the_remedy_and_builds_what_needs_none() {
    let (own, known) = tokio::runtime::Runtime::new().unwrap().block_on(async {
        #[expect(clippy::disallowed_methods, reason = "a test has no settings")]
        let host = std::env::var("DOCKER_HOST").ok();
        let (engine, info) = Engine::connect(&Connection { host, ..Connection::default() }).await.unwrap();
        (info.platform, engine.runs().await.expect("an engine says what it can run"))
    });
    // Not arm64: what an engine has once found it can run it goes on naming until it is started again.
    let mut foreign = ["s390x", "ppc64le", "riscv64", "mips64le"].map(Platform::linux).into_iter();
    let Some(foreign) = foreign.find(|platform| *platform != own && !known.contains(platform)) else {
        let name = "without_an_emulator_the_plan_says_so_with_the_remedy_and_builds_what_needs_none";
        return skipped(name, "the engine can run programs of all platforms that the test knows");
    };
    let bench = Bench::new(foreign.architecture());
    let kitmake = |arguments: &[&str]| bench.monorepo.kitmake(&[arguments, &["--platforms", "all"]].concat());
    let row = format!(
        "not buildable: 1\n  pkg/native@{foreign}  it runs programs of {foreign}, which the builder cannot run\n"
    );
    let remedy = format!("tonistiigi/binfmt --install {}`", foreign.architecture());
    let plan = kitmake(&["plan"]).with_code(4);
    assert!(plan.stdout.contains(&row) && plan.stderr.contains(&remedy), "{}{}", plan.stdout, plan.stderr);
    let json = kitmake(&["plan", "--format", "json"]).with_code(4).json();
    let native = json["nodes"].as_array().unwrap().iter().find(|node| node["id"] == "pkg/native").unwrap();
    let reason = serde_json::json!({"reason": "no-emulator", "platform": foreign.to_string()});
    assert_eq!((&native["state"], &native["reasons"][0]), (&"not-buildable".into(), &reason));

    let built = kitmake(&["build"]).with_code(4);
    assert_eq!(told_set(&built, "Built"), set(["pkg/base", "pkg/cross"]), "these run nothing of it");
    assert!(built.stderr.contains(&remedy), "{}", built.stderr);
    let nothing = kitmake(&["build"]).with_code(4);
    assert!(nothing.stderr.starts_with("nothing to do: 2 present, 1 not buildable\n"), "{}", nothing.stderr);
    assert!(nothing.stderr.contains(&remedy), "what is not there is never passed over in silence: {}", nothing.stderr);

    // Where the image is there already, by whatever means, nothing is to be run.
    let reference =
        |package: &str| format!("{}-{}", bench.monorepo.show_tag(&[package]).remove(0), foreign.architecture());
    docker(&["image", "tag", &reference("pkg/base"), &reference("pkg/native")]);
    let there = kitmake(&["build"]).with_code(0);
    assert_eq!(there.stderr, "nothing to do: 3 present, 1 of them of unknown origin\n");
}

/// A check that could not be made must not look as if it had passed; what a macro prints is kept back for tests that fail.
fn skipped(test: &str, reason: &str) {
    std::io::stderr().write_all(format!("SKIPPED {test}: {reason}\n").as_bytes()).unwrap();
}
