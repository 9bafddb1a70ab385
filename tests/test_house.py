"""The rules of the house: which folder may import which, what is shipped, what stays out of git."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {
    "quant": ROOT / "quant",
    "hls": ROOT / "hls",
    "rtl": ROOT / "rtl",
    "sim": ROOT / "sim",
    "host": ROOT / "host",
    "cli": ROOT / "src/transfab/cli",
}
MAY_IMPORT = {
    "quant": set[str](),
    "hls": {"quant"},
    "rtl": {"quant"},
    "sim": {"quant", "hls", "rtl"},
    "host": {"quant"},
    "cli": {"quant", "hls", "rtl", "sim", "host"},
}
HEAVY = {"torch", "transformers", "ray", "pynq", "cocotb", "hls4ml"}
SHIPPED_SUFFIXES = {".py", ".cpp", ".hpp", ".sv", ".tcl", ".txt", ".md"}
MAX_LINES = 300

# AMD's installer and PYNQ's board image fix these two folders on every machine.
VENDOR_FOLDER = "xilinx"
MACHINE_PATH = re.compile(rf"(?<![\w.~)}}-])/(?:(?:work|home|opt)/(?!{VENDOR_FOLDER}\b)|root\b)")
REGISTRY_HOST = re.compile(
    r"\b(?:pypi\.org|pythonhosted\.org|registry\.npmjs\.org|deb\.debian\.org)\b"
)


def imported_modules(source: str, module: str, is_package: bool) -> Iterator[str]:
    """Absolute dotted names that `source`, the text of `module`, imports by statement or by call.

    `from a import b` gives `a.b`: b may be a module.
    """
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=base, names=names, level=level):
                prefix = package[: len(package) - level + 1] if level else []
                prefix = [*prefix, *([base] if base else [])]
                yield from (".".join([*prefix, name.name]) for name in names)
            case ast.Call(
                func=ast.Name(id=called) | ast.Attribute(attr=called),
                args=[ast.Constant(value=str(name)), *_],
            ) if called in {"import_module", "__import__"}:
                yield name


def forbidden_imports(root: Path, layer: str, folder: Path) -> list[str]:
    """`FILE imports NAME` for every import under `folder` that `layer` may not make."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        module = ".".join(["transfab", layer, *(parts[:-1] if is_package else parts)])
        for name in imported_modules(path.read_text(encoding="utf-8"), module, is_package):
            package, _, rest = name.partition(".")
            target = rest.partition(".")[0]
            if package == "transfab" and target in FOLDERS.keys() - MAY_IMPORT[layer] - {layer}:
                found.append(f"{path.relative_to(root)} imports {name}")
    return found


