//! A certificate authority for one test, made with openssl.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support;

/// A certificate authority, and the certificate of a server on 127.0.0.1 that it vouches for.
pub struct Authority(PathBuf);

impl Authority {
    /// Makes both in this directory.
    pub fn new(directory: &Path) -> Self {
        let authority = Self(directory.to_owned());
        authority.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=Authority",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
        ]);
        let subject = ["-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.csr"];
        authority.openssl(&[&["req", "-newkey", "rsa:2048", "-nodes"][..], &subject].concat());
        std::fs::write(directory.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        let signer = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"];
        authority.openssl(&[&["x509", "-req", "-in", "server.csr", "-out", "server.crt"][..], &signer].concat());
        authority
    }

    /// Makes the key of a signer and a certificate of its own for it; returns the certificate and the key.
    pub fn signer(&self) -> (PathBuf, PathBuf) {
        let (certificate, key) = (self.path("signer.crt"), self.path("signer.key"));
        if !key.exists() {
            self.openssl(&[
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "400",
                "-subj",
                "/CN=signer",
                "-keyout",
                "signer.key",
                "-out",
                "signer.crt",
            ]);
        }
        (certificate, key)
    }

    /// One of the files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn openssl(&self, arguments: &[&str]) {
        support::run(Command::new("openssl").args(arguments).current_dir(&self.0));
    }
}
