"""Build the wheel once, and run the tests against it on each Python: `python tests/all_pythons.py 3.11 3.12`.

The tests run in a copy of the checkout that lacks the packages, so that what is imported can only be the wheel.
The generator is no part of the wheel; its tests run in the checkout. What touches aiohttp is tested with the first
of each of its minor versions, too, whose inside is known.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
SUITE = BUILD / "suite"
COPIED = (
    "tests",
    "examples",
    "benchmarks",
    "docs",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "pyproject.toml",
    "docs_parts",
    "mkdocs.yml",
    "Makefile",
)
OF_THE_CHECKOUT = ("generator", "contributing")
"""Folders of tests whose subject is the source tree."""
OVER_AIOHTTP = (
    "tests/test_reads.py",
    "tests/test_connections.py",
    "tests/test_transport.py",
    "tests/test_client.py",
    "tests/faults",
)
GIVEN = "SYNCSO_WHEEL"  # as in tests/wheel.py, which needs no more than this program to be imported
PIP = ("-m", "pip", "--quiet", "install")
PYTEST = ("-m", "pytest", "-p", "no:cacheprovider", "-n", "auto", "--dist", "loadfile")


class StepFailedError(Exception):
    """A step failed; the text says which, and where its output is."""


def main(versions: Sequence[str]) -> None:
    """Run everything, each Python's output in a file of its own, and stop when one has failed."""
    pythons = {version: python_of(version) for version in versions}
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir()
    wheel = built()
    ignored = shutil.ignore_patterns("__pycache__", ".opponents", *OF_THE_CHECKOUT)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, SUITE / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, SUITE / name)
    failed = [version for version, python in pythons.items() if not passes(version, python, wheel)]
    if failed:
        raise StepFailedError(f"tests fail on Python {' and '.join(failed)}; see {BUILD}/*.log")
    check_each_aiohttp(next(iter(pythons)), wheel)


def python_of(version: str) -> str:
    """Find the interpreter of a version.

    Raises:
        StepFailedError: There is none; nothing is left out in silence.
    """
    found = shutil.which(f"python{version}")
    ask = (str(found), "-c", "import sys; print(sys.executable)")
    # pyenv puts a python3.12 on the path that runs only where this version is chosen
    chosen = {**os.environ, "PYENV_VERSION": version}
    done = None if found is None else subprocess.run(ask, env=chosen, capture_output=True, text=True, check=False)
    if done is None or done.returncode != 0:
        raise StepFailedError(
            f"there is no python{version} that runs; install it, or name those that there are: "
            "make test-all PYTHONS='3.11 3.12'"
        )
    return done.stdout.strip()


def built() -> Path:
    """Build the source distribution, the wheel from it and the wheel from the checkout, and check them."""
    python = environment("release", sys.executable)
    log = BUILD / "release.log"
    step(log, python, *PIP, "--group", f"{ROOT}/pyproject.toml:release")
    step(log, python, "-m", "build", "--outdir", str(BUILD / "dist"), str(ROOT))
    step(log, python, "-m", "build", "--wheel", "--outdir", str(BUILD / "direct"), str(ROOT))
    (wheel,), (direct,) = (BUILD / "dist").glob("*.whl"), (BUILD / "direct").glob("*.whl")
    step(log, python, "-m", "twine", "check", "--strict", *map(str, (BUILD / "dist").iterdir()))
    if wheel.read_bytes() != direct.read_bytes():
        raise StepFailedError("the source distribution does not build the wheel that the checkout builds")
    return wheel


def passes(version: str, python: str, wheel: Path) -> bool:
    """Run the tests against the wheel on one Python, and those of the generator in the checkout."""
    log = BUILD / f"{version}.log"
    python = environment(version, python)
    groups = [part for name in ("test", "generate") for part in ("--group", f"{ROOT}/pyproject.toml:{name}")]
    step(log, python, *PIP, f"syncso[all] @ {wheel.as_uri()}", *groups)
    try:
        step(log, python, *PYTEST, cwd=SUITE, **{GIVEN: str(wheel)})
        say(f"Python {version}, wheel: {last_line(log)}")
        step(log, python, *PYTEST, "tests/generator", cwd=ROOT)
        say(f"Python {version}, generator: {last_line(log)}")
    except StepFailedError as error:
        say(f"Python {version}: {error}")
        return False
    return True


def check_each_aiohttp(version: str, wheel: Path) -> None:
    """Run the tests of what touches aiohttp with the first of each of its minor versions that reads know.

    Raises:
        StepFailedError: They fail with one.
    """
    python = interpreter(version)
    ask = (python, "-c", "from sync_async._reads import KNOWN; print(*KNOWN)")
    known = subprocess.run(ask, cwd=BUILD, capture_output=True, text=True, check=True).stdout.split()
    for minor in known:
        log = BUILD / f"aiohttp-{minor}0.log"
        step(log, python, *PIP, f"aiohttp=={minor}0")
        step(log, python, *PYTEST, *OVER_AIOHTTP, cwd=SUITE, **{GIVEN: str(wheel)})
        say(f"aiohttp {minor}0: {last_line(log)}")


def interpreter(name: str) -> str:
    """Give the interpreter of an environment."""
    return str(BUILD / f"python-{name}" / "bin" / "python")


def environment(name: str, python: str) -> str:
    """Make an environment, and give its interpreter."""
    folder = BUILD / f"python-{name}"
    step(BUILD / f"{name}.log", python, "-m", "venv", str(folder))
    made = interpreter(name)
    step(BUILD / f"{name}.log", made, *PIP, "--upgrade", "pip>=25.1")
    return made


def step(log: Path, *command: str, cwd: Path = ROOT, **variables: str) -> None:
    """Run a command with its output in a file.

    Raises:
        StepFailedError: It failed.
    """
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n")
        file.flush()
        outside = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        done = subprocess.run(
            command, cwd=cwd, env={**outside, **variables}, stdout=file, stderr=file, check=False
        )
    if done.returncode:
        raise StepFailedError(f"{' '.join(command[1:4])} failed: {last_line(log)} ({log})")


def last_line(log: Path) -> str:
    """Give the last line of a file."""
    return log.read_text(encoding="utf-8").rstrip().rpartition("\n")[2].strip("= ")


def say(text: str) -> None:
    """Tell how things go."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    try:
        main(sys.argv[1:] or ("3.11", "3.12", "3.13"))
    except StepFailedError as error:
        sys.exit(str(error))
