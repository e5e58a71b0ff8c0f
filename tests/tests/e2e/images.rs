//! Images made of programs of this machine and the libraries they ask for. It owns what goes into one and
//! when it is built; it refuses to pull anything.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use testcontainers::core::BuildImageOptions;
use testcontainers::runners::AsyncBuilder;
use testcontainers::{GenericBuildableImage, GenericImage};

/// Longer than anything here takes, except on a machine that is about to fail the test anyway.
const BUILD: Duration = Duration::from_secs(60);

/// Whether a Docker daemon is there to be asked.
pub(crate) fn docker_answers() -> bool {
    if std::env::var_os("DOCKER_HOST").is_some() {
        return true;
    }
    std::os::unix::net::UnixStream::connect("/var/run/docker.sock").is_ok()
}

/// The image `name` with `programs` at its root, each under its file's name. It is built once for as long as
/// the programs stay the same: its tag stands for them.
pub(crate) async fn image_of(name: &str, programs: &[&Path]) -> GenericImage {
    let folder = tempfile::tempdir().unwrap();
    let mut image = GenericBuildableImage::new(format!("sluicegate-{name}"), tag(programs))
        .with_dockerfile_string("FROM scratch\nCOPY root/ /\n");
    for program in programs {
        let name = program.file_name().unwrap().to_str().unwrap();
        image = image.with_file(stripped(program, &folder), format!("./root/{name}"));
    }
    let wanted: BTreeSet<_> = programs.iter().flat_map(|program| libraries(program)).collect();
    for library in wanted {
        // What the name leads to, under the name: links would be copied as links.
        let file = library.canonicalize().unwrap();
        image = image.with_file(file, format!("./root{}", library.display()));
    }
    let building = image.build_image_with(BuildImageOptions::new().with_skip_if_exists(true));
    tokio::time::timeout(BUILD, building).await.expect("an image in time").unwrap()
}

/// Sixteen digits that change when one of `programs` is built or installed anew.
fn tag(programs: &[&Path]) -> String {
    let mut hasher = DefaultHasher::new();
    for program in programs {
        let about = program.metadata().unwrap();
        (program, about.len(), about.modified().unwrap()).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

/// `program` without what only a debugger reads; all of it when there is no `strip`. It is a file of its own
/// either way: a link would be copied as a link.
fn stripped(program: &Path, folder: &TempDir) -> PathBuf {
    let small = folder.path().join(program.file_name().unwrap());
    let strip = Command::new("strip").arg("--strip-debug").arg("-o").arg(&small).arg(program).status();
    if !strip.is_ok_and(|status| status.success()) {
        std::fs::copy(program, &small).unwrap();
    }
    small
}

/// The libraries the loader would load for `program`, the loader included, under the names it looks for.
fn libraries(program: &Path) -> BTreeSet<PathBuf> {
    let said = Command::new("ldd").arg(program).output().expect("ldd, which comes with the C library");
    let said = String::from_utf8(said.stdout).unwrap();
    said.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}
