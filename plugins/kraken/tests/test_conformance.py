from venuekit_testkit import ConnectorSuite


class TestKraken(ConnectorSuite):
    venue = "kraken"
