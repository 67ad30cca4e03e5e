// Logs in by node-pop3, and writes message 1 to a file.
//
// usage: node_pop3.js METHOD PORT PASSWORD CA MESSAGE
//
// METHOD is user or pop3s.  A refused login is an exit status of 1.

const fs = require('fs');
const Pop3Command = require('node-pop3');

const [method, port, password, ca, message] = process.argv.slice(2);

async function fetch() {
    const pop3 = new Pop3Command({
        user: 'test@example.com',
        password,
        host: 'localhost',
        port,
        timeout: 20000,
        tls: method === 'pop3s',
        tlsOptions: { ca: fs.readFileSync(ca) },
    });

    const text = await pop3.RETR(1);
    await pop3.QUIT();

    // It leaves the dots that POP3 puts before dots, and takes the last line's end.
    fs.writeFileSync(message, text.replace(/^\.\./gm, '.') + '\r\n', 'latin1');
}

fetch().catch((error) => {
    console.error(error);
    process.exit(1);
});
