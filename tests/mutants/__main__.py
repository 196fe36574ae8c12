"""The mutation table: ``python -m tests.mutants`` makes each mutant's check and says whether it is caught."""

from __future__ import annotations

import logging
import sys

from tests.mutants.catalogue import MUTANTS
from tests.mutants.judging import caught


def main() -> int:
    """Print the table; 1 where a mutant survives."""
    logging.getLogger().addHandler(logging.NullHandler())
    survivors = 0
    for mutant in MUTANTS:
        reason = caught(mutant)
        survivors += not reason
        verdict = "caught" if reason else "SURVIVES"
        sys.stdout.write(f"{verdict:9} {mutant.id:22} {mutant.wrong:42} {mutant.check}\n{'':10}{reason}\n")
    sys.stdout.write(f"{len(MUTANTS)} mutants, {survivors} survive\n")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
