from venuekit_testkit import ConnectorSuite


class TestExchangeA(ConnectorSuite):
    venue = "exchange_a"
    loops = ("asyncio",)  # and on trio in the soak run
