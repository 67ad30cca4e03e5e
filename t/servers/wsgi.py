"""An auth service for WSGI servers: 204, a length, or neither, by the path."""

from accounts import answer


def application(environ, start_response):
    headers = answer(environ['REMOTE_PORT'], environ['HTTP_AUTH_USER'], environ['HTTP_AUTH_PASS'])

    if environ['PATH_INFO'] == '/204':
        start_response('204 No Content', headers)
        return []

    if environ['PATH_INFO'] == '/length':
        headers.append(('Content-Length', '2'))

    start_response('200 OK', headers)
    return [b'o', b'k']
