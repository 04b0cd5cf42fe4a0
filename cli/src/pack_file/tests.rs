use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

const SMALL: Limits = Limits { file_bytes_max: 100, total_bytes_max: 250, files_max: 8 };

fn files(list: &[(&str, &[u8])]) -> Files {
    list.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect()
}

fn zip_of(list: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in list {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn check(bytes: Vec<u8>, expected: &str) {
    let found = match read_zip(Cursor::new(bytes), &SMALL) {
        Ok(files) => files.keys().cloned().collect::<Vec<_>>().join(" "),
        Err(PackFileError::Malformed(finding)) => {
            assert_eq!(finding.code, Code::PackMalformed);
            finding.detail
        }
        Err(PackFileError::Failure(failure)) => failure.render(),
    };
    assert!(found.contains(expected), "expected {expected:?}, found {found:?}");
}

/// Renames a member in place, in both headers.
fn renamed(bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes;
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    bytes
}

#[cfg(feature = "ledger")]
#[test]
fn what_is_written_is_read_back_and_written_the_same_again() {
    let pack = files(&[("data/entries/0.txt", b"zero"), ("README.txt", b""), ("data/a", b"a")]);
    let mut first = Cursor::new(Vec::new());
    write(&pack, &mut first).unwrap();
    let mut second = Cursor::new(Vec::new());
    write(&pack, &mut second).unwrap();
    assert_eq!(first.get_ref(), second.get_ref());
    assert_eq!(read_zip(Cursor::new(first.into_inner()), &SMALL).unwrap(), pack);
}

#[test]
fn names_stay_inside_the_folder() {
    check(zip_of(&[("attestry-pack/a/b.txt", b"x")]), "a/b.txt");
    check(zip_of(&[("attestry-pack/", b""), ("attestry-pack/a", b"x")]), "a");
    for name in [
        "attestry-pack/../etc/passwd",
        "../attestry-pack/a",
        "/attestry-pack/a",
        "attestry-pack//a",
        "attestry-pack/./a",
        "attestry-pack/a\\b",
        "attestry-pack/C:a",
        "attestry-pack/a\u{1b}[2J",
        "attestry-packed/a",
        "other/a",
        "a",
    ] {
        check(zip_of(&[(name, b"x")]), "does not stand below attestry-pack/");
    }
}

#[test]
fn a_name_stands_once() {
    let two = zip_of(&[("attestry-pack/aa", b"1"), ("attestry-pack/bb", b"2")]);
    check(renamed(two, "attestry-pack/bb", "attestry-pack/aa"), "stands twice");
}

#[test]
fn both_headers_say_the_same_name() {
    let mut bytes = zip_of(&[("attestry-pack/aa", b"1")]);
    // The first occurrence is the local header; the other one stays.
    let at = bytes.windows(2).position(|pair| pair == b"aa").unwrap();
    bytes[at..at + 2].copy_from_slice(b"bb");
    check(bytes, "member 0");
}

#[test]
fn a_cut_off_archive_says_so() {
    let whole = zip_of(&[("attestry-pack/a", b"0123456789"), ("attestry-pack/b", b"x")]);
    for length in [0, 1, 20, whole.len() / 2, whole.len() - 1] {
        check(whole[..length].to_vec(), "not a whole zip file");
    }
}

#[test]
fn nothing_stands_before_or_behind() {
    let whole = zip_of(&[("attestry-pack/a", b"x")]);
    check([b"#!/bin/sh\n".as_slice(), &whole].concat(), "stands before");
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.set_comment("hidden").unwrap();
    check(writer.finish().unwrap().into_inner(), "comment behind");
}

#[test]
fn bombs_do_not_go_off() {
    check(zip_of(&[("attestry-pack/a", &[0; 101])]), "has 101 bytes, at most 100");
    let many: Vec<(String, Vec<u8>)> =
        (0..3).map(|n| (format!("attestry-pack/{n}"), vec![0; 90])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect();
    check(zip_of(&many), "more than 250 bytes");
    let names: Vec<String> = (0..9).map(|n| format!("attestry-pack/{n}")).collect();
    let names: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), b"".as_slice())).collect();
    check(zip_of(&names), "9 files, at most 8");
    // A size that the archive does not hold, in both headers.
    let mut lying = zip_of(&[("attestry-pack/a", b"0123456789")]);
    for at in 0..lying.len() - 4 {
        if lying[at..at + 4] == 10u32.to_le_bytes() {
            lying[at] = 99;
        }
    }
    let refused = read_zip(Cursor::new(lying), &SMALL);
    assert!(matches!(refused, Err(PackFileError::Malformed(_))));
}

#[test]
fn only_plain_stored_files() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    writer.add_symlink("attestry-pack/link", "/etc/passwd", options).unwrap();
    check(writer.finish().unwrap().into_inner(), "no plain file");
}

#[test]
fn an_unpacked_folder_is_read_too() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join(FOLDER);
    std::fs::create_dir_all(root.join("data/entries")).unwrap();
    std::fs::write(root.join("bagit.txt"), b"x").unwrap();
    std::fs::write(root.join("data/entries/0.txt"), b"y").unwrap();
    let expected = files(&[("bagit.txt", b"x"), ("data/entries/0.txt", b"y")]);
    assert_eq!(read(dir.path(), &SMALL).unwrap(), expected);
    assert_eq!(read(&root, &SMALL).unwrap(), expected);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/etc/passwd", root.join("data/link")).unwrap();
        assert!(matches!(read(&root, &SMALL), Err(PackFileError::Malformed(_))));
    }
}
