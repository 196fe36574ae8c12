from venuekit_testkit import ConnectorSuite


class TestHyperliquid(ConnectorSuite):
    venue = "hyperliquid"
