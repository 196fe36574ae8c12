from venuekit_testkit import ConnectorSuite


class TestBinance(ConnectorSuite):
    venue = "binance"
    loops = ("asyncio",)  # and on trio in the soak run
