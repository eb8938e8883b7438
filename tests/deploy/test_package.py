"""Checks the package that an owner deploys without Rust."""

import functools
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from elftools.elf.enums import ENUM_E_MACHINE

from conftest import ARCHITECTURE, EMBEDDED, ROOT, STACK, Cloud


@pytest.fixture(scope="module")
def archive(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with the build that the other tests deploy."""
    directory = tmp_path_factory.mktemp("dist")
    pack(build, directory)
    (archive,) = directory.glob("*.zip")
    return archive


def pack(build: Path, directory: Path) -> None:
    command = [sys.executable, ROOT / "package" / "package.py", build, directory]
    subprocess.run(command, env=os.environ | {"SOURCE_DATE_EPOCH": "1767225600"}, check=True)


def test_package_contains_the_build_and_everything_to_deploy_it(archive: Path, build: Path) -> None:
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    assert archive.name == f"page-visit-counter-{version}-{ARCHITECTURE}.zip"
    packed = zipfile.ZipFile(archive)
    built = {".aws-sam/build/template.yaml", ".aws-sam/build/VisitCounter/bootstrap"}
    licences = {"LICENSE", "RUST-STANDARD-LIBRARY-LICENSES.html", "THIRD-PARTY-LICENSES.txt"}
    documents = {name for name in packed.namelist() if name.startswith("docs/")}
    assert {*packed.namelist()} == built | licences | documents | {"README.md", "samconfig.toml"}
    assert "docs/deployer-policy.json" in documents
    for name in built:
        assert packed.read(name) == (build / Path(name).relative_to(".aws-sam/build")).read_bytes()
    program = packed.read(".aws-sam/build/VisitCounter/bootstrap")
    assert not [folder for folder in (ROOT, Path.home()) if str(folder).encode() in program], "the owner's folders"
    # Without this mode, Lambda could not start the program. The stand-in would.
    assert packed.getinfo(".aws-sam/build/VisitCounter/bootstrap").external_attr >> 16 == 0o755
    for name in (name for name in packed.namelist() if name.endswith(".md")):
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", packed.read(name).decode()):
            target = os.path.normpath(Path(name).parent / link)
            assert target in packed.namelist(), f"{name} links to {link}, which the package does not contain"


def test_package_is_for_the_architecture_of_its_program(build: Path, tmp_path: Path) -> None:
    """With another architecture in samconfig.toml, every visit would be a 502."""
    shutil.copytree(build, tmp_path / "build")
    program = tmp_path / "build" / "VisitCounter" / "bootstrap"
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())
    for architecture, machine in {"x86_64": "EM_X86_64", "arm64": "EM_AARCH64"}.items():
        # Where the header of an ELF file has the machine
        header = bytearray(program.read_bytes())
        header[18:20] = ENUM_E_MACHINE[machine].to_bytes(2, "little")
        program.write_bytes(header)
        pack(tmp_path / "build", tmp_path / "dist")
        (archive,) = (tmp_path / "dist").glob(f"*-{architecture}.zip")
        settings["default"]["global"]["parameters"]["parameter_overrides"]["Architecture"] = architecture
        assert tomllib.loads(zipfile.ZipFile(archive).read("samconfig.toml").decode()) == settings
    sums = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    checked = subprocess.run(sums, cwd=tmp_path / "dist", check=True, capture_output=True, text=True).stdout
    assert checked.count(": OK") == 2


def test_package_has_the_licences_of_everything_in_the_program(archive: Path) -> None:
    packed = zipfile.ZipFile(archive)
    licences = packed.read("THIRD-PARTY-LICENSES.txt").decode()
    crates = re.findall(r"^  (\S+) \d\S* \(", licences, re.MULTILINE)
    assert {"http", "lambda_http", "lambda_runtime", "serde_json", "tokio"} <= {*crates}
    # Neither is in the program: one generates code at build time, the other is for tests.
    assert not {"serde_derive", "proptest"} & {*crates}
    assert f"from {len({*crates})} crates" in licences
    for text in ("Permission is hereby granted, free of charge", "TERMS AND CONDITIONS FOR USE, REPRODUCTION"):
        assert text in licences
    assert "The Rust Project Developers" in packed.read("RUST-STANDARD-LIBRARY-LICENSES.html").decode()


def test_package_deploys_counts_and_is_deleted_without_rust(cloud: Cloud, archive: Path, tmp_path: Path) -> None:
    """PATH has neither Rust nor a linker, and the settings are written as an owner would write them."""
    unpacked, programs = tmp_path / "unpacked", tmp_path / "bin"
    zipfile.ZipFile(archive).extractall(unpacked)
    programs.mkdir()
    # Only the SAM CLI runs. Its script uses these two to find itself.
    for name in ("dirname", "realpath"):
        (programs / name).symlink_to(shutil.which(name))
    sam = functools.partial(cloud.sam, cwd=unpacked, PATH=str(programs))
    sam("deploy")
    url = cloud.outputs(STACK)["PageUrl"]
    assert cloud.counts(url, url, url) == ["1", "2", "3"]

    settings = (unpacked / "samconfig.toml").read_text()
    for name, value in {
        "CookieMaxAgeDays": "30",
        # With spaces and commas: if parameters are written in SAM's other ways, what follows these is lost.
        "EmbedOrigins": "https://example.com https://example.org, http://localhost:9000",
    }.items():
        settings, count = re.subn(rf'(?m)^{name} = ".*"$', f'{name} = "{value}"', settings)
        assert count == 1
    (unpacked / "samconfig.toml").write_text(settings)
    sam("deploy")
    assert cloud.counts(url, url) == ["1", "2"]
    assert "Max-Age=2592000" in cloud.visit(url).headers["set-cookie"]
    embedded = cloud.visit(url, cookie="count=7", **EMBEDDED | {"origin": "http://localhost:9000"})
    assert embedded.headers["set-cookie"].startswith("count=8;")
    # Other commands find the stack through samconfig.toml.
    assert url in sam("list", "stack-outputs", "--output", "json")

    sam("delete", "--no-prompts")
    assert {*cloud.inventory()} <= {"certificates"}  # from another test
