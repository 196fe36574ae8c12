from venuekit_testkit import ConnectorSuite


class TestExchangeB(ConnectorSuite):
    venue = "exchange_b"
    loops = ("asyncio",)  # and on trio in the soak run
