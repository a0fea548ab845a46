"""The source of the implicit that is installed, downloaded once and kept."""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

# a folder that has the source already, for machines without a network
FOLDER_VARIABLE = "VSEENS_REC_IMPLICIT_SDIST"
# of the releases that are kept; others are downloaded every time
SHA256 = {"0.7.3": "9571a52d70b3667e99a6e6aae6681526dd3286c765cf0ea10e1073d068a98057"}


def cache_folder():
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get(FOLDER_VARIABLE) or Path(caches, "vseens_rec"))


def is_whole(path, release):
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == SHA256.get(release)


def find_source(folder):
    """Find the source where it is kept, or download it to a folder; skip the test without it."""
    release = version("implicit")
    name = f"implicit-{release}.tar.gz"
    kept = cache_folder() / name
    if is_whole(kept, release):
        return kept
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries", "1",
         "--timeout", "20", "--no-binary", "implicit", "--dest", folder, f"implicit=={release}"],
        text=True, capture_output=True,
    )  # fmt: skip
    found = Path(folder, name)
    if done.returncode or not found.exists():
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        pytest.skip(
            f"the source of implicit {release} cannot be downloaded ({said}) and is not whole at "
            f"{kept}: put it there, or set {FOLDER_VARIABLE} to the folder it is in"
        )
    if is_whole(found, release):
        kept.parent.mkdir(parents=True, exist_ok=True)
        # another process that keeps it meanwhile does not see half of it
        part = kept.with_name(f"{name}.{os.getpid()}")
        part.write_bytes(found.read_bytes())
        part.replace(kept)
    return found


def recommender_tests(folder):
    """Load implicit's RecommenderBaseTestMixin."""
    name = "recommender_base_test.py"
    source = find_source(folder)
    root = source.name.removesuffix(".tar.gz")
    with tarfile.open(source) as archive:
        text = archive.extractfile(f"{root}/tests/{name}").read()
    # away from the unpacked root, whose source folder would shadow the installed package
    path = Path(folder, name)
    path.write_bytes(text)
    spec = importlib.util.spec_from_file_location("recommender_base_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.RecommenderBaseTestMixin
