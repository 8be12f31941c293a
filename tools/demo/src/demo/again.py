"""Our own services while they are restarted: what was not taken is sent again, as they ask."""

import time
from typing import Final

import httpx

WITHIN_S: Final = 30.0
EVERY_S: Final = 0.5


class SendsAgain(httpx.HTTPTransport):
    """After a 503, and where no connection came about or it broke. For calls that may be repeated.

    The last answer is given, or the last httpx.TransportError raised, when `WITHIN_S` are over.
    """

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        until = time.monotonic() + WITHIN_S
        while True:
            try:
                answer = super().handle_request(request)
            except httpx.TransportError:
                if time.monotonic() >= until:
                    raise
            else:
                taken = answer.status_code != httpx.codes.SERVICE_UNAVAILABLE
                if taken or time.monotonic() >= until:
                    return answer
                answer.close()
            time.sleep(EVERY_S)
