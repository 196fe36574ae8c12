from venuekit_testkit import ConnectorSuite


class TestKraken(ConnectorSuite):
    venue = "kraken"
    loops = ("asyncio",)  # and on trio in the soak run
