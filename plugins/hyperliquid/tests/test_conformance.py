from venuekit_testkit import ConnectorSuite


class TestHyperliquid(ConnectorSuite):
    venue = "hyperliquid"
    loops = ("asyncio",)  # and on trio in the soak run
