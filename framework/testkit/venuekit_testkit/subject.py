"""The subject of a suite: a connector, and the dialect it ships."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from venuekit import LoadedConnector, load_connector
from venuekit_simulator.plugins import installed_dialects, load_dialect
from venuekit_spec import (
    Capability,
    Channel,
    Credentials,
    Description,
    DialectPlugin,
    Environment,
    LocalError,
    OrderEntry,
    SyncRule,
    TopicRule,
)

WAYS: Final = {OrderEntry.REST: Capability.REST_ORDERS, OrderEntry.SOCKET: Capability.SOCKET_ORDERS}


@frozen
class Subject:
    """A connector, imported, and its dialect where it ships one. `search` is where else its package is to be found."""

    connector: LoadedConnector
    dialect: DialectPlugin | None = None
    search: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, venue: str) -> Subject:
        """An installed connector. Raises what `load_connector` does."""
        connector = load_connector(venue)
        return cls(connector, load_dialect(venue) if venue in installed_dialects() else None)

    @property
    def venue(self) -> str:
        """The venue id."""
        return self.description.venue

    @property
    def description(self) -> Description:
        """What the connector says of its venue."""
        return self.connector.description

    @property
    def environment(self) -> Environment:
        """The environment that is checked: the first."""
        return self.description.environment()

    @property
    def module(self) -> str:
        """The module that its entry point names."""
        return self.connector.installed.module.partition(":")[0]

    @property
    def book_topic(self) -> TopicRule | None:
        """The feed that books are checked on: the first of levels, else of orders, that wants no login."""
        rules = [rule for rule in self.description.topics if rule.sync is not None]
        rules.sort(key=lambda rule: (rule.authenticated, rule.channel is not Channel.BOOK))
        return rules[0] if rules else None

    @property
    def book_rule(self) -> SyncRule | None:
        """How that feed keeps a book."""
        return self.book_topic.sync if self.book_topic is not None else None

    @property
    def trades(self) -> bool:
        """Whether orders can be placed."""
        return bool(self.ways)

    @property
    def ways(self) -> list[OrderEntry]:
        """How orders may travel."""
        return [way for way, claim in WAYS.items() if claim in self.description.capabilities]

    @property
    def venue_side(self) -> DialectPlugin:
        """The dialect. Raises `LocalError` where there is none."""
        if self.dialect is None:
            raise LocalError(f"{self.venue} ships no dialect")
        return self.dialect

    @property
    def credentials(self) -> Credentials | None:
        """The keys of the dialect's first account, where the connector signs."""
        if self.dialect is None or not self.connector.offers("auth"):
            return None
        accounts = self.dialect.accounts()
        return accounts[0].credentials if accounts else None

    @property
    def secrets(self) -> frozenset[str]:
        """What must never be seen: the credentials of every account, less what names the account."""
        accounts = self.dialect.accounts() if self.dialect is not None else ()
        return frozenset(
            value
            for account in accounts
            for secret in account.credentials.fields.values()
            if len(value := secret.reveal()) >= 8 and value != account.credentials.account
        )
