"""The mutation table: ``python -m tests.mutants`` makes each mutant's check and says whether it is caught."""

from __future__ import annotations

import logging
import sys

from tests.mutants.catalogue import ALSO, MUTANTS, WITHOUT
from tests.mutants.judging import Mutant, caught

from venuekit_testkit import checks


def main() -> int:
    """Print the table, and how many checks have a mutant; 1 where a mutant survives."""
    logging.getLogger().addHandler(logging.NullHandler())
    by_id = {mutant.id: mutant for mutant in MUTANTS}
    tried = [(mutant, mutant.meant) for mutant in MUTANTS]
    tried += [(by_id[id_], check) for check, id_ in ALSO.items()]
    survivors = sum(not _told(mutant, check) for mutant, check in tried)
    for check, reason in WITHOUT.items():
        _say(f"no mutant {check:42} {reason}")
    having = {check for _, check in tried}
    _say(f"{len(MUTANTS)} mutants in {len(tried)} checks, {survivors} survive")
    _say(f"checks with a mutant: {len(having)} of {len(checks())}; with a reason why not: {len(WITHOUT)}")
    return int(survivors > 0)


def _told(mutant: Mutant, check: str) -> str:
    reason = caught(mutant, check)
    verdict = "caught" if reason else "SURVIVES"
    _say(f"{verdict:9} {mutant.id:22} {mutant.wrong:42} {check}\n{'':10}{reason}")
    return reason


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
