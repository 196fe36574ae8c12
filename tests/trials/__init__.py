"""Trials: what happens to orders when a client is killed, a venue is out of reach, or answers go astray.

The same for every venue that has a dialect: nothing here knows one by name.
"""
