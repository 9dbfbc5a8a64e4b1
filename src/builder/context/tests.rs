use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use proptest::prelude::*;

use super::*;
use crate::builder::ContextSource;
use crate::image::Platform;

fn request(directory: &Path) -> BuildRequest {
    BuildRequest {
        directory: directory.to_owned(),
        extra_sources: Vec::new(),
        dockerfile: "Dockerfile".to_owned(),
        dockerfile_text: None,
        texts: BTreeMap::new(),
        archives: Vec::new(),
        left_out: Vec::new(),
        exclude: Vec::new(),
        platform: Platform::host(),
        build_args: BTreeMap::new(),
        labels: BTreeMap::new(),
        network: true,
        no_cache: false,
        planned_at: None,
        registries: Vec::new(),
        tags: Vec::new(),
    }
}

fn source(source: &Path, destination: &str) -> ContextSource {
    ContextSource { source: source.to_owned(), destination: destination.to_owned() }
}

fn files(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    kind: EntryType,
    mode: u32,
    link: Option<String>,
    text: String,
}

fn entries(request: &BuildRequest) -> Vec<Entry> {
    read(&write(request, Vec::new(), Vec::new()).unwrap())
}

fn read(bytes: &[u8]) -> Vec<Entry> {
    let mut archive = tar::Archive::new(bytes);
    let entry = |entry: io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let mut text = Vec::new();
        entry.read_to_end(&mut text).unwrap();
        Entry {
            name: String::from_utf8_lossy(&entry.path_bytes()).into_owned(),
            kind: entry.header().entry_type(),
            mode: entry.header().mode().unwrap(),
            link: entry.link_name_bytes().map(|link| String::from_utf8_lossy(&link).into_owned()),
            text: String::from_utf8_lossy(&text).into_owned(),
        }
    };
    archive.entries().unwrap().map(entry).collect()
}

fn names(request: &BuildRequest) -> Vec<String> {
    entries(request).into_iter().map(|entry| entry.name).collect()
}

