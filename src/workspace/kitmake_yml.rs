//! kitmake.yml: the optional file at the root of a workspace.

use std::collections::BTreeMap;

/// What a kitmake.yml says; all of it is optional.
#[derive(Debug, Clone, Default)]
pub struct KitmakeYml {
    /// Further build ymls by directory: `packages: {DIR: [YML, ...]}`. A directory listed here has exactly the ymls named.
    pub packages: BTreeMap<String, Vec<String>>,
    /// `HOST[/PREFIX]` where images without a host in their name live.
    pub registry: Option<String>,
    /// Registry hosts that are spoken to without TLS.
    pub insecure_registries: Vec<String>,
}
