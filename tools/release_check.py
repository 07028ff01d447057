"""Is what would be published whole? `make release-check` builds it, looks inside, and installs it afresh.

    python tools/release_check.py [--out dist] [--no-install]

The installation goes into a virtual environment in a temporary folder, without the repository in sight: some
minutes and gigabytes, because PyTorch comes too. Where something is wrong: each fault in a line, exit code 1.
"""

import argparse
import email
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "impasto"
MOST_BYTES = 60 * 10**6
MOST_IMPORT_SECONDS = 0.3
PYTHONS = ("3.11", "3.12", "3.13")
EXTRAS = ("samples", "studio", "engines", "video", "community", "fid", "dev")


def faults_of(wheel: Path, source: Path = SOURCE) -> list[str]:
    """What is wrong, in words, with a wheel that was built from the package in `source`."""
    faults = []
    if wheel.stat().st_size > MOST_BYTES:
        faults.append(f"it has {wheel.stat().st_size / 1e6:.1f} MB: {MOST_BYTES / 1e6:g} at most")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
        info = next(name.split("/")[0] for name in inside if name.endswith(".dist-info/METADATA"))
        meant = {
            f"impasto/{path.relative_to(source).as_posix()}"
            for path in source.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        foreign = {name for name in inside - meant if not name.startswith(f"{info}/")}
        faults += [f"{name} is not in it" for name in sorted(meant - inside)]
        faults += [f"{name} does not belong in it" for name in sorted(foreign)]
        for name in ("impasto/py.typed", f"{info}/licenses/LICENSE"):
            if name not in inside:
                faults.append(f"{name} is not in it")
        for line in (source / "zoo" / "SHA256SUMS").read_text().splitlines():
            digest, name = line.split("  ")
            held = archive.read(f"impasto/zoo/{name}") if f"impasto/zoo/{name}" in inside else b""
            if hashlib.sha256(held).hexdigest() != digest:
                faults.append(f"the weights {name} are not those of SHA256SUMS")
        faults += metadata_faults(email.message_from_bytes(archive.read(f"{info}/METADATA")))
    return sorted(set(faults))


def metadata_faults(metadata: Message) -> list[str]:
    """What is wrong with a distribution's METADATA, in words."""
    faults = []
    classifiers = metadata.get_all("Classifier", [])
    faults += [
        f"Python {version} is not among the classifiers"
        for version in PYTHONS
        if f"Programming Language :: Python :: {version}" not in classifiers
    ]
    if "Typing :: Typed" not in classifiers:
        faults.append("it does not say that it is typed")
    if metadata["Requires-Python"] != f">={PYTHONS[0]}":
        faults.append(f"it requires Python {metadata['Requires-Python']}, not >={PYTHONS[0]}")
    if metadata["License-Expression"] != "Apache-2.0":
        faults.append(f"its licence is {metadata['License-Expression']}")
    offered = metadata.get_all("Provides-Extra", [])
    faults += [f"there is no extra '{name}'" for name in EXTRAS if name not in offered]
    return faults


def installation_faults(wheel: Path) -> list[str]:
    """What goes wrong in a fresh virtual environment, in an empty folder, with nothing of the repository."""
    with TemporaryDirectory() as folder:
        home, venv = Path(folder) / "home", Path(folder) / "venv"
        home.mkdir()
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "IMPASTO"))}
        clean |= {"IMPASTO_CACHE": str(home / "cache"), "HOME": str(home)}
        bin_ = venv / ("Scripts" if os.name == "nt" else "bin")

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(words, cwd=home, env=clean, capture_output=True, text=True, check=False)

        python, impasto = str(bin_ / "python"), str(bin_ / "impasto")
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True)
        made = "from PIL import Image; Image.linear_gradient('L').resize((48, 32)).save('small.png')"
        enlarged = "from PIL import Image; assert Image.open('big/small.png').size == (192, 128)"
        steps = {
            "the package comes from elsewhere": (
                python, "-c", f"import impasto; assert impasto.__file__.startswith({str(venv)!r})",
            ),
            "impasto --help fails": (impasto, "--help"),
            "no picture can be made": (python, "-c", made),
            "impasto upscale fails": (impasto, "upscale", "small.png", "--out", "big"),
            "what was enlarged has another size": (python, "-c", enlarged),
        }  # fmt: skip
        faults = []
        for words, command in steps.items():
            done = run(*command)
            if done.returncode:
                faults.append(f"{words}:\n{done.stdout}{done.stderr}")
        timed = [run(python, "-X", "importtime", "-c", "import impasto").stderr for _ in range(3)]
        seconds = min(map(import_seconds, timed))
        print(f"import impasto: {seconds:.3f} s")
        if seconds > MOST_IMPORT_SECONDS:
            faults.append(f"import impasto takes {seconds:.2f} s: {MOST_IMPORT_SECONDS:g} at most")
        return faults


def import_seconds(report: str) -> float:
    """The time of `impasto` with all it imports, from what `python -X importtime` prints."""
    # import time: self in us | total in us | name
    line = next(line for line in report.splitlines() if line.split("|")[-1].strip() == "impasto")
    return int(line.split("|")[1]) / 1e6


def main() -> int:
    """Build, look, install, tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where wheel and sdist go")
    parser.add_argument("--no-install", action="store_true", help="only look inside")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "build", "--outdir", folder, str(ROOT)], check=True)
        built = sorted(Path(folder).iterdir())
        subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *map(str, built)], check=True)
        options.out.mkdir(parents=True, exist_ok=True)
        kept = [Path(shutil.copy2(path, options.out)) for path in built]
    wheel = next(path for path in kept if path.suffix == ".whl")
    print(f"{wheel}: {wheel.stat().st_size / 1e6:.1f} MB")
    faults = faults_of(wheel)
    if not options.no_install:
        faults += installation_faults(wheel.resolve())
    for fault in faults:
        print(f"wrong: {fault}")
    print("nothing is wrong" if not faults else f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
