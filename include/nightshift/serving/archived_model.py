"""A version in an archive, which the API serves where neither MLflow nor tables are, such as on SageMaker."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from nightshift.registry.archive import read_archive
from nightshift.registry.package import load_package
from nightshift.serving.served_model import ServedModel, score_once
from nightshift.serving.served_version import ServedVersion

log = logging.getLogger(__name__)


class ArchivedModel(ServedModel):
    """A model whose version in an archive answers requests, until the process ends.

    Args:
        location: The archive, or the folder that it was unpacked to.
        digest: The digest that the archive has to have; None: any.
        tree_sums: Whether boosted trees of scikit-learn are summed by `TreeSums`, with the same sums.

    Raises:
        TerminalError: If it cannot be read or loaded.
    """

    def __init__(self, location: str, digest: str | None, tree_sums: bool) -> None:
        archived = read_archive(location, digest)
        super().__init__(archived.model, archived.description, archived.ignored)
        package = load_package(dict(archived.files), archived.digest, tree_sums)
        score_once(package)
        self.looked_at = datetime.now(UTC)
        self.champion, self.problem = ServedVersion(archived.number, archived.digest, package, self.looked_at), ""
        log.info("%s: version %d answers, from %s", archived.model, archived.number, location)

    def follow(self) -> None:
        """An archive does not change."""
