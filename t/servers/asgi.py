"""An auth service for ASGI servers: 204, a length, or neither, by the path."""

from accounts import answer


async def application(scope, receive, send):
    if scope['type'] != 'http':
        return

    request = {name: value.decode('latin-1') for name, value in scope['headers']}
    headers = answer(scope['client'][1], request[b'auth-user'], request[b'auth-pass'])
    status = 204 if scope['path'] == '/204' else 200
    body = [] if status == 204 else [b'o', b'k']

    if scope['path'] == '/length':
        headers.append(('Content-Length', '2'))

    await send({'type': 'http.response.start', 'status': status,
                'headers': [(name.encode(), value.encode()) for name, value in headers]})
    for part in body:
        await send({'type': 'http.response.body', 'body': part, 'more_body': True})
    await send({'type': 'http.response.body'})
