"""What jobs run elsewhere: this installation's code and packages, uploaded once under a digest of their content.

Nothing that was uploaded is ever changed, so a running job keeps the code it was started with. Below
`NIGHTSHIFT_SPARK__CODE`:

- `code-<digest>/spark_jobs/<job>.py`, the programs, and `code-<digest>/code.tar.gz` with the library, the models and
  the sources, laid out as in the project;
- `packages-<digest>.tar.gz`, a Python environment.
"""

from __future__ import annotations

import hashlib
import io
import platform
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nightshift.errors import TerminalError
from nightshift.lake.files import as_uri, exists, write_bytes, write_file
from nightshift.settings import Settings

DIGITS = 16  # of a digest, in names
# Spark brings pyspark itself, and jobs know nothing of Airflow.
LEFT_OUT = ("pyspark", "airflow", "apache_airflow", "__pycache__")


@dataclass(frozen=True)
class DeployedCode:
    """Where jobs find what they run.

    Attributes:
        folder: URI of the folder of the code.
        packages: URI of the archive of a Python environment; None if jobs have their packages from their image.
    """

    folder: str
    packages: str | None

    @property
    def archive(self) -> str:
        """URI of the archive of library, models and sources."""
        return f"{self.folder}/code.tar.gz"

    def program(self, job: str) -> str:
        """URI of the program of a job."""
        return f"{self.folder}/spark_jobs/{job}.py"

    @property
    def uris(self) -> list[str]:
        """What must be there before a job may start."""
        return [self.archive, *([self.packages] if self.packages else [])]


def code_of(settings: Settings) -> DeployedCode:
    """Where the code of this installation is or will be deployed.

    Raises:
        TerminalError: If the settings do not say where.
    """
    root = _root(settings)
    packages = f"{root}/packages-{packages_digest()}.tar.gz" if settings.emr.packages == "archive" else None
    return DeployedCode(f"{root}/code-{code_digest(settings)}", packages)


def deployed_code(settings: Settings) -> DeployedCode:
    """The code of this installation, which is deployed.

    Raises:
        TerminalError: If it is not.
    """
    code = code_of(settings)
    for uri in code.uris:
        if not exists(uri):
            raise TerminalError("the code of this installation is not deployed", where=uri, fix="nightshift deploy")
    return code


def deploy(settings: Settings, write: Callable[[str], None]) -> None:
    """Uploads what is not there yet.

    Args:
        settings: Where to, and which code.
        write: Takes a line for each file.

    Raises:
        TerminalError: If the settings do not say where to.
    """
    code, files = code_of(settings), code_files(settings)
    if code.packages:
        _upload(code.packages, _pack_packages, write)
    if exists(code.archive):
        write(f"there already: {code.folder}")
        return
    for name, file in files.items():
        if name.startswith("spark_jobs/"):
            write_bytes(f"{code.folder}/{name}", file.read_bytes())
            write(f"uploaded {code.folder}/{name}")
    # Last: where it is, the programs are.
    _upload(code.archive, lambda target: _pack(files, target), write)


def code_files(settings: Settings) -> dict[str, Path]:
    """The files of this installation that jobs need, by their place in the archive."""
    library = Path(__file__).resolve().parents[1]
    folders = {
        "include/nightshift": library,
        "include/models": settings.models_path,
        "include/sources": settings.sources_path,
        "spark_jobs": settings.home / "spark_jobs",
    }
    files = {
        f"{name}/{path.relative_to(folder)}": path
        for name, folder in folders.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return dict(sorted(files.items()))


def code_digest(settings: Settings) -> str:
    """Identifies the code of this installation, by the names and contents of its files."""
    digest = hashlib.sha256()
    for name, path in code_files(settings).items():
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:DIGITS]


def packages_digest() -> str:
    """Identifies what is installed here, by interpreter, platform, names and versions."""
    installed = sorted(folder.name for folder in _site_packages().glob("*.dist-info"))
    text = "\n".join([platform.python_version(), platform.platform(terse=True), platform.machine(), *installed])
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _root(settings: Settings) -> str:
    if settings.spark.code is None:
        raise TerminalError(
            "jobs elsewhere need this installation's code, and no place for it is set",
            where="environment variable NIGHTSHIFT_SPARK__CODE",
            allowed="a URI such as s3://bucket/code",
            fix="set it, and run nightshift deploy",
        )
    return as_uri(settings.spark.code).rstrip("/")


def _upload(uri: str, pack: Callable[[Path], None], write: Callable[[str], None]) -> None:
    if exists(uri):
        write(f"there already: {uri}")
        return
    with tempfile.TemporaryDirectory(prefix="nightshift-code-") as folder:
        archive = Path(folder) / "archive.tar.gz"
        pack(archive)
        write_file(uri, archive)
        write(f"uploaded {uri} ({archive.stat().st_size / 1e6:.1f} MB)")


def _pack(files: Mapping[str, Path], target: Path) -> None:
    with tarfile.open(target, "w:gz", compresslevel=1) as archive:
        for name, path in files.items():
            archive.add(path, name)


def _pack_packages(target: Path) -> None:
    """Packs an interpreter with the packages of this environment, so that it runs wherever it is unpacked."""
    interpreter, version = Path(sys.base_prefix), f"python{sys.version_info.major}.{sys.version_info.minor}"
    with tarfile.open(target, "w:gz", compresslevel=1) as archive:
        for part in (f"bin/{version}", f"lib/{version}", *_shared_library(interpreter)):
            archive.add(interpreter / part, part, filter=_interpreter_part)
        link = tarfile.TarInfo("bin/python")
        link.type, link.linkname = tarfile.SYMTYPE, version
        archive.addfile(link, io.BytesIO())
        archive.add(_site_packages(), f"lib/{version}/site-packages", filter=_package_part)


def _site_packages() -> Path:
    return Path(sys.prefix) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def _shared_library(interpreter: Path) -> list[str]:
    return [str(path.relative_to(interpreter)) for path in interpreter.glob("lib/libpython*.so*")]


def _interpreter_part(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = Path(entry.name).parts
    skipped = {"__pycache__", "site-packages", "dist-packages", "test", "idlelib", "tkinter"}
    return None if skipped & set(parts) else entry


def _package_part(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = Path(entry.name).parts
    package = parts[3] if len(parts) > 3 else ""
    return None if package.startswith(LEFT_OUT) or "__pycache__" in parts else entry
