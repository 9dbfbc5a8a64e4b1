//! What can be wrong with signing, and what to do about it.
//!
//! All of it is the turn of the infrastructure, but for images that cannot be signed by their very name. No message
//! carries a secret: what notary said comes with secrets struck out.

use miette::Diagnostic;

use crate::problem::{Class, Fault};

/// Why there is no answer about a signature, or no signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum Error {
    /// There is no notary client, or it cannot be started.
    #[error("`{program}` cannot be run: {reason}")]
    #[diagnostic(
        code(trust::missing),
        help("content trust needs the notary client: `apt-get install notary`, or put it on the PATH")
    )]
    Missing {
        /// As looked for.
        program: String,
        /// The operating system's words.
        reason: String,
    },

    /// Tags are signed, nothing else.
    #[error("`{image}` names no tag, and only tags are signed")]
    #[diagnostic(code(trust::no_tag), help("name the image with its tag"))]
    NoTag {
        /// The reference.
        image: String,
    },

    /// A digest that trust data of docker cannot hold.
    #[error("`{digest}` cannot be signed")]
    #[diagnostic(
        code(trust::digest),
        help("a tag is signed with a digest of the form `sha256:` and 64 hexadecimal digits")
    )]
    Digest {
        /// As given.
        digest: String,
    },

    /// Nothing gives a passphrase, and nobody is asked for one.
    #[error("there is no passphrase for the delegation key to sign with")]
    #[diagnostic(
        code(trust::no_passphrase),
        help(
            "set DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE, or name a command that prints it: `passphrase-command` of \
             `content-trust` in kitmake.yml, or `content-trust-passphrase-command` of `pkg` in \
             ~/.moby/linuxkit/config.yml"
        )
    )]
    NoPassphrase,

    /// The command for the passphrase gives none.
    #[error("the command for the passphrase, `{command}`, gives none: {reason}")]
    #[diagnostic(
        code(trust::passphrase_command),
        help(
            "run it by hand with `</dev/null`: the first line that it prints is the passphrase, and nothing can be typed"
        )
    )]
    PassphraseCommand {
        /// As configured.
        command: String,
        /// How it ended.
        reason: String,
    },

    /// A configuration file of linuxkit.
    #[error("`{path}` cannot be read: {reason}")]
    #[diagnostic(
        code(trust::config),
        help("linuxkit's configuration may name the command for the passphrase; mend the file, or remove it")
    )]
    Config {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A login that notary has no use for.
    #[error("the login to `{host}` is an identity token, which notary cannot use")]
    #[diagnostic(
        code(trust::identity_token),
        help("`docker login {host}` with a user and an access token as the password")
    )]
    IdentityToken {
        /// The registry.
        host: String,
    },

    /// 401 or 403.
    #[error("the notary server `{server}` does not let us at the trust data of `{repository}`: {said}")]
    #[diagnostic(
        code(trust::unauthorized),
        help(
            "run `docker login {host}` as a user who has the right to it; a server that hides absent repositories answers \
             like this too"
        )
    )]
    Unauthorized {
        /// The canonical name of the image.
        repository: String,
        /// Its URL.
        server: String,
        /// The registry.
        host: String,
        /// What notary said.
        said: String,
    },

    /// No server, or one whose answer is not whole.
    #[error("the notary server `{server}` gives no answer to rely on: {said}")]
    #[diagnostic(
        code(trust::unreliable),
        help(
            "check the address (`server` of `content-trust` in kitmake.yml, DOCKER_CONTENT_TRUST_SERVER), the network, and \
             the certificate authority (`ca-file`)"
        )
    )]
    Unreliable {
        /// Its URL.
        server: String,
        /// What notary said.
        said: String,
    },

    /// There is nothing that a signature could be added to.
    #[error("the notary server `{server}` has no trust data of `{repository}`")]
    #[diagnostic(
        code(trust::not_initialised),
        help(
            "who owns the image makes it once, with a root key to be kept safe: `docker trust signer add --key CERT NAME \
             {repository}`, or `notary init -p {repository}`, `notary key rotate {repository} snapshot -r` and `notary \
             delegation add -p {repository} targets/releases CERT --all-paths`"
        )
    )]
    NotInitialised {
        /// The canonical name of the image.
        repository: String,
        /// Its URL.
        server: String,
    },

    /// Nobody may sign in the role.
    #[error("the trust data of `{repository}` on `{server}` has no delegation `targets/releases`")]
    #[diagnostic(
        code(trust::no_delegation),
        help(
            "who owns the image adds it: `docker trust signer add --key CERT NAME {repository}`, or `notary delegation add \
             -p {repository} targets/releases CERT --all-paths`"
        )
    )]
    NoDelegation {
        /// The canonical name of the image.
        repository: String,
        /// Its URL.
        server: String,
    },

    /// No key, or one that the passphrase does not open.
    #[error("no key can be used that may sign `{repository}`; it takes one of {keys}")]
    #[diagnostic(
        code(trust::no_key),
        help(
            "the passphrase is not that of the key, or the key is not in `{directory}`: `docker trust key load FILE`, or \
             `notary key import FILE --role user`, brings it there"
        )
    )]
    NoKey {
        /// The canonical name of the image.
        repository: String,
        /// The ids of the keys that may sign.
        keys: String,
        /// Where keys lie.
        directory: String,
    },

    /// Changes of somebody else would be published with ours.
    #[error("there are unpublished changes of `{repository}` in `{directory}`")]
    #[diagnostic(
        code(trust::staged),
        help(
            "they would be published with the signature: look with `notary -d {directory} status {repository}`, then \
             publish them, or drop them with `notary -d {directory} reset --all {repository}`"
        )
    )]
    Staged {
        /// The canonical name of the image.
        repository: String,
        /// Where notary keeps them.
        directory: String,
    },

    /// notary reported success, and the server does not have it.
    #[error("`{tag}` of `{repository}` was signed, and the server has another signature or none")]
    #[diagnostic(
        code(trust::unconfirmed),
        help(
            "sign again; if it stays, the delegation `targets/releases` may not be allowed to sign this tag (`--all-paths`)"
        )
    )]
    Unconfirmed {
        /// The canonical name of the image.
        repository: String,
        /// The tag.
        tag: String,
    },

    /// What notary lists cannot be read.
    #[error("the trust data of `{repository}` cannot be made out: {what}")]
    #[diagnostic(
        code(trust::malformed),
        help("this is written for notary 0.7; `notary list {repository}` shows what it says")
    )]
    Malformed {
        /// The canonical name of the image.
        repository: String,
        /// What is odd about it.
        what: String,
    },

    /// The directory with keys and trust data.
    #[error("`{path}` cannot be used: {reason}")]
    #[diagnostic(
        code(trust::directory),
        help("notary and docker keep keys and trust data there; it belongs to who runs them")
    )]
    Directory {
        /// A directory or file.
        path: String,
        /// What the system said.
        reason: String,
    },

    /// Another process is at work on the same repository.
    #[error("another process has held `{path}` for {seconds} s")]
    #[diagnostic(code(trust::locked), help("a notary that hangs holds it: end that, or wait"))]
    Locked {
        /// The file.
        path: String,
        /// How long it was waited for.
        seconds: u64,
    },

    /// notary does not end.
    #[error("`{command}` did not end within {seconds} s")]
    #[diagnostic(code(trust::late), help("check the notary server and the network"))]
    Late {
        /// The subcommand.
        command: String,
        /// How long it was waited for.
        seconds: u64,
    },

    /// Everything else.
    #[error("`notary {command}` failed: {said}")]
    #[diagnostic(code(trust::failed), help("run `notary {command}` by hand with the same server and directory"))]
    Failed {
        /// The subcommand.
        command: String,
        /// What notary said.
        said: String,
    },
}

impl Fault for Error {
    fn class(&self) -> Class {
        match self {
            Self::NoTag { .. } | Self::Digest { .. } => Class::Repository,
            _ => Class::Infrastructure,
        }
    }
}
