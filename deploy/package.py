"""Packs a built function for owners who have no Rust: `python package.py BOOTSTRAP DIRECTORY`.

Everything except the program is derived from the repository: the lines for the build are removed from the template
and samconfig.toml, the README's table is made from the template's parameters, and the licences are those of the
crates in Cargo.lock and of Rust's standard library. The same commit makes the same bytes: `make package` keeps the
names of folders out of the program, and SOURCE_DATE_EPOCH dates the files.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from pathlib import Path

from samcli.yamlhelper import yaml_parse

HERE = Path(__file__).parent
ROOT = HERE.parent
ELF_MACHINES = {62: "x86_64", 183: "arm64"}
TARGETS = {"x86_64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}


def main(bootstrap: Path, directory: Path) -> None:
    program = bootstrap.read_bytes()
    architecture = ELF_MACHINES[int.from_bytes(program[18:20], "little")]
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    template = packed_template((ROOT / "template.yaml").read_text(), architecture)
    licences = third_party_licences(architecture)
    sysroot = Path(output("rustc", "--print", "sysroot").strip())
    files = {
        "LICENSE": (ROOT / "LICENSE").read_bytes(),
        "README.md": readme(template, package["version"], architecture, licences).encode(),
        # Every toolchain includes this file, even with rustup's profile `minimal`.
        "RUST-STANDARD-LIBRARY-LICENSES.html": (sysroot / "share/doc/rust/COPYRIGHT-library.html").read_bytes(),
        "THIRD-PARTY-LICENSES.txt": licences.encode(),
        "function/bootstrap": program,
        "samconfig.toml": packed_samconfig((ROOT / "samconfig.toml").read_text(), architecture).encode(),
        "template.yaml": template.encode(),
    }
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


def packed_template(template: str, architecture: str) -> str:
    """The repository's template, for a function that is already built for one architecture."""
    return replaced(
        template,
        (r"    Metadata:\n      BuildMethod: rust-cargolambda\n", ""),
        (r"CodeUri: \.\n", "CodeUri: function\n"),
        (
            r"(  Architecture:\n    Type: String\n)(    .*\n)+?(?=  \w)",
            rf"\1    Description: Instruction set of the function in this package.\n    Default: {architecture}\n"
            rf"    AllowedValues: [{architecture}]\n"
            rf"    ConstraintDescription: must be {architecture}; another architecture has its own package\n",
        ),
    )


def packed_samconfig(samconfig: str, architecture: str) -> str:
    """The repository's settings of `sam deploy`, for a template without a build."""
    return replaced(
        samconfig,
        (
            r"`sam build && sam deploy` deploys everything. Neither command prompts.",
            "`sam deploy` deploys everything and does not prompt.",
        ),
        (r"`sam build` and `sam deploy` both read this table;", "`sam deploy` reads this table;"),
        (r'(?m)^Architecture = "\w+"$', f'Architecture = "{architecture}"'),
        (r'(# .*\n)*template_file = ".*"\n', 'template_file = "template.yaml"\n'),
    )


def replaced(text: str, *replacements: tuple[str, str]) -> str:
    """Stops unless each pattern is found exactly once: the file has changed, and this script must change too."""
    for pattern, replacement in replacements:
        text, count = re.subn(pattern, replacement, text)
        if count != 1:
            sys.exit(f"package.py must find this exactly once, but found it {count} times: {pattern}")
    return text


def readme(template: str, version: str, architecture: str, licences: str) -> str:
    rows = []
    for name, parameter in yaml_parse(template)["Parameters"].items():
        default = f"`{parameter['Default']}`" if parameter["Default"] else "empty"
        rows.append(f"| `{name}` | {default} | {parameter['Description']} |")
    (snippet,) = re.findall(r"```html\n.+?```", (ROOT / "docs" / "embed.md").read_text(), re.DOTALL)
    values = {
        "VERSION": version,
        "ARCHITECTURE": architecture,
        "PARAMETERS": "\n".join(rows),
        "EMBED": snippet,
        "CRATES": re.findall(r"from (\d+) crates", licences)[0],
    }
    return re.sub(r"\{\{(\w+)}}", lambda match: values[match[1]], (HERE / "README.md").read_text())


def third_party_licences(architecture: str) -> str:
    """The licences of the crates in the program. Fails unless .cargo/deny.toml allows each."""
    settings = {
        "accepted": tomllib.loads((ROOT / ".cargo" / "deny.toml").read_text())["licenses"]["allow"],
        "targets": [TARGETS[architecture]],
    }
    # cargo-about reads all of Cargo.lock, but a build only downloads the crates for its own target.
    output("cargo", "fetch", "--locked")
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as configuration:
        configuration.writelines(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
        configuration.write("ignore-build-dependencies = true\nignore-dev-dependencies = true\n")
        configuration.write("private = { ignore = true }\n")
        configuration.flush()
        command = ["cargo-about", "generate", "--locked", "--offline", "--fail", "--config", configuration.name]
        return output(*command, HERE / "third-party-licenses.hbs")


def output(*command: str | Path) -> str:
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
