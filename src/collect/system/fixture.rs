//! A directory that stands in for `/proc`, `/sys` or the root of a box that isn't here.

use std::fs;

use tempfile::TempDir;

/// Writes `files` (path, content) into a new directory.
pub(super) fn tree(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().expect("a temporary directory");
    for (path, content) in files {
        let path = root.path().join(path);
        let parent = path.parent().expect("inside the root");
        fs::create_dir_all(parent).expect("created");
        fs::write(&path, content).expect("written");
    }
    root
}
