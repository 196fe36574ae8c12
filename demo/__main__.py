"""``./x demo [VENUE...]``: a venue on this machine, and what a trading client lives through there.

``./x demo gap`` replays a recorded session instead.

Exit codes: 0 when everything that was promised came true, 1 when something did not, 2 for a venue that it cannot show, 130 on
Ctrl-C.
"""

from __future__ import annotations

import sys
from typing import Final

INTERRUPTED: Final = 130


def main(*asked: str) -> int:
    """Show the recording, or the story of these venues; all that the demo knows, where none is named."""
    import anyio

    if asked == ("gap",):
        from demo import gap

        anyio.run(gap.main)
        return 0
    from demo.scenes import SCENES, VENUES
    from demo.story import show
    from venuekit_spec import VenuekitError

    if unknown := [venue for venue in asked if venue not in SCENES]:
        print(f"the demo shows {', '.join(SCENES)}, or gap; not {', '.join(unknown)}", file=sys.stderr)
        return 2
    try:
        return anyio.run(show, [SCENES[venue] for venue in asked or VENUES])
    except VenuekitError as error:
        print(f"the demo cannot be shown: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    try:
        code = main(*sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)
