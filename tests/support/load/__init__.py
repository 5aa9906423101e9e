"""A strict load client: it never tries again, so whatever a release loses, doubles or mixes is seen.

    with LoadProcess("http://127.0.0.1:8080", Mix(rate=500)) as load:      # a process of its own, already answered
        ...                                                              # switch, kill, roll back
    result = load.result                                                 # counts, and every request that was lost
    assert result.lost == 0 and result.mixed() == 0, result
    join(result, acted(data_directory)).doubled                          # acted on twice, acted on but not answered

Every request has an id that the services of the fixture graph log. The clients: keep-alive GET and POST, a new
connection per request, server-sent events, websocket echo, HTTP/2.
From a shell: `python -m tests.support.load URL --seconds 10 --table`.
"""

from tests.support.load.process import LoadProcess
from tests.support.load.result import Answers, Joined, Kind, Mix, Result, join

__all__ = ["Answers", "Joined", "Kind", "LoadProcess", "Mix", "Result", "join"]
