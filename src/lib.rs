//! kitmake: an incremental build graph for monorepos of LinuxKit packages.
//!
//! The pipeline is the architecture. Each stage is one module, each value is plain data that the next stage only reads:
//!
//! ```text
//! args -> Settings -> Workspace -> Tags -> Graph -> Presence -> Plan -> Run -> Outcome
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`cli`] | one file per verb: parse, call the library, print |
//! | [`settings`] | flags > environment > kitmake.yml > defaults, resolved once |
//! | [`workspace`] | finds the packages; reads build.yml and Dockerfile |
//! | [`git`] | one snapshot per repository; the tag of each package |
//! | [`graph`] | the dependency graph, cycles, selectors, renderers |
//! | [`pins`] | where images of this repository are named by a tag, and new tags carried on |
//! | [`affected`] | what differs between two states of the repository |
//! | [`presence`] | the facts about where a node already is |
//! | [`plan`] | pure: what is to be done, in which order, and why; keys |
//! | [`explain`] | what one node is made from, and what differs from the image that exists |
//! | [`run`] | the scheduler, its events, cancellation |
//! | [`builder`] | the Docker Engine: context, build, tag, push |
//! | [`registry`] | the OCI distribution protocol over HTTP |
//! | [`signature`] | signatures as cosign stores them: keys, signing, checking |
//! | [`layout`] | linuxkit's cache, an OCI image layout |
//! | [`trust`] | Docker Content Trust: signatures of tags, through notary |
//! | [`page`] | a graph or a plan as one HTML file |
//! | [`report`] | consumers of events: terminal, plain lines |
//!
//! [`pipeline`] is the road itself, which every verb takes as far as it needs, [`memo`] what is remembered on disk to be
//! quick, and [`durations`] what is remembered to tell how long it takes. Two modules are vocabulary for all of them:
//! [`image`] (references and platforms as in the OCI specifications) and [`problem`] (what is wrong, where, what to do, and
//! which exit code it means). Small tools that several stages share: [`secret`] (text that is shown nowhere), [`excludes`]
//! (patterns that keep files out of a context), `path` (paths by their text), `wording` (how texts count
//! and stand in columns), `hex`, and `process` (how git is started).

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
