//! What is compared, and how it is built.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use flate2::{Compression, write::DeflateEncoder};
use serde_json::Value;

use crate::page::Page;

/// A program that answers visits.
#[derive(Debug)]
pub(crate) struct Contender {
    /// Its name in the results.
    pub(crate) name: &'static str,
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    /// Where it is started.
    pub(crate) directory: PathBuf,
    /// What its environment holds beside what Lambda sets.
    pub(crate) variables: Vec<(String, String)>,
    /// The size of the upload in bytes.
    pub(crate) zip: u64,
}

/// The folders that everything is found in.
#[derive(Debug)]
pub(crate) struct Folders {
    /// The repository.
    pub(crate) root: PathBuf,
    /// What the benchmark writes.
    pub(crate) target: PathBuf,
}

impl Folders {
    /// Those of the repository that this program was built from.
    pub(crate) fn find() -> io::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .ok_or_else(|| io::Error::other("no repository"))?
            .to_owned();
        let target = root.join("target/bench");
        fs::create_dir_all(&target)?;
        Ok(Self { root, target })
    }

    fn benches(&self) -> PathBuf {
        self.root.join("benches")
    }
}

/// The function itself, with the features that it is deployed with.
pub(crate) fn counter(folders: &Folders) -> io::Result<Contender> {
    same_profile(folders)?;
    let mut build = cargo_build(&folders.root.join("Cargo.toml"), "page-visit-counter");
    Contender::rust("page-visit-counter", &mut build)
}

/// The same program with the names of its functions, to see where its instructions go.
pub(crate) fn counter_with_symbols(folders: &Folders) -> io::Result<Contender> {
    let mut build = cargo_build(&folders.root.join("Cargo.toml"), "page-visit-counter");
    build
        .arg("--target-dir")
        .arg(folders.target.join("profile"))
        .env("CARGO_PROFILE_RELEASE_STRIP", "none");
    Contender::rust("page-visit-counter with symbols", &mut build)
}

/// What the platform itself costs.
pub(crate) fn constant_page(folders: &Folders, page: &Page) -> io::Result<Contender> {
    let mut build = cargo_build(&folders.benches().join("Cargo.toml"), "constant_page");
    build
        .arg("--target-dir")
        .arg(&folders.target)
        .env("BENCH_PAGE", &page.rendered);
    Contender::rust("constant page", &mut build)
}

/// The set-up of the first examples.
pub(crate) fn newcomer(folders: &Folders, page: &Page) -> io::Result<Contender> {
    let mut build = cargo_build(&folders.benches().join("Cargo.toml"), "newcomer");
    build
        .arg("--target-dir")
        .arg(&folders.target)
        .env("BENCH_PAGE", &page.template);
    Contender::rust("newcomer", &mut build)
}

/// The original design.
pub(crate) fn django(folders: &Folders, page: &Page) -> io::Result<Contender> {
    let sources = folders.benches().join("contenders/django");
    let requirements = sources.join("requirements.txt");
    let package = folders.target.join("django");
    let installed = package.join("requirements.txt");
    // A shim would be one more process between the clock and the program.
    let python = output(Command::new("python3").args(["-c", "import sys; print(sys.executable)"]))?;
    if fs::read(&installed).ok() != fs::read(&requirements).ok() {
        fs::remove_dir_all(&package).ok();
        eprintln!("installing Django");
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet"])
            .args(["--disable-pip-version-check", "--root-user-action=ignore"])
            .args(["--no-deps", "--target"])
            .arg(&package)
            .arg("--requirement")
            .arg(&requirements))?;
        fs::copy(&requirements, &installed)?;
    }
    fs::copy(sources.join("app.py"), package.join("app.py"))?;
    let mut files = Vec::new();
    list_upload(&package, &mut files)?;
    files.push(page.template.clone());
    Ok(Contender {
        name: "Django",
        command: [&python, "-m", "awslambdaric", "app.handler"]
            .map(str::to_owned)
            .to_vec(),
        directory: package.clone(),
        variables: vec![
            ("BENCH_PAGE".to_owned(), page.template.display().to_string()),
            ("LAMBDA_TASK_ROOT".to_owned(), package.display().to_string()),
            ("PYTHONPATH".to_owned(), package.display().to_string()),
        ],
        zip: zip_size(&files)?,
    })
}

impl Contender {
    fn rust(name: &'static str, build: &mut Command) -> io::Result<Self> {
        eprintln!("building {name}");
        let messages = output(build)?;
        let program = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find_map(|message| Some(message["executable"].as_str()?.to_owned()))
            .ok_or_else(|| io::Error::other("cargo built no program"))?;
        let directory = env::temp_dir();
        let zip = zip_size(&[PathBuf::from(&program)])?;
        Ok(Self {
            name,
            command: vec![program],
            directory,
            variables: Vec::new(),
            zip,
        })
    }
}

fn cargo_build(manifest: &Path, package: &str) -> Command {
    let mut command = Command::new("cargo");
    command
        .args(["build", "--release", "--locked", "--quiet"])
        .args(["--message-format", "json-render-diagnostics"])
        .args(["--package", package, "--bin", package])
        .arg("--manifest-path")
        .arg(manifest);
    command
}

/// Makes sure that the contenders are built as the function is.
fn same_profile(folders: &Folders) -> io::Result<()> {
    let profile = |manifest: &Path| -> io::Result<Vec<String>> {
        let manifest = fs::read_to_string(manifest)?;
        let mut keys: Vec<String> = manifest
            .lines()
            .skip_while(|line| *line != "[profile.release]")
            .skip(1)
            .take_while(|line| !line.starts_with('['))
            .filter_map(|line| line.split('#').next())
            .map(|key| key.trim().to_owned())
            .filter(|key| !key.is_empty())
            .collect();
        keys.sort();
        Ok(keys)
    };
    let own = profile(&folders.root.join("Cargo.toml"))?;
    let theirs = profile(&folders.benches().join("Cargo.toml"))?;
    if own == theirs {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "[profile.release] differs between Cargo.toml ({own:?}) and benches/Cargo.toml ({theirs:?})"
    )))
}

/// The files of a Python package that are uploaded: not what Python compiles, and not AWS's client,
/// which its Python runtime brings.
fn list_upload(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_left_out = name == "__pycache__"
            || ["awslambdaric", "runtime_client", "simplejson", "snapshot_"]
                .iter()
                .any(|client| name.starts_with(client));
        if is_left_out {
            continue;
        }
        if path.is_dir() {
            list_upload(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The size of a zip archive of the files, deflated at the level (6) that `zip` and AWS SAM use.
fn zip_size(files: &[PathBuf]) -> io::Result<u64> {
    /// A local header, an entry of the central directory; each with the name.
    const FILE: usize = 30 + 46;
    const END: usize = 22;
    let mut size = END;
    for file in files {
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::new(6));
        io::Write::write_all(&mut deflated, &fs::read(file)?)?;
        let name = file.file_name().map_or(0, std::ffi::OsStr::len);
        size += deflated.finish()?.len() + FILE + 2 * name;
    }
    Ok(size as u64)
}

fn run(command: &mut Command) -> io::Result<()> {
    output(command).map(|_| ())
}

/// What a command that succeeds prints.
pub(crate) fn output(command: &mut Command) -> io::Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("{command:?}: {error}")))?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{command:?}: {}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
