"""Checks the package that an owner deploys without Rust."""

import functools
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
from samcli.yamlhelper import yaml_parse

from conftest import ARCHITECTURE, DOMAINS, EMBEDDED, ROOT, STACK, TEMPLATE, TOOLS, Cloud

EPOCH = {"SOURCE_DATE_EPOCH": "1767225600"}


@pytest.fixture(scope="module")
def archive(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with the artifact that the other tests deploy."""
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, ROOT / "deploy" / "package.py", artifact, directory]
    subprocess.run(command, env=os.environ | EPOCH, check=True)
    (archive,) = directory.glob("*.zip")
    return archive


@pytest.fixture
def unpacked(archive: Path, tmp_path: Path) -> Path:
    zipfile.ZipFile(archive).extractall(tmp_path / "unpacked")
    return tmp_path / "unpacked"


def test_package_contains_the_function_and_everything_to_deploy_it(archive: Path, artifact: Path) -> None:
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    assert archive.name == f"page-visit-counter-{version}-{ARCHITECTURE}.zip"
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], cwd=archive.parent, check=True)
    packed = zipfile.ZipFile(archive)
    licences = {"LICENSE", "RUST-STANDARD-LIBRARY-LICENSES.html", "THIRD-PARTY-LICENSES.txt"}
    assert {*packed.namelist()} == licences | {"README.md", "function/bootstrap", "samconfig.toml", "template.yaml"}
    assert packed.read("function/bootstrap") == artifact.read_bytes()
    # Without this mode, Lambda could not start the program. The stand-in would.
    assert packed.getinfo("function/bootstrap").external_attr >> 16 == 0o755


def test_packed_template_and_settings_are_the_repositorys_without_the_build(unpacked: Path) -> None:
    packed = yaml_parse((unpacked / "template.yaml").read_text())
    parameter = packed["Parameters"]["Architecture"]
    assert (parameter["Default"], parameter["AllowedValues"]) == (ARCHITECTURE, [ARCHITECTURE])
    function = {name: value for name, value in TEMPLATE["Resources"]["VisitCounter"].items() if name != "Metadata"}
    function["Properties"] = function["Properties"] | {"CodeUri": "function"}
    assert packed == TEMPLATE | {
        "Parameters": TEMPLATE["Parameters"] | {"Architecture": parameter},
        "Resources": TEMPLATE["Resources"] | {"VisitCounter": function},
    }
    expected = tomllib.loads((ROOT / "samconfig.toml").read_text())
    expected["default"]["global"]["parameters"]["parameter_overrides"]["Architecture"] = ARCHITECTURE
    expected["default"]["deploy"]["parameters"]["template_file"] = "template.yaml"
    text = (unpacked / "samconfig.toml").read_text()
    assert tomllib.loads(text) == expected
    assert "build" not in text.replace("built functions", "")
    assert "{{" not in (unpacked / "README.md").read_text()


def test_package_names_every_crate_in_the_program(unpacked: Path) -> None:
    command = ["cargo", "tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]
    tree = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    crates = {tuple(line.split()[:2]) for line in tree.splitlines() if "(/" not in line}
    assert len(crates) > 50
    licences = (unpacked / "THIRD-PARTY-LICENSES.txt").read_text()
    named = set(re.findall(r"^  ([a-z]\S*) (\d\S+)", licences, re.MULTILINE))
    assert {(name, version.removeprefix("v")) for name, version in crates} - named == set()
    assert f"from {len(named)} crates" in licences
    assert f"{len(named)} libraries" in (unpacked / "README.md").read_text()
    assert "The Rust Project Developers" in (unpacked / "RUST-STANDARD-LIBRARY-LICENSES.html").read_text()


def test_package_deploys_counts_gets_a_domain_and_is_deleted_without_rust(
    cloud: Cloud, unpacked: Path, tmp_path: Path
) -> None:
    """PATH has neither Rust nor a linker, and the settings are written as an owner would write them."""
    programs = tmp_path / "bin"
    programs.mkdir()
    # Only the SAM CLI runs. Its script uses these two to find itself.
    for name in ("dirname", "realpath"):
        (programs / name).symlink_to(shutil.which(name))
    sam = functools.partial(cloud.sam, cwd=unpacked, PATH=str(programs))
    sam("deploy")
    url = cloud.outputs(STACK)["PageUrl"]
    assert cloud.counts(url, url, url) == ["1", "2", "3"]
    assert "Max-Age=34560000" in cloud.visit(url).headers["set-cookie"]

    zone = cloud.client("route53").create_hosted_zone(Name="example.com", CallerReference="package")["HostedZone"]["Id"]
    settings = (unpacked / "samconfig.toml").read_text()
    for name, value in {
        "CookieMaxAgeDays": "30",
        # With spaces and commas: if parameters are written in SAM's other ways, what follows these is lost.
        "EmbedOrigins": "https://example.com https://example.org, http://localhost:9000",
        "DomainName": DOMAINS[0],
        "HostedZoneId": zone.removeprefix("/hostedzone/"),
        # The owner's own certificate, which the stack must not replace or delete.
        "CertificateArn": cloud.client("acm").request_certificate(DomainName=DOMAINS[0])["CertificateArn"],
    }.items():
        settings, count = re.subn(rf'(?m)^{name} = ".*"$', f'{name} = "{value}"', settings)
        assert count == 1
    (unpacked / "samconfig.toml").write_text(settings)
    sam("deploy")
    assert cloud.counts(url, f"https://{DOMAINS[0]}/") == ["1", "2"]
    assert "Max-Age=2592000" in cloud.visit(url).headers["set-cookie"]
    assert cloud.visit(url, "7", EMBEDDED | {"origin": "http://localhost:9000"}).count == "8"
    assert [record.split()[1] for record in cloud.dns_records()] == ["A", "AAAA"]
    # Other commands find the stack through samconfig.toml.
    assert url in sam("list", "stack-outputs", "--output", "json")

    made = {STACK, *cloud.resources(STACK).values()}
    sam("delete", "--no-prompts")
    left = cloud.inventory()
    assert not {"uploads", "DNS records"} & set(left)
    assert made & {name for kind, names in left.items() if kind != "certificates" for name in names} == set()
    assert DOMAINS[0] in left["certificates"]


def test_another_folder_makes_the_same_package(archive: Path) -> None:
    """The copy uses the compiled libraries. If one of them contained a folder's name, the program would too."""
    program = zipfile.ZipFile(archive).read("function/bootstrap")
    assert not [folder for folder in (ROOT, Path.home()) if str(folder).encode() in program]
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    ours = shutil.ignore_patterns("*page-visit-counter*", "*page_visit_counter*")
    # Not in tmp_path, which pytest would keep.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in files.splitlines():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, folder / file)
        (folder / ".tools").symlink_to(TOOLS.parents[1])
        for compiled in (ROOT / "target" / "release", *ROOT.glob("target/*-linux-gnu")):
            shutil.copytree(compiled, folder / "target" / compiled.name, ignore=ours)
        command = ["make", "package"]
        made = subprocess.run(command, cwd=folder, env=os.environ | EPOCH, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stdout + made.stderr
        assert "Compiling page-visit-counter" in made.stderr
        assert (folder / "dist" / "SHA256SUMS").read_text() == (archive.parent / "SHA256SUMS").read_text()