fn error(request: &BuildRequest) -> ContextError {
    match write(request, Vec::new(), Vec::new()) {
        Err(WriteError::Source(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_package_comes_first_then_each_extra_source_in_order_each_sorted_with_parents_before_children() {
    let package = files(&[("b", ""), ("a/z", ""), ("a/y", ""), ("a.c", ""), (".hidden", ""), (".dockerignore", "*")]);
    let (one, two) = (files(&[("x", "")]), files(&[("w", "")]));
    let mut request = request(package.path());
    request.extra_sources = vec![source(two.path(), "/deep/two"), source(one.path(), "./one/")];
    assert_eq!(
        names(&request),
        [".dockerignore", ".hidden", "a", "a/y", "a/z", "a.c", "b", "deep/two", "deep/two/w", "one", "one/x"]
    );
}

#[test]
fn an_extra_source_comes_after_what_it_overrides() {
    let package = files(&[("lib/f", "package"), ("lib/g", "package")]);
    let extra = files(&[("f", "extra")]);
    let mut request = request(package.path());
    request.extra_sources = vec![source(extra.path(), "lib")];
    let texts: Vec<_> = entries(&request).into_iter().filter(|entry| entry.name == "lib/f").map(|e| e.text).collect();
    assert_eq!(texts, ["package", "extra"]);
}

#[test]
fn a_file_may_be_an_extra_source() {
    let package = files(&[("a", "")]);
    let extra = files(&[("f", "text")]);
    let mut request = request(package.path());
    request.extra_sources = vec![source(&extra.path().join("f"), "here/g")];
    let last = entries(&request).pop().unwrap();
    assert_eq!((last.name.as_str(), last.kind, last.text.as_str()), ("here/g", EntryType::Regular, "text"));
    request.extra_sources = vec![source(&extra.path().join("f"), "/")];
    assert!(matches!(error(&request), ContextError::Outside { .. }));
}

#[test]
fn links_are_stored_byte_for_byte_and_never_followed() {
    let package = files(&[("dir/f", "")]);
    let long = format!("../{}/x", "l".repeat(150));
    for (name, target) in [("to_dir", "dir"), ("dangling", "../..//no/"), ("absolute", "/etc/passwd"), ("long", &long)]
    {
        symlink(target, package.path().join(name)).unwrap();
    }
    let links: Vec<_> = entries(&request(package.path()))
        .into_iter()
        .filter(|entry| entry.kind == EntryType::Symlink)
        .map(|entry| (entry.name, entry.link.unwrap()))
        .collect();
    let expected =
        [("absolute", "/etc/passwd"), ("dangling", "../..//no/"), ("long", long.as_str()), ("to_dir", "dir")];
    assert_eq!(links, expected.map(|(name, target)| (name.to_owned(), target.to_owned())));
}

#[test]
fn a_link_as_an_extra_source_is_a_link_while_a_link_to_the_package_is_the_package() {
    let package = files(&[("f", "")]);
    let links = tempfile::tempdir().unwrap();
    symlink(package.path(), links.path().join("p")).unwrap();
    let mut request = request(&links.path().join("p"));
    request.extra_sources = vec![source(&links.path().join("p"), "extra")];
    let kinds: Vec<_> = entries(&request).into_iter().map(|entry| (entry.name, entry.kind)).collect();
    assert_eq!(kinds, [("f".to_owned(), EntryType::Regular), ("extra".to_owned(), EntryType::Symlink)]);
}

#[test]
fn modes_and_times_are_those_on_disk() {
    let package = files(&[("run", ""), ("suid", ""), ("dir/f", "")]);
    for (name, mode) in [("run", 0o755), ("suid", 0o4711), ("dir/f", 0o600), ("dir", 0o1777)] {
        fs::set_permissions(package.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let modes: Vec<_> = entries(&request(package.path())).into_iter().map(|entry| entry.mode).collect();
    assert_eq!(modes, [0o1777, 0o600, 0o755, 0o4711]);

    let bytes = write(&request(package.path()), Vec::new(), Vec::new()).unwrap();
    let mut archive = tar::Archive::new(bytes.as_slice());
    let first = archive.entries().unwrap().next().unwrap().unwrap();
    let metadata = fs::metadata(package.path().join("dir")).unwrap();
    assert_eq!(first.header().mtime().unwrap().cast_signed(), metadata.mtime());
    assert_eq!(first.header().uid().unwrap(), u64::from(metadata.uid()));
}

#[test]
fn what_is_left_out_is_absent_with_everything_below_it_but_only_from_the_package() {
    let package = files(&[("keep", ""), ("images/a.tar", ""), ("images.tar", ""), ("imagesx", "")]);
    let extra = files(&[("images.tar", "")]);
    let mut request = request(package.path());
    request.left_out = vec!["images".to_owned(), "./images.tar".to_owned()];
    request.extra_sources = vec![source(extra.path(), "/")];
    assert_eq!(names(&request), ["imagesx", "keep", "images.tar"]);
}

#[test]
fn what_is_excluded_is_absent_from_the_package_but_not_from_extra_sources() {
    let package = files(&[("a.log", ""), ("b", ""), ("dist/x", ""), ("sub/a.log", ""), ("sub/dist", "")]);
    let extra = files(&[("a.log", "")]);
    let mut request = request(package.path());
    request.exclude = vec!["*.log".to_owned(), "dist/".to_owned()];
    request.extra_sources = vec![source(extra.path(), "src")];
    assert_eq!(names(&request), ["b", "sub", "sub/dist", "src", "src/a.log"]);
}

#[test]
fn a_replaced_dockerfile_has_one_entry_with_the_new_text() {
    let package = files(&[("Dockerfile", "FROM old"), ("sub/Dockerfile", "FROM kept")]);
    let extra = files(&[("Dockerfile", "FROM other")]);
    let mut request = request(package.path());
    request.extra_sources = vec![source(extra.path(), "/")];
    request.dockerfile_text = Some("FROM new".to_owned());
    let dockerfiles: Vec<_> = entries(&request)
        .into_iter()
        .filter(|entry| entry.name.ends_with("Dockerfile"))
        .map(|entry| (entry.name, entry.text))
        .collect();
    assert_eq!(
        dockerfiles,
        [("sub/Dockerfile".to_owned(), "FROM kept".to_owned()), ("Dockerfile".to_owned(), "FROM new".to_owned())]
    );
}

#[test]
fn a_replaced_dockerfile_that_was_a_link_is_a_file() {
    let package = files(&[("real", "FROM old")]);
    symlink("real", package.path().join("Dockerfile")).unwrap();
    let mut request = request(package.path());
    request.dockerfile_text = Some("FROM new".to_owned());
    let last = entries(&request).pop().unwrap();
    assert_eq!((last.kind, last.mode, last.text.as_str()), (EntryType::Regular, 0o644, "FROM new"));
}

#[test]
fn files_that_are_not_written_yet_are_streamed_with_their_new_text_and_old_mode() {
    let package = files(&[("build.yml", "old"), ("Dockerfile", "FROM old"), ("other", "same")]);
    fs::set_permissions(package.path().join("build.yml"), fs::Permissions::from_mode(0o640)).unwrap();
    let mut request = request(package.path());
    let texts = [("build.yml", "new"), ("Dockerfile", "FROM new"), ("gone", "new")];
    request.texts = texts.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
    let streamed = |request: &BuildRequest| -> Vec<(String, u32, String)> {
        let files = entries(request).into_iter().filter(|entry| entry.kind == EntryType::Regular);
        let mut files: Vec<_> = files.map(|entry| (entry.name, entry.mode, entry.text)).collect();
        files.sort();
        files
    };
    let found = streamed(&request);
    let names: Vec<(&str, &str)> = found.iter().map(|(name, _, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(names, [("Dockerfile", "FROM new"), ("build.yml", "new"), ("other", "same")]);
    assert_eq!(found[1].1, 0o640);

    // A Dockerfile whose references are pointed elsewhere has that text, and what is left out stays out.
    request.dockerfile_text = Some("FROM elsewhere".to_owned());
    request.exclude = vec!["/build.yml".to_owned()];
    let found = streamed(&request);
    let names: Vec<(&str, &str)> = found.iter().map(|(name, _, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(names, [("Dockerfile", "FROM elsewhere"), ("other", "same")]);
}

#[test]
fn archives_come_last_under_their_path() {
    let package = files(&[("images/x.tar", "old")]);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"tar of images").unwrap();
    io::Seek::rewind(&mut file).unwrap();
    let archives = vec![ArchiveFile { path: "images/x.tar".to_owned(), file }];
    let last = read(&write(&request(package.path()), archives, Vec::new()).unwrap()).pop().unwrap();
    assert_eq!((last.name.as_str(), last.text.as_str()), ("images/x.tar", "tar of images"));
}

#[test]
fn a_destination_that_leaves_the_context_is_refused() {
    let (package, extra) = (files(&[("a", "")]), files(&[("f", "")]));
    let mut request = request(package.path());
    for destination in ["..", "../x", "a/../../x", "/../x"] {
        request.extra_sources = vec![source(extra.path(), destination)];
        assert_eq!(error(&request), ContextError::Outside { destination: destination.to_owned() });
    }
    request.extra_sources = vec![source(extra.path(), "a/../b")];
    assert!(names(&request).contains(&"b/f".to_owned()));
}

#[test]
fn what_is_missing_or_special_is_an_error_that_names_it() {
    let package = files(&[("a", "")]);
    let missing = package.path().join("missing");
    assert!(matches!(error(&request(&missing)), ContextError::Unreadable { path, .. } if path == missing));
    let mut with_extra = request(package.path());
    with_extra.extra_sources = vec![source(&missing, "x")];
    assert!(matches!(error(&with_extra), ContextError::Unreadable { path, .. } if path == missing));

    let socket = package.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    assert_eq!(error(&request(package.path())), ContextError::Special { path: socket });
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_an_error_and_one_that_grows_keeps_its_first_size() {
    let path = Path::new("f");
    let mut writer = Writer { tar: Builder::new(Vec::new()), replaced: BTreeMap::new(), planned_at: None };
    writer.file(&mut plain_header(), path, b"12345".as_slice(), 3, path).unwrap();
    let error = writer.file(&mut plain_header(), path, b"12".as_slice(), 3, path).unwrap_err();
    assert!(matches!(error, WriteError::Source(ContextError::Changed { .. })), "{error:?}");
    assert_eq!(read(&writer.tar.into_inner().unwrap())[0].text, "123");
}

/// A writer that deletes a file when the first bytes of the context pass through it.
struct Deletes(Option<PathBuf>);

impl Write for Deletes {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if let Some(path) = self.0.take() {
            fs::remove_file(path)?;
        }
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_file_that_vanishes_during_the_walk_is_an_error_that_names_it() {
    let package = files(&[("a", "first"), ("b", "vanishes")]);
    let path = package.path().join("b");
    let result = write(&request(package.path()), Vec::new(), Deletes(Some(path.clone())));
    assert!(
        matches!(&result, Err(WriteError::Source(ContextError::Unreadable { path: named, .. })) if *named == path),
        "{:?}",
        result.err()
    );
}

#[test]
fn a_reader_that_has_gone_is_no_fault_of_the_tree() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let package = files(&[("a", "text")]);
    assert!(matches!(write(&request(package.path()), Vec::new(), Gone), Err(WriteError::Output)));
}

proptest! {
    #[test]
    fn names_of_any_length_and_spelling_survive(
        components in prop::collection::vec("[a-z .\u{e4}\\\\]{1,60}[a-z]", 1..8), target in "[a-z./ ]{1,220}[a-z]",
    ) {
        let package = tempfile::tempdir().unwrap();
        let directory = components.iter().fold(package.path().to_owned(), |path, name| path.join(name));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("file"), "text").unwrap();
        symlink(&target, directory.join("link")).unwrap();
        let entries = entries(&request(package.path()));
        let (file, link) = (&entries[entries.len() - 2], &entries[entries.len() - 1]);
        prop_assert_eq!(&file.name, &format!("{}/file", components.join("/")));
        prop_assert_eq!(&file.text, "text");
        prop_assert_eq!(link.link.as_deref(), Some(target.as_str()));
    }
}

#[test]
fn what_changes_after_the_plan_fails_the_build_and_is_named() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("f"), "planned").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let mut request = request(directory.path());
    request.planned_at = Some(SystemTime::now());
    assert!(write(&request, Vec::new(), Vec::new()).is_ok());
    std::thread::sleep(Duration::from_millis(50));
    let changed = |request: &BuildRequest| match write(request, Vec::new(), Vec::new()) {
        Err(WriteError::Source(ContextError::Changed { path })) => Some(path),
        _ => None,
    };
    fs::write(directory.path().join("f"), "edited").unwrap();
    assert_eq!(changed(&request), Some(directory.path().join("f")));
    fs::remove_file(directory.path().join("f")).unwrap();
    assert_eq!(changed(&request), Some(directory.path().to_owned()), "a removed file changes its directory");
}
