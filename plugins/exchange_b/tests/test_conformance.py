from venuekit_testkit import ConnectorSuite


class TestExchangeB(ConnectorSuite):
    venue = "exchange_b"
