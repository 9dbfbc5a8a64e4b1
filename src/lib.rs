//! kitmake: an incremental build graph for monorepos of LinuxKit packages.
//!
//! The pipeline is the architecture. Each stage is one module, each value is plain data that the next stage only reads:
//!
//! ```text
//! args -> Settings -> Workspace -> Tags -> Graph -> Presence -> Plan -> Run -> Outcome
//! ```
//!
//! That is the way of the values. The modules are below in the order of their imports: each imports only those above it, which
//! a test holds them to. First come tools and vocabulary for all, then what reads the repository, the services that speak to
//! something outside of it, the stages that bring both together, and what shows it.
//!
//! | module | what it does |
//! |---|---|
//! | `hex` | digests as text |
//! | `path` | paths by their text |
//! | `wording` | how texts count and stand in columns |
//! | [`excludes`] | patterns that keep files out of a context |
//! | [`secret`] | text that is shown nowhere |
//! | `process` | how git is started |
//! | [`memo`] | what is remembered on disk to be quick |
//! | [`image`] | references and platforms as in the OCI specifications |
//! | [`problem`] | what is wrong, where, what to do, and which exit code it means |
//! | [`workspace`] | finds the packages; reads build.yml and Dockerfile |
//! | [`git`] | one snapshot per repository; the tag of each package |
//! | [`graph`] | the dependency graph, cycles, selectors, renderers |
//! | [`pins`] | where images of this repository are named by a tag, and new tags carried on |
//! | [`affected`] | what differs between two states of the repository |
//! | [`registry`] | service: the OCI distribution protocol over HTTP |
//! | [`builder`] | service: the Docker Engine: context, build, tag, push |
//! | [`layout`] | service: linuxkit's cache, an OCI image layout |
//! | [`signature`] | service: signatures as cosign stores them: keys, signing, checking |
//! | [`trust`] | service: Docker Content Trust: signatures of tags, through notary |
//! | [`presence`] | the facts about where a node already is |
//! | [`plan`] | pure: what is to be done, in which order, and why; keys |
//! | [`settings`] | flags > environment > kitmake.yml > defaults, resolved once; options of all stages above by their own types |
//! | [`explain`] | what one node is made from, and what differs from the image that exists |
//! | [`durations`] | what is remembered to tell how long it takes |
//! | [`run`] | the scheduler, its events, cancellation |
//! | [`report`] | consumers of events: terminal, plain lines |
//! | [`page`] | a graph or a plan as one HTML file |
//! | [`pipeline`] | the road itself, which every verb takes as far as it needs |
//! | [`cli`] | one file per verb: parse, call the library, print |

pub mod affected;
pub mod builder;
pub mod cli;
#[cfg(test)]
mod directions;
pub mod durations;
pub mod excludes;
pub mod explain;
pub mod git;
pub mod graph;
mod hex;
pub mod image;
pub mod layout;
pub mod memo;
pub mod page;
mod path;
pub mod pins;
pub mod pipeline;
pub mod plan;
pub mod presence;
pub mod problem;
mod process;
pub mod registry;
pub mod report;
pub mod run;
pub mod secret;
pub mod settings;
pub mod signature;
pub mod trust;
mod wording;
pub mod workspace;
