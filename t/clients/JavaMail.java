// Logs in by JavaMail, and writes message 1 to a file.
//
// usage: java JavaMail.java METHOD PORT PASSWORD CA MESSAGE
//
// METHOD is user, stls, pop3s or xoauth2, whose password is the token.  The dialogue
// goes to the standard output; a refused login is an exit status of 1.

import java.io.FileOutputStream;
import java.io.OutputStream;
import java.util.Properties;
import javax.mail.Folder;
import javax.mail.Session;
import javax.mail.Store;

class JavaMail {
    public static void main(String[] args) throws Exception {
        String method = args[0];
        int port = Integer.parseInt(args[1]);
        String password = args[2];
        String protocol = method.equals("pop3s") ? "pop3s" : "pop3";

        Properties properties = new Properties();
        // It reads no certificate but from a key store.
        properties.put("mail." + protocol + ".ssl.trust", "localhost");
        properties.put("mail." + protocol + ".timeout", "20000");
        if (method.equals("stls")) {
            properties.put("mail.pop3.starttls.enable", "true");
            properties.put("mail.pop3.starttls.required", "true");
        }

        if (method.equals("xoauth2")) {
            properties.put("mail.pop3.auth.mechanisms", "XOAUTH2");
        }

        Session session = Session.getInstance(properties);
        session.setDebug(true);

        try (Store store = session.getStore(protocol)) {
            store.connect("localhost", port, "test@example.com", password);

            Folder inbox = store.getFolder("INBOX");
            inbox.open(Folder.READ_ONLY);
            try (OutputStream file = new FileOutputStream(args[4])) {
                inbox.getMessage(1).writeTo(file);
            }
            inbox.close();
        }
    }
}
