//! The auth server and the backend: they let everybody in.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::LazyLock;
use std::thread;

use socket2::{Domain, Socket, Type};

use crate::Failure;
use crate::logins::UNANSWERED;

/// A connection has a thread of its own, and there are thousands.
const STACK: usize = 64 * 1024;

/// The reply to RETR: 50 KB in lines as mail has them.
static MESSAGE: LazyLock<String> = LazyLock::new(|| {
    let line = "The quick brown fox jumps over the lazy dog, and then over all of its puppies.\r\n";
    format!("+OK\r\n{}.\r\n", line.repeat(640))
});

/// Serves both until the standard input ends.
pub fn serve() -> Result<(), Failure> {
    let (auth, backend) = (listen()?, listen()?);
    let backend_port = backend.local_addr()?.port();
    println!("{} {backend_port}", auth.local_addr()?.port());
    io::stdout().flush()?;

    thread::spawn(move || {
        // A login that breaks off is the client's to tell of.
        for stream in auth.incoming().flatten() {
            let _ = authenticate(stream, backend_port);
        }
    });
    thread::spawn(move || {
        for stream in backend.incoming().flatten() {
            // A connection without one is closed: that is the client's to tell of, too.
            let _ = thread::Builder::new().stack_size(STACK).spawn(|| pop3(stream));
        }
    });
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;

    Ok(())
}

/// Listens where a thousand clients may come at a time.
fn listen() -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(4096)?;

    Ok(socket.into())
}

/// Answers the request of a connection, and those behind it if it is one of HTTP/1.1.
fn authenticate(mut stream: TcpStream, backend_port: u16) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Some(request) = read_request(&mut stream)? else { return Ok(()) };
    answer(&mut stream, &request, backend_port)?;

    if is_kept(&request) {
        // Nobody else waits for it.
        thread::spawn(move || -> io::Result<()> {
            while let Some(request) = read_request(&mut stream)? {
                answer(&mut stream, &request, backend_port)?;
            }
            Ok(())
        });
    }

    Ok(())
}

/// Nothing if there is none.
fn read_request(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Ok(None);
        }
        request.extend_from_slice(piece.get(..length).unwrap_or_default());
    }

    Ok(Some(request))
}

fn answer(stream: &mut TcpStream, request: &[u8], backend_port: u16) -> io::Result<()> {
    let head = if is_kept(request) { "1.1 200 OK\r\nContent-Length: 0" } else { "1.0 200 OK" };
    let reply = format!(
        "HTTP/{head}\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\n\
         Auth-Port: {backend_port}\r\nAuth-Pass: correct horse\r\n\r\n"
    );
    stream.write_all(reply.as_bytes())
}

/// Whether the client of this request keeps the connection.
fn is_kept(request: &[u8]) -> bool {
    let line = request.split(|&byte| byte == b'\r').next().unwrap_or_default();
    line.ends_with(b" HTTP/1.1")
}

/// Says +OK to whatever comes, until QUIT, with a message behind that of RETR; nothing to the
/// PASS of a login that is to have no answer.
fn pop3(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    let mut replies = String::from("+OK ready\r\n");
    let mut unanswered = false;

    loop {
        // Replies to lines that came together leave together.
        if lines.buffer().is_empty() {
            stream.write_all(replies.as_bytes())?;
            replies.clear();
        }
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        unanswered |= line.starts_with(UNANSWERED);
        if line.starts_with("RETR") {
            replies.push_str(&MESSAGE);
        } else if !(unanswered && line.starts_with("PASS")) {
            replies.push_str("+OK\r\n");
        }
        if line.starts_with("QUIT") {
            return stream.write_all(replies.as_bytes());
        }
    }
}
