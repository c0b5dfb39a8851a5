"""nginx's directives: which decide what becomes of a request by means that the walk does not follow."""

from __future__ import annotations

import re
from typing import Final

SERVER_REWRITES: Final = re.compile(r"server_rewrite_by_lua")
REWRITES: Final = re.compile(r"rewrite_by_lua")
ADMITS: Final = re.compile(r"access_by_lua|js_access")
ANSWERS: Final = re.compile(
    r"content_by_lua|js_content$|perl$|echo|postgres_pass|redis2?_pass|drizzle|srcache|set_form"
)
ELSEWHERE: Final = re.compile(r"(fastcgi|uwsgi|scgi|grpc|memcached|tunnel)_pass$")
BUILT_IN: Final = re.compile(
    r"(stub_status|status|api|empty_gif|nginx_status|vhost_traffic_status_display|healthcheck)$"
)

_HARMLESS: Final = re.compile(
    r"absolute_redirect|accept_mutex|access_log|add_(after|before|header|trailer)|addition_|aio|alias$|allow$|ancient_|api$|"
    r"auth_(basic|request|delay|http|jwt|pam|ldap|digest|gss|spnego|oidc)|autoindex|body_filter_by|break$|brotli|"
    r"charset|chunked|client_|connection_pool|create_full|dav_|default_type|deny$|directio|disable_symlinks|"
    r"error_(log|page)|etag$|expires$|fancyindex|fastcgi_|f4f|geo|grpc_|gunzip|gzip|header_filter_by|hls|http2|http3|"
    r"if$|if_modified|ignore_invalid|image_filter|include$|index$|init_by|init_worker|internal$|ip_hash|js_(body|header)_"
    r"filter|js_(import|include|path|set|var|preload|fetch|shared)|keepalive|large_client|limit_|lingering|listen$|"
    r"location$|log_|lua_|map|max_ranges|memcached_|merge_slashes|min_delete|mirror|modsecurity|more_(clear|set)_|mp4|"
    r"msie|open_(file|log)|opentelemetry|opentracing|otel|output_buffers|override_charset|pagespeed|passenger_enabled|"
    r"perl_(modules|require|set)|port_in|postpone|proxy_|quic|random_index|read_ahead|real_ip|recursive_error|"
    r"early_hints|max_headers|referer_hash|request_pool|reset_timedout|resolver|return$|rewrite$|rewrite_log|root$|satisfy$|scgi_|secure_link|"
    r"send|server(_name|_tokens|_names|$)|set$|set_(by_lua|real_ip)|sendfile|slice|source_charset|split_clients|ssi|"
    r"ssl|status_zone|stub_status|sub_filter|subrequest|tcp_|try_files|types|underscores|uninitialized|upstream|"
    r"userid|uwsgi_|valid_referers|variables_hash|vhost_traffic|xml_|xslt|zstd|zone$|balancer_by"
)


def decides(name: str) -> bool:
    """Whether a directive may decide about a request, and the walk does not know how."""
    return not _HARMLESS.match(name)
