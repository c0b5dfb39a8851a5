"""Following a request through a proxy's configuration as the proxy itself would: to Node-RED or to an end.

Pure functions over parsed configurations. nginx: `engine` runs the phases, `servers` and `locations` choose the blocks,
`rewriting`, `access`, `variables` and `conditions` do what their directives say, `pcre` reads patterns. Caddy: `caddy`;
HAProxy: `haproxy`; Apache httpd: `apache`; Traefik: `traefik`. All try every way that a client's choices open
(`choices`), and say so where the configuration does not tell what happens. `ways`, `entries` and `pages` ask for all
that leads to a page.
"""
