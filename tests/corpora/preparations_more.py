"""What the recordings of the small connectors lack. Most have an instrument list, and that also tells our ids of the oracles'
symbols.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

from tests.corpora.preparations import binance_pair, lines, write_sidecar
from tests.corpora.recordings import oracle
from tests.corpora.replays import Prepared
from tests.corpora.sessions import (
    binance_futures as binance_futures_session,
)
from tests.corpora.sessions import (
    bitstamp as bitstamp_session,
)
