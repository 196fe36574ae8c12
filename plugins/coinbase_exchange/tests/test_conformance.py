from venuekit_testkit import ConnectorSuite


class TestCoinbaseExchange(ConnectorSuite):
    venue = "coinbase_exchange"
