"""Links of a page that anybody may have written."""

from __future__ import annotations

import pytest

from pytest_nodered_sec.probes.http.links import links_of


@pytest.mark.parametrize(
    ("page", "links"),
    [
        (b'<a href="/NodeRED/">', ["/NodeRED/"]),
        (b"<A HREF = 'sub/x/'>", ["/old/sub/x/"]),
        (b"<a href=../red/>", ["/red/"]),
        (b'<a href="https://plant.example/red/">', ["/red/"]),
        (b'<a href="https://plant.example.elsewhere/red/"><a href="http://plant.example/red/">', []),
        (b'<a href="//elsewhere.example/red/"><a href="javascript:x/"><a href="http://[/">', []),
        (b'<a href="/relay/on"><a href=/line2>', ["/relay/on", "/line2"]),
        (b'<a href="/x/?on=/"><a href="/line2/ui/#!/0?socketid=1">', ["/x/", "/line2/ui/"]),
        (
            b"<iframe src='/hall/dashboard/page1'></iframe><script>location = '/y/'</script>",
            ["/hall/dashboard/page1", "/y/"],
        ),
        (
            b'<meta http-equiv=refresh content="0; url=/visu/ui/"><a href="/a/start.html">',
            ["/visu/ui/", "/a/start.html"],
        ),
        (b'<img src="/icons/a.gif"><script src=/app/main.js></script><a href="/doc/manual.pdf">', []),
        (b'<a href="?C=N;O=D"><a href="/old/"><a href="/x/"><a href="/x/">', ["/x/"]),
        (b'<a href="/a\xff/"><a href="/a\r\nb/"><a href="/%2e%2e/x/">', []),
        (b"href" * 20_000 + b"=" + b"/" * 20_000, []),
    ],
)
def test_paths_of_the_same_origin_are_links(page: bytes, links: list[str]) -> None:
    assert links_of(page, "https://plant.example", "/old/") == links
