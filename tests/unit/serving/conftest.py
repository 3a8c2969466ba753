"""What tests of the API share: the installation of the registry's tests."""

from __future__ import annotations

from unit.registry.conftest import project, settings, start

__all__ = ["project", "settings", "start"]
