"""Packs a built function for owners who have no Rust: `python package.py BUILD DIRECTORY`.

BUILD is the output of `sam build`. The package also contains samconfig.toml with the architecture of the build, a
README, what an owner reads in docs, and the licences of everything in the program. SOURCE_DATE_EPOCH dates the files,
so that the same commit gives the same bytes.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
import tomllib
import zipfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The documents that an owner needs. They link only to each other.
DOCUMENTS = ["cost-and-scale.md", "custom-domain.md", "dashboard.md", "deploying.md", "embed.md"]
DOCUMENTS += ["deployer-policy.json", "github-trust-policy.json", "embed.png"]
# By the machine in the header of an ELF file: AWS's name for the architecture, and Rust's for the target.
MACHINES = {62: ("x86_64", "x86_64-unknown-linux-gnu"), 183: ("arm64", "aarch64-unknown-linux-gnu")}


def main(build: Path, directory: Path) -> None:
    program = (build / "VisitCounter" / "bootstrap").read_bytes()
    architecture, target = MACHINES[int.from_bytes(program[18:20], "little")]
    samconfig = (ROOT / "samconfig.toml").read_text()
    samconfig, lines = re.subn(r'(?m)^Architecture = ".*"$', f'Architecture = "{architecture}"', samconfig)
    if lines != 1:
        sys.exit(f"samconfig.toml must have one line for Architecture, and has {lines}.")
    sysroot = Path(output("rustc", "--print", "sysroot").strip())
    files = {
        ".aws-sam/build/VisitCounter/bootstrap": program,
        ".aws-sam/build/template.yaml": (build / "template.yaml").read_bytes(),
        "LICENSE": (ROOT / "LICENSE").read_bytes(),
        "README.md": Path(__file__).with_name("README.md").read_bytes(),
        # Every toolchain includes this file, even with rustup's profile `minimal`.
        "RUST-STANDARD-LIBRARY-LICENSES.html": (sysroot / "share/doc/rust/COPYRIGHT-library.html").read_bytes(),
        "THIRD-PARTY-LICENSES.txt": third_party_licences(target).encode(),
        "samconfig.toml": samconfig.encode(),
    } | {f"docs/{name}": (ROOT / "docs" / name).read_bytes() for name in DOCUMENTS}
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    directory.mkdir(parents=True, exist_ok=True)
    archive = directory / f"{package['name']}-{package['version']}-{architecture}.zip"
    date = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, date)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix: the attributes below are file modes
            entry.external_attr = (0o755 if name.endswith("bootstrap") else 0o644) << 16
            packed.writestr(entry, content)
    # If both architectures have been packed, one list has both.
    packages = sorted(directory.glob(f"{package['name']}-{package['version']}-*.zip"))
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in packages]
    (directory / "SHA256SUMS").write_text("".join(sums))
    print(f"{archive}: {archive.stat().st_size:,} bytes")


def third_party_licences(target: str) -> str:
    """Each licence text in the folders of the crates in the program, after the crates that it belongs to.

    `cargo deny` checks that these licences are permitted.
    """
    metadata = json.loads(output("cargo", "metadata", "--locked", "--format-version", "1"))
    packages = {(package["name"], package["version"]): package for package in metadata["packages"]}
    command = f"cargo tree --locked --target {target} --edges normal,no-proc-macro --prefix none"
    tree = output(*command.split())
    crates = sorted({tuple(line.replace(" v", " ").split()[:2]) for line in tree.splitlines()[1:]})
    folders = {crate: Path(packages[crate]["manifest_path"]).parent for crate in crates}
    # The text of this licence is the same for everybody; that of the others names the authors.
    apache = next((path for folder in folders.values() if (path := folder / "LICENSE-APACHE").exists()), None)
    crates_by_text = defaultdict(list)
    for crate, folder in folders.items():
        files = sorted(path for path in folder.iterdir() if re.match("(?i)(licen[cs]e|copying|notice)", path.name))
        if not files and apache and "Apache-2.0" in packages[crate]["license"].split(" OR "):
            files = [apache]
        if not files:
            sys.exit(f"The crate {crate[0]} {crate[1]} has no file with its licence. Add the text to its package.")
        for path in files:
            text = "\n".join(line.rstrip() for line in path.read_text().strip().splitlines())
            crates_by_text[text].append(crate)
    parts = [f"The program contains code from {len(crates)} crates, under these licences.\n"]
    for text, names in sorted(crates_by_text.items(), key=lambda item: item[1]):
        lines = [f"  {name} {version} ({packages[name, version]['license']})\n" for name, version in names]
        parts.append(f"{'=' * 80}\n{''.join(sorted(lines))}\n{text}\n")
    return "\n".join(parts)


def output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
