from venuekit_testkit import ConnectorSuite


class TestExchangeA(ConnectorSuite):
    venue = "exchange_a"
