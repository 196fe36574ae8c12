"""Refuse a venue id that cannot be one, before anything is written."""

import re
import sys

VENUE = "{{ cookiecutter.venue }}"
NAME = "{{ cookiecutter.name }}"

if not re.fullmatch(r"[a-z][a-z0-9_]{0,23}", VENUE):
    sys.exit(f"{VENUE!r} is no venue id: it begins with a letter, has lower-case letters, digits and _, at most 24")
if not re.fullmatch(r"[\w .&-]{1,40}", NAME):
    sys.exit(f"{NAME!r} is no name for a venue: letters, digits, spaces and .&- only, at most 40")
