from venuekit_testkit import ConnectorSuite


class TestCoinbaseExchange(ConnectorSuite):
    venue = "coinbase_exchange"
    loops = ("asyncio",)  # and on trio in the soak run
