from venuekit_testkit import ConnectorSuite


class TestBinance(ConnectorSuite):
    venue = "binance"
