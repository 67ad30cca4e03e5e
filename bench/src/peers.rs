//! The auth server and the backend: they let everybody in.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

use crate::Failure;
use crate::logins::UNANSWERED;

/// Serves both until the standard input ends.
pub fn serve() -> Result<(), Failure> {
    let auth = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let backend = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
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
            thread::spawn(|| pop3(stream));
        }
    });
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;

    Ok(())
}

/// Answers the one request of a connection.
fn authenticate(mut stream: TcpStream, backend_port: u16) -> io::Result<()> {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Ok(());
        }
        request.extend_from_slice(piece.get(..length).unwrap_or_default());
    }

    write!(
        stream,
        "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\n\
         Auth-Port: {backend_port}\r\nAuth-Pass: correct horse\r\n\r\n"
    )
}

/// Says +OK to whatever comes, until QUIT; nothing to the PASS of a login that is to have
/// no answer.
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
        if !(unanswered && line.starts_with("PASS")) {
            replies.push_str("+OK\r\n");
        }
        if line.starts_with("QUIT") {
            return stream.write_all(replies.as_bytes());
        }
    }
}
