"""What stops an extraction whose features float16 cannot hold, so that it begins again with float32."""


class TooSmall(Exception):
    """Features are so small that float16 would lose more of them than it rounds off; the message has how many."""