def repository_files() -> list[PurePosixPath]:
    """Files that git tracks or would track, relative to the root; links are not followed."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    names = sorted(set(listed.stdout.split("\0")) - {""})
    return [PurePosixPath(name) for name in names if os.path.lexists(ROOT / name)]


def build(project: Path, out: Path, *kinds: str) -> Path:
    """Run the build front end offline; with no kinds: an sdist, then a wheel from that sdist."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), *kinds]
    done = subprocess.run([*command, str(project)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def wheel_names(out: Path) -> set[str]:
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two folders: a wheel from the tree, then an sdist and the wheel made from it.

    Built from a copy of what git holds, so that nothing left in this checkout can help.
    """
    scratch = tmp_path_factory.mktemp("house")
    for name in repository_files():
        copy = scratch / "tree" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy, follow_symlinks=False)
    shutil.copytree(scratch / "tree", scratch / "again", symlinks=True)
    direct = build(scratch / "tree", scratch / "direct", "--wheel")
    return direct, build(scratch / "again", scratch / "through-sdist")


@pytest.mark.parametrize("layer", FOLDERS)
def test_folders_import_only_along_the_arrows(layer: str) -> None:
    assert forbidden_imports(ROOT, layer, FOLDERS[layer]) == []


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        ("quant", "import transfab.hls"),
        ("quant", "from transfab import sim"),
        ("quant", "from transfab.host.board import Board"),
        ("quant", "from ...rtl import names"),
        ("quant", "def late():\n    import transfab.cli.main"),
        ("quant", "import importlib\nimportlib.import_module('transfab.hls.build')"),
        ("hls", "import transfab.rtl"),
        ("rtl", "import transfab.sim"),
        ("sim", "import transfab.host"),
        ("host", "import transfab.sim"),
        ("host", "import transfab.cli"),
    ],
)
def test_an_import_against_the_arrows_is_found(tmp_path: Path, layer: str, line: str) -> None:
    planted = tmp_path / layer / "inner" / "planted.py"
    planted.parent.mkdir(parents=True)
    planted.write_text(f"import transfab.quant\n{line}\n", encoding="utf-8")
    assert len(forbidden_imports(tmp_path, layer, tmp_path / layer)) == 1


@pytest.mark.parametrize("layer", FOLDERS)
def test_imports_along_the_arrows_are_allowed(tmp_path: Path, layer: str) -> None:
    allowed = [f"import transfab.{name}.part" for name in sorted({layer, *MAY_IMPORT[layer]})]
    (tmp_path / "good.py").write_text("\n".join(["from . import near", *allowed]), encoding="utf-8")
    assert forbidden_imports(tmp_path, layer, tmp_path) == []


@pytest.mark.parametrize(
    "module", ["quant", "hls.csim", "hls.replay", "rtl.sources", "sim.bench", "sim.replay"]
)
def test_an_import_loads_no_heavy_package(module: str) -> None:
    program = f"import sys, transfab.{module}; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    loaded = set(done.stdout.decode().split())
    assert f"transfab.{module}" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.xdist_group("build")
def test_the_wheel_has_one_top_level_import_name(built: tuple[Path, Path]) -> None:
    tops = {name.partition("/")[0] for name in wheel_names(built[0])}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"transfab"}


@pytest.mark.xdist_group("build")
def test_the_wheel_holds_every_source_and_text_of_the_repository(built: tuple[Path, Path]) -> None:
    sources = {str(name): name for name in repository_files() if name.suffix in SHIPPED_SUFFIXES}
    missing = {name.removeprefix("src/") for name in sources if name.startswith("src/")}
    for folder in ("quant", "hls", "rtl", "sim", "host"):
        linked = {f"transfab/{name}" for name in sources if name.startswith(f"{folder}/")}
        assert linked, f"no file under {folder}/"
        missing |= linked
    missing.add("transfab/py.typed")
    assert missing - wheel_names(built[0]) == set()


@pytest.mark.xdist_group("build")
def test_the_sdist_builds_the_same_wheel_as_the_tree(built: tuple[Path, Path]) -> None:
    direct, through_sdist = built
    assert wheel_names(direct) == wheel_names(through_sdist)
    (sdist,) = through_sdist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        assert not [member.name for member in archive if member.issym() or member.islnk()]


@pytest.mark.xdist_group("build")
@pytest.mark.skipif(not shutil.which("g++"), reason="g++ is missing")
def test_an_installed_wheel_builds_the_kernels(built: tuple[Path, Path], tmp_path: Path) -> None:
    (wheel,) = built[0].glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    # Every source is parsed, so that no header may be missing; nothing is compiled.
    compiler = tmp_path / "compiler"
    compiler.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        '  *-shared*) while [ "$1" != -o ]; do shift; done\n'
        '    exec g++ -shared -o "$2" -x c++ /dev/null ;;\n'
        '  *) exec g++ "$@" -fsyntax-only ;;\n'
        "esac\n"
    )
    compiler.chmod(0o755)
    program = (
        "from transfab.hls.build import SOURCES, build\n"
        "from transfab.quant.config import LayerConfig\n"
        "from transfab.quant.engine import Engine\n"
        "print(SOURCES)\n"
        "build(LayerConfig(16, 2, 32), Engine())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "PYTHONPATH": str(tmp_path / "site"),
            "XDG_CACHE_HOME": str(tmp_path),
            "CXX": str(compiler),
        },
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == str(tmp_path / "site" / "transfab" / "hls")


def test_the_repository_names_no_machine_path_and_no_registry() -> None:
    found = []
    for name in repository_files():
        path = ROOT / name
        data = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        if b"\0" in data:
            continue
        for number, line in enumerate(data.decode(errors="replace").splitlines(), start=1):
            if MACHINE_PATH.search(line) or REGISTRY_HOST.search(line):
                found.append(f"{name}:{number}: {line.strip()}")
    assert found == []


@pytest.mark.parametrize("folder", ["work", "home", "opt", "root"])
@pytest.mark.parametrize("before", ["", " ", "'", "=", "file://", "-I "])
def test_a_machine_path_is_found(folder: str, before: str) -> None:
    assert MACHINE_PATH.search(f"{before}/{folder}/x")


@pytest.mark.parametrize("before", ["build", "..", "~", "$(PREFIX)", "https://example.org"])
def test_a_path_below_something_else_is_no_machine_path(before: str) -> None:
    assert not MACHINE_PATH.search(f"{before}/work/x")


@pytest.mark.parametrize("name", ["quant", "hls", "rtl", "sim", "src"])
def test_no_source_file_is_longer_than_300_lines(name: str) -> None:
    sources = [
        path
        for path in (ROOT / name).rglob("*")
        if path.suffix in {".py", ".cpp", ".hpp", ".sv", ".tcl"} and path.is_file()
    ]
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources
    }
    assert lengths, f"no source under {name}/"
    assert {file: lines for file, lines in lengths.items() if lines > MAX_LINES} == {}


def test_every_requirement_has_a_pin_that_satisfies_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    pins = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            name, _, version = line.partition("==")
            pins[canonicalize_name(name)] = version
    for requirement in (Requirement(text) for group in groups for text in group):
        name = canonicalize_name(requirement.name)
        if name != "transfab":
            assert name in pins, f"{name}: run make constraints"
            assert requirement.specifier.contains(pins[name]), f"{requirement}, pinned {pins[name]}"
