"""The scaffold goes into the distribution: one template, at the root of the repository, where ``cookiecutter`` finds it too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TEMPLATE = "cookiecutter-connector"


class ScaffoldHook(BuildHookInterface[BuilderConfig]):
    """Puts the template beside the modules; an sdist carries it at its root."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the template, from the sdist or from the repository. An editable install reads it where it is.

        Raises `FileNotFoundError` where it is in neither.
        """
        if version == "editable":
            return
        root = Path(self.root)
        places = [place / TEMPLATE for place in (root, root.parent.parent)]
        found = next((place for place in places if place.is_dir()), None)
        if found is None:
            raise FileNotFoundError(f"there is no {TEMPLATE} in {root}, and none at the root of a repository")
        place = TEMPLATE if self.target_name == "sdist" else "venuekit_testkit/template"
        for file in sorted(found.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                build_data["force_include"][str(file)] = f"{place}/{file.relative_to(found).as_posix()}"
