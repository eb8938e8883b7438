"""The package that an owner without Rust deploys."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from cloud import Cloud
from conftest import TOOLS
from template import Template

# All that runs is the SAM CLI, and its script looks for itself with these two.
PROGRAMS = ("dirname", "realpath")


@pytest.fixture(scope="module")
def archive(root: Path, artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the artifact that the other tests deploy."""
    directory = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, root / "packaging" / "package.py", artifact, directory],
        env=os.environ | {"SOURCE_DATE_EPOCH": "1767225600"},
        check=True,
    )
    (archive,) = directory.glob("*.zip")
    return archive


@pytest.fixture
def unpacked(archive: Path, tmp_path: Path) -> Path:
    """An empty folder, and the package in it; zipfile would drop the modes."""
    folder = tmp_path / "unpacked"
    folder.mkdir()
    for entry in zipfile.ZipFile(archive).infolist():
        path = Path(zipfile.ZipFile(archive).extract(entry, folder))
        path.chmod(entry.external_attr >> 16)
    return folder


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """All of the PATH of an owner who has neither Rust nor a linker."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).symlink_to(shutil.which(name))
    return folder


def test_package_is_named_by_version_and_architecture_and_its_sum_stands_beside_it(
    root: Path, archive: Path, native_architecture: str
) -> None:
    package = tomllib.loads((root / "Cargo.toml").read_text())["package"]
    assert archive.name == f"{package['name']}-{package['version']}-{native_architecture}.zip"
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], cwd=archive.parent, check=True)


def test_package_holds_the_function_and_what_deploys_and_explains_it(archive: Path, artifact: Path) -> None:
    packed = zipfile.ZipFile(archive)
    assert packed.namelist() == [
        "LICENSE",
        "README.md",
        "RUST-STANDARD-LIBRARY-LICENSES.html",
        "THIRD-PARTY-LICENSES.txt",
        "function/bootstrap",
        "samconfig.toml",
        "template.yaml",
    ]
    assert packed.read("function/bootstrap") == artifact.read_bytes()
    # Lambda could not start it otherwise; the stand-in does.
    assert packed.getinfo("function/bootstrap").external_attr >> 16 == 0o755


def test_packed_template_is_the_repositorys_but_for_the_build(
    unpacked: Path, template: Template, native_architecture: str
) -> None:
    packed = Template(unpacked / "template.yaml").body
    parameter = packed["Parameters"].pop("Architecture")
    assert (parameter["Default"], parameter["AllowedValues"]) == (native_architecture, [native_architecture])
    expected = Template(template.path).body
    del expected["Parameters"]["Architecture"]
    del expected["Resources"]["VisitCounter"]["Metadata"]
    expected["Resources"]["VisitCounter"]["Properties"]["CodeUri"] = "function"
    assert packed == expected


def test_packed_samconfig_is_the_repositorys_but_for_the_build(
    root: Path, unpacked: Path, native_architecture: str
) -> None:
    expected = tomllib.loads((root / "samconfig.toml").read_text())
    expected["default"]["global"]["parameters"]["parameter_overrides"]["Architecture"] = native_architecture
    expected["default"]["deploy"]["parameters"]["template_file"] = "template.yaml"
    text = (unpacked / "samconfig.toml").read_text()
    assert tomllib.loads(text) == expected
    assert "build" not in text.replace("built functions", "")


def test_package_explains_every_parameter(unpacked: Path, template: Template) -> None:
    readme = (unpacked / "README.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE) == list(template.parameters)
    assert "{{" not in readme


def test_package_names_every_crate_that_is_linked_in(root: Path, unpacked: Path) -> None:
    tree = subprocess.run(
        ["cargo", "tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    crates = {tuple(line.split()[:2]) for line in tree.stdout.splitlines() if "(/" not in line}
    assert len(crates) > 50
    licences = (unpacked / "THIRD-PARTY-LICENSES.txt").read_text()
    named = set(re.findall(r"^  ([a-z]\S*) (\d\S+)", licences, re.MULTILINE))
    assert {(name, version.removeprefix("v")) for name, version in crates} - named == set()
    assert f"from {len(named)} crates" in licences
    assert f"{len(named)} libraries" in (unpacked / "README.md").read_text()
    assert "The Rust Project Developers" in (unpacked / "RUST-STANDARD-LIBRARY-LICENSES.html").read_text()


def test_package_deploys_counts_changes_and_goes_without_rust(cloud: Cloud, unpacked: Path, programs: Path) -> None:
    for tool in ("cargo", "cargo-lambda", "rustc", "zig"):
        assert shutil.which(tool, path=str(programs)) is None

    def sam(*arguments: str) -> None:
        done = cloud.sam(*arguments, cwd=unpacked, path=programs)
        assert done.returncode == 0, done.stdout + done.stderr

    sam("deploy")
    url = cloud.outputs("page-visits")["PageUrl"]
    count = None
    for expected in ("1", "2", "3"):
        answer = cloud.visit(url, count)
        count = answer.count
        assert (answer.status, count) == (200, expected)
    assert "Max-Age=34560000" in answer.headers["set-cookie"]

    settings = unpacked / "samconfig.toml"
    settings.write_text(settings.read_text().replace('CookieMaxAgeDays = "400"', 'CookieMaxAgeDays = "30"'))
    sam("deploy")
    answer = cloud.visit(url, count)
    assert answer.count == "4"
    assert "Max-Age=2592000" in answer.headers["set-cookie"]

    made = {"page-visits", *cloud.resources("page-visits").values()}
    sam("delete", "--no-prompts")
    left = cloud.inventory()
    assert "bucket objects" not in left
    assert made & {name for names in left.values() for name in names} == set()


def test_the_same_commit_makes_the_same_package_in_another_folder(root: Path) -> None:
    """Compiles everything a second time, elsewhere."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
    # Not tmp_path, which pytest would keep, half a gigabyte of it.
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["xargs", "-0", "cp", "--parents", "-t", folder], cwd=root, input=files, check=True)
        (Path(folder) / ".tools").symlink_to(TOOLS.parents[1])
        environment = os.environ | {"SOURCE_DATE_EPOCH": "1767225600"}
        for place in (root, Path(folder)):
            subprocess.run(["make", "package"], cwd=place, env=environment, check=True)
        assert (Path(folder) / "dist" / "SHA256SUMS").read_text() == (root / "dist" / "SHA256SUMS").read_text()
