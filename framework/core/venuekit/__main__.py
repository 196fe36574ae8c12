"""``python -m venuekit``: the command line."""

from venuekit.cli import main

if __name__ == "__main__":
    main()
