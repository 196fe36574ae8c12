"""Every plugin's wheel is tested with the oldest contract that it claims, and with the newest: ``./x compat [VENUE ...]``.

1. What a distribution claims is what its wheel says: the range of `venuekit-spec` in its metadata.
2. Versions are those at hand: of this workspace, built just now, and of earlier releases. The newest is the highest of them in
   the range, the oldest the lowest. Where both are one it is tested once, and that is said. A contract that was released and
   has changed here needs a version of its own first.
3. Earlier releases come from a folder of wheels (``--wheels``), which then is all there is. Without a folder the index is asked
   for the version that a range begins with, and only where that is not at hand: before the first release nobody is asked for
   our names.
4. With a contract goes the newest framework at hand whose own ranges allow it: that is what an installer gives to a user.
5. A trial is an environment of wheels (nothing editable), in which every module imports and every entry point loads; and of a
   plugin the whole suite, as its author runs it. The framework's own distributions are tried in the same way, without a suite.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from attrs import frozen
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tools.wheels import QUIETLY, Wheel, environment, outside, probe, quarrels, wheels_in

SPEC: Final = "venuekit-spec"
FRAMEWORK: Final = ("venuekit", "venuekit-simulator", "venuekit-testkit")
SUITE: Final = ("--pyargs", "venuekit_testkit", "-m", "not soak", "--maxfail", "3")


class Impossible(Exception):
    """There is nothing to test with; says what is missing."""


@frozen
class Trial:
    """One distribution with one version of the contract, and with the framework that goes with it."""

    subject: Wheel
    spec: Wheel
    framework: tuple[Wheel, ...]
    which: str

    @property
    def name(self) -> str:
        """What the report calls it."""
        return f"{self.subject.label} with {self.spec.label}, {self.which}"

    @property
    def wheels(self) -> list[Wheel]:
        """All that its environment has."""
        return list(dict.fromkeys((self.subject, self.spec, *self.framework)))


def ends(claim: SpecifierSet, versions: Iterable[Version]) -> tuple[Version, Version] | None:
    """The oldest and the newest version in a range; None where there is none."""
    within = sorted(claim.filter(versions, prereleases=True))
    return (within[0], within[-1]) if within else None


def beginning(claim: SpecifierSet) -> Version | None:
    """The version that a range begins with."""
    return max((Version(part.version) for part in claim if part.operator == ">="), default=None)


def missing(subjects: Iterable[Wheel], at_hand: Iterable[Wheel]) -> list[Version]:
    """The versions of the contract that ranges begin with and that are not at hand."""
    have = {wheel.version for wheel in at_hand if wheel.name == SPEC}
    claims = [claim for subject in subjects if (claim := subject.claim(SPEC)) is not None]
    return sorted({begin for claim in claims if (begin := beginning(claim)) is not None} - have)


def both(earlier: Iterable[Wheel], built: Iterable[Wheel]) -> list[Wheel]:
    """Earlier releases and this workspace; ours where both have a version: it is the next of that number, or the same.

    Raises `Impossible` where a contract that was released is a different one here: claims of its version would mean either.
    """
    found = {each.label: each for each in earlier}
    for wheel in built:
        before = found.get(wheel.label)
        if wheel.name == SPEC and before is not None and before.contents() != wheel.contents():
            raise Impossible(f"{wheel.label} was released, and is another one here: raise its version")
        found[wheel.label] = wheel
    return list(found.values())


def framework_for(subject: Wheel, spec: Wheel, at_hand: Sequence[Wheel]) -> tuple[Wheel, ...]:
    """The newest framework that goes with a contract. Raises `Impossible` where none does."""
    choices = [
        [subject]
        if subject.name == name
        else sorted(
            (each for each in at_hand if each.name == name), key=lambda each: each.version, reverse=True
        )
        for name in FRAMEWORK
    ]
    for chosen in itertools.product(*choices):
        if not quarrels([spec, subject, *chosen]):
            return chosen
    raise Impossible(f"{subject.label}: no framework at hand goes with {spec.label}")


def trials(subject: Wheel, at_hand: Sequence[Wheel]) -> list[Trial]:
    """What is to be tried of one distribution. Raises `Impossible` where no contract or framework at hand fits it."""
    claim = subject.claim(SPEC) or SpecifierSet()
    specs = {each.version: each for each in at_hand if each.name == SPEC}
    found = ends(claim, specs)
    if found is None:
        raise Impossible(f"{subject.label} claims {SPEC}{claim}, and none of these is at hand")
    oldest, newest = found
    wanted = {oldest: "oldest and newest"} if oldest == newest else {oldest: "oldest", newest: "newest"}
    return [
        Trial(subject, specs[version], framework_for(subject, specs[version], at_hand), which)
        for version, which in wanted.items()
    ]


def fetched(versions: Iterable[Version], built: Path, place: Path) -> list[Wheel]:
    """Earlier releases of the contract, and the framework that an installer finds for each, from the index.

    Raises `Impossible` where the index does not have one.
    """
    pip = [sys.executable, "-m", "pip", "download", *QUIETLY, "--only-binary", ":all:"]
    for version in versions:
        what = [f"{SPEC}=={version}", "venuekit-testkit", "--find-links", str(built), "--dest", str(place)]
        done = subprocess.run([*pip, *what], capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["pip does not say why"])[-1]
            raise Impossible(f"{SPEC}=={version} is claimed, and cannot be had ({reason}); see --wheels")
    return wheels_in(place)


def attempt(trial: Trial, place: Path, arguments: Sequence[str]) -> str:
    """Make a trial. Returns what went wrong, or nothing."""
    try:
        python = environment(place / "environment", trial.wheels)
    except subprocess.CalledProcessError as error:
        return f"cannot be installed: {error}"
    if trouble := probe(python, trial.wheels):
        return trouble
    pytest = [str(python), "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *SUITE, *arguments]
    variables = outside() | {"VENUEKIT_STATE": str(place / "state")}
    for venue in trial.subject.venues:
        done = subprocess.run(
            [*pytest, "--venue", venue], cwd=place, env=variables, capture_output=True, text=True, check=False
        )
        if done.returncode:
            return done.stdout + done.stderr
    return ""


def perform(every: Sequence[Trial], arguments: Sequence[str]) -> Iterator[tuple[Trial, str]]:
    """Make the trials, as many at a time as there are cores; a line for each that ends. Yields those that went wrong."""
    with TemporaryDirectory(prefix="venuekit-compat-") as home, ThreadPoolExecutor(os.cpu_count()) as pool:
        width = max(len(trial.name) for trial in every)

        def one(number: int) -> tuple[Trial, str, float]:
            began, place = time.monotonic(), Path(home) / str(number)
            place.mkdir()
            return every[number], attempt(every[number], place, arguments), time.monotonic() - began

        for future in as_completed([pool.submit(one, number) for number in range(len(every))]):
            trial, trouble, seconds = future.result()
            print(f"  {'FAILED' if trouble else 'ok':8}{trial.name:{width}}{seconds:6.1f} s", flush=True)
            if trouble:
                yield trial, trouble


def chosen(wheels: Sequence[Wheel], names: Sequence[str]) -> list[Wheel]:
    """The wheels that claim a contract; where names are given, those that offer one of these venues. Raises `Impossible`."""
    everything = [wheel for wheel in wheels if wheel.claim(SPEC) is not None]
    known = {venue: wheel for wheel in everything for venue in wheel.venues}
    if unknown := set(names) - set(known):
        raise Impossible(f"there is no venue {min(unknown)!r}; there are {', '.join(sorted(known))}")
    return [known[name] for name in dict.fromkeys(names)] or everything


def main(arguments: Sequence[str]) -> int:
    """Try what is built. Returns 0 where all is well, 1 where something is not, 2 where there is nothing to test with."""
    parser = argparse.ArgumentParser(
        prog="./x compat", description="The wheels of plugins with the contracts they claim."
    )
    parser.add_argument(
        "venues", nargs="*", metavar="VENUE", help="the plugins to test; all, and the framework, by default"
    )
    parser.add_argument(
        "--built", type=Path, required=True, metavar="DIR", help="what ./x build made; built anew by default"
    )
    parser.add_argument(
        "--wheels", type=Path, metavar="DIR", help="the wheels of earlier releases, instead of the index"
    )
    parser.add_argument(
        "-k", default="", metavar="EXPRESSION", help="only these checks of the suite, as pytest chooses them"
    )
    options = parser.parse_args(arguments)
    built = wheels_in(options.built)
    with TemporaryDirectory(prefix="venuekit-releases-") as place:
        try:
            subjects = chosen(built, options.venues)
            earlier = (
                wheels_in(options.wheels)
                if options.wheels
                else fetched(missing(subjects, built), options.built, Path(place))
            )
            at_hand = both(earlier, built)
            every = [trial for subject in subjects for trial in trials(subject, at_hand)]
        except Impossible as error:
            print(error)
            return 2
        failed = list(perform(every, ["-k", options.k] if options.k else []))
    for trial, trouble in failed:
        print(f"\n--- {trial.name}\n{trouble.strip()}")
    if failed:
        print("\nfailed: " + "; ".join(trial.name for trial, _ in failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
