//! `kitmake remote-tag FROM TO`: gives an image in a registry another name, without an engine.
//!
//! Both references are taken as they are written, whatever org or registry a workspace has; of its kitmake.yml only counts how
//! registries are spoken to. No workspace is needed.

use clap::Args;
use miette::Diagnostic;
use tokio::runtime::Runtime;

use super::options::Place;
use super::output::Output;
use super::registry_args::RegistryArgs;
use super::{Ended, exit};
use crate::image::Reference;
use crate::problem::{Class, Fault, Problem};
use crate::registry::{Client, Copied, Moved, Retagged};
use crate::settings::registry_options;
use crate::workspace::{self, KitmakeYml};

/// Give an image in a registry another name
///
/// Within a repository this writes a tag and nothing else. To another repository or registry the image is copied as it is,
/// with all its platforms; what is there already is left alone, so that a copy that broke off can be repeated. Nothing is
/// done if TO is FROM already; if TO is another image its digest is told and the tag is taken from it. A name without a tag
/// means `latest`. Exit code 2 if FROM is not there.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  kitmake remote-tag linuxkit/init:$HASH linuxkit/init:v1.2
  kitmake remote-tag $(kitmake show-tag pkg/init) registry.example.org/mirror/init:v1.2")]
pub(super) struct RemoteTagArgs {
    /// The image that is there, by tag or digest
    #[arg(value_name = "FROM")]
    from: Reference,
    /// The name that it gets
    #[arg(value_name = "TO")]
    to: Reference,
    #[command(flatten)]
    registries: RegistryArgs,
}

/// What the command line asks for cannot be.
#[derive(Debug, thiserror::Error, Diagnostic)]
enum Error {
    /// A 404.
    #[error("`{image}` is not in its registry")]
    #[diagnostic(
        code(remote_tag::absent),
        help("push it first, or check the name; an image without a host is looked for on docker.io")
    )]
    Absent { image: String },
    /// A digest is what an image is and nothing to be given.
    #[error("`{image}` is not a name that can be given: it has a digest")]
    #[diagnostic(code(remote_tag::digest), help("name a tag: IMAGE:TAG"))]
    Digest { image: String },
}

impl Fault for Error {
    fn class(&self) -> Class {
        Class::Usage
    }
}

pub(super) fn run(place: &Place, output: &Output, args: &RemoteTagArgs, runtime: &Runtime) -> Ended {
    let copied = remote_tag(place, args, runtime).map_err(|problem| vec![problem])?;
    output.say(&told(args, &copied));
    Ok(exit::DONE)
}

fn remote_tag(place: &Place, args: &RemoteTagArgs, runtime: &Runtime) -> Result<Copied, Problem> {
    if args.to.digest().is_some() {
        return Err(Error::Digest { image: args.to.to_string() }.into());
    }
    let directory = place.working_directory()?;
    let (root, config) = match place.root() {
        Ok((root, _)) => (root.clone(), workspace::config(&root)?),
        Err(_) => (directory.clone(), KitmakeYml::default()),
    };
    let authorities = args.registries.certificate_authorities(&directory)?;
    let insecure = &args.registries.insecure_registry;
    let client = Client::new(registry_options(&root, &config, insecure, &authorities, &place.environment))?;
    let copied = runtime.block_on(client.copy(&args.from, &args.to))?;
    copied.ok_or_else(|| Error::Absent { image: args.from.to_string() }.into())
}

/// One line, and another one if the name was taken from another image: with its digest that can be undone.
fn told(args: &RemoteTagArgs, copied: &Copied) -> String {
    let RemoteTagArgs { from, to, .. } = args;
    let digest = &copied.descriptor.digest;
    let Moved { manifests, mounted, transferred, bytes } = copied.moved;
    let replaced = copied.replaced.as_ref().map(|replaced| format!("{to} was {replaced}\n")).unwrap_or_default();
    let done = match copied.tag {
        Retagged::Already => format!("nothing to do: {to} is {digest}\n"),
        Retagged::Written if from.same_repository(to) => format!("tagged {to} as {digest}\n"),
        Retagged::Written => format!(
            "copied {to} as {digest}: {manifests} further manifests, {mounted} blobs mounted, {transferred} blobs with \
             {bytes} bytes transferred\n"
        ),
    };
    done + &replaced
}
