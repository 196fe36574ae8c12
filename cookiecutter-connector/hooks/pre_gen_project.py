"""Refuse answers that cannot be used, before anything is written."""

import re
import sys

VENUE = {{ cookiecutter.venue | tojson }}
NAME = {{ cookiecutter.name | tojson }}
AUTHOR = {{ cookiecutter.author | tojson }}

if not re.fullmatch(r"[a-z][a-z0-9_]{0,23}", VENUE):
    sys.exit(f"{VENUE!r} is no venue id: it begins with a letter, has lower-case letters, digits and _, at most 24")
if VENUE in {"simulator", "spec", "testkit"}:
    sys.exit(f"venuekit-{VENUE} is a part of venuekit, and no venue")
if not re.fullmatch(r"[\w .&-]{1,40}", NAME):
    sys.exit(f"{NAME!r} is no name for a venue: letters, digits, spaces and .&- only, at most 40")
if not re.fullmatch(r"[^\"\\\x00-\x1f\x7f]{1,80}", AUTHOR):
    sys.exit(f"{AUTHOR!r} is no name for an author: at most 80 characters, without quotes and backslashes")
