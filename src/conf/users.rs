//! The file of users: `pop3_auth_user_file`.

use core::cell::Cell;
use core::ffi::CStr;
use core::ops::Range;

use super::pass::Pass;
use ngx_mail::address::{Addresses, Host};
use ngx_mail::conf::{Conf, Refused};
use ngx_mail::crypt::Crypt;
use ngx_mail::error::NoMemory;
use ngx_mail::random;
use ngx_mail::secret_file::SecretFile;
use ngx_mail::shared::{List, Numbers, Shared};
use ngx_mail::text::Text;
use user_file::classes::{Classes, Sample};
use user_file::index::{self, Fault, Seed};
use user_file::{Entry, Form, Lines, Password};

/// Where the path stands, for messages.
const PLACE: &CStr = c"in the \"pop3_auth_user_file\" directive";

/// How many different backends a file may name. Each has addresses of its own.
const MOST_BACKENDS: usize = 1000;

/// The files that servers of a configuration have read.
#[derive(Default)]
pub struct Files(Cell<Option<Shared<Loaded>>>);

/// A file, and what was read before it.
struct Loaded {
    users: Users,
    /// Its backends, if a server has needed them: with one port, and with another.
    backends: Cell<Option<Shared<Backends>>>,
    before: Option<Shared<Self>>,
}

/// The backends of a file, and those with another port.
struct Backends {
    port: u16,
    places: Places,
    before: Option<Shared<Self>>,
}

/// A file of users, for a server.
pub struct UserFile {
    loaded: Shared<Loaded>,
    backends: Shared<Backends>,
    /// Where those log in that have no backend there.
    pub fallback: Option<Pass>,
    /// Where it is: its whole path.
    pub path: Text,
}

/// A file of users.
pub struct Users {
    file: SecretFile,
    table: Numbers,
    seed: Seed,
    classes: Classes,
    crypt: Option<Crypt>,
    /// The line of the first user without a backend.
    without_backend: Option<usize>,
}

/// Where users log in: the different places, and a table of [`index`] by what stands in the
/// file.
pub struct Places {
    list: List<Place>,
    table: Numbers,
    seed: Seed,
}

/// Where users log in.
pub struct Place {
    /// The line that names it first.
    line: usize,
    /// What stands in the file.
    text: Text,
    /// Where it is.
    pub addresses: Addresses,
    /// What it is called.
    pub host: Host,
}

impl Files {
    /// Reads the file of that whole path, unless another server has.
    fn load(&self, cf: &mut Conf<'_>, path: Text) -> Result<Shared<Loaded>, Refused> {
        let mut next = self.0.get();
        while let Some(loaded) = next {
            if loaded.users.file.path().as_bytes() == path.as_bytes() {
                return Ok(loaded);
            }
            next = loaded.before;
        }
        let users = Users::load(cf, path)?;
        let loaded = Loaded { users, backends: Cell::new(None), before: self.0.get() };
        let loaded = cf.share(loaded)?;
        self.0.set(Some(loaded));

        Ok(loaded)
    }
}

impl Loaded {
    /// Makes the backends with this port, unless another server has.
    fn backends(&self, cf: &mut Conf<'_>, port: u16) -> Result<Shared<Backends>, Refused> {
        let mut next = self.backends.get();
        while let Some(backends) = next {
            if backends.port == port {
                return Ok(backends);
            }
            next = backends.before;
        }
        let places = self.users.places(cf, port)?;
        let backends = cf.share(Backends { port, places, before: self.backends.get() })?;
        self.backends.set(Some(backends));

        Ok(backends)
    }
}

impl UserFile {
    /// Takes the file of that whole path, with this port for backends without one, and a
    /// backend for users without one.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or a line is wrong; a backend is none, or has no such name,
    /// or a user has none and there is no other for those.
    pub fn new(
        cf: &mut Conf<'_>,
        files: &Files,
        path: Text,
        port: u16,
        fallback: Option<Pass>,
    ) -> Result<Self, Refused> {
        let loaded = files.load(cf, path)?;
        if let (Some(line), None) = (loaded.users.without_backend, &fallback) {
            let reason =
                c"no backend behind a second \":\", nor is there a \"pop3_proxy_pass\" for \
                such users";
            return Err(cf.refuse_line(path, line, reason, None));
        }
        let backends = loaded.backends(cf, port)?;

        Ok(Self { loaded, backends, fallback, path })
    }

    /// Refuses a backend without a name that its certificate could have.
    ///
    /// # Errors
    ///
    /// There is one.
    pub fn check_names(&self, cf: &mut Conf<'_>) -> Result<(), Refused> {
        let unnamed = |place: &&Place| matches!(place.host, Host::Unix);
        let Some(place) = self.places().list.as_slice().iter().find(unnamed) else { return Ok(()) };
        let reason = c"\"pop3_proxy_ssl\" cannot tell whose certificate is to be expected \
            from a \"unix:\" path: name it with \"pop3_proxy_ssl_name\"";
        Err(cf.refuse_line(self.users().file.path(), place.line, reason, None))
    }

    /// The users.
    pub fn users(&self) -> &Users {
        &self.loaded.users
    }

    /// Where they log in.
    pub fn places(&self) -> &Places {
        &self.backends.places
    }
}

impl Users {
    /// Reads the file of that whole path.
    ///
    /// # Errors
    ///
    /// It cannot be read, or a line is wrong.
    fn load(cf: &mut Conf<'_>, path: Text) -> Result<Self, Refused> {
        let file = cf.secret_file(path, PLACE)?;
        if file.as_bytes().starts_with(b"\xef\xbb\xbf") {
            let reason = c"byte order mark before the first login; take it out";
            return Err(cf.refuse_line(path, 1, reason, None));
        }
        let crypt = Crypt::find();
        let (mut count, mut without_backend) = (0_usize, None);
        let mut classes = Classes::default();

        for (line, entry) in Lines::new(file.as_bytes()) {
            let entry =
                entry.map_err(|unfit| cf.refuse_line(path, line, unfit.log_text(), None))?;
            count = count.saturating_add(1);
            if entry.backend.is_none() {
                without_backend = without_backend.or(Some(line));
            }
            let Password::Crypt(form, text) = entry.password else { continue };
            if crypt.is_none() {
                let reason = c"hash of a password, which this nginx cannot check, as it was built \
                    without http_auth_basic_module; use {PLAIN}";
                return Err(cf.refuse_line(path, line, reason, None));
            }
            let place = range_of(file.as_bytes(), text);
            classes
                .add(Sample { form, line, place })
                .map_err(|unfit| cf.refuse_line(path, line, unfit.log_text(), None))?;
        }

        for Sample { line, place, .. } in classes.iter() {
            let stored = file.as_bytes().get(place.clone());
            let (Some(crypt), Some(stored)) = (crypt, stored) else { continue };
            if !cf.knows_hash(crypt, stored)? {
                let reason = c"hash of a password, which the crypt() of this system cannot make; \
                    make the hash anew in another form, or use {SSHA} or {PLAIN}";
                return Err(cf.refuse_line(path, *line, reason, None));
            }
        }

        if count == 0 {
            cf.warn(c"no user is in the file", path.as_bytes(), PLACE);
        }

        let seed = random::seed();
        let mut table = cf.numbers(index::slots_for(count))?;
        index::build(file.as_bytes(), table.as_mut_slice(), seed)
            .map_err(|fault| refuse_file(cf, path, fault))?;

        Ok(Self { file, table, seed, classes, crypt, without_backend })
    }

    /// What the file says of a login.
    pub fn find(&self, login: &[u8]) -> Option<Entry<'_>> {
        index::find(self.file.as_bytes(), self.table.as_slice(), self.seed, login)
    }

    /// One hash of each class.
    pub fn samples(&self) -> impl Iterator<Item = (Form, &[u8])> {
        self.classes.iter().filter_map(|Sample { form, place, .. }| {
            Some((*form, self.file.as_bytes().get(place.clone())?))
        })
    }

    /// What checks hashes; there is one if there are any.
    pub const fn crypt(&self) -> Option<Crypt> {
        self.crypt
    }

    /// Makes the addresses of all backends that the file names, with this port where none
    /// stands there.
    fn places(&self, cf: &mut Conf<'_>, port: u16) -> Result<Places, Refused> {
        let path = self.file.path();
        let table = cf.numbers(index::slots_for(MOST_BACKENDS))?;
        let mut places = Places { list: cf.list()?, table, seed: self.seed };
        for (line, entry) in Lines::new(self.file.as_bytes()) {
            let Ok(Entry { backend: Some(backend), .. }) = entry else { continue };
            let slot = match places.look_up(backend) {
                index::Place::Taken(_) => continue,
                index::Place::Free(slot) if places.list.as_slice().len() < MOST_BACKENDS => slot,
                index::Place::Free(_) | index::Place::None => {
                    let reason = c"more than 1000 different backends; name fewer, \
                        or use \"auth_http\"";
                    return Err(cf.refuse_line(path, line, reason, None));
                }
            };
            let text = cf.text(&|put| put(backend))?;
            let found = cf
                .look_up_silently(text)?
                .map_err(|reason| cf.refuse_line_for(path, line, NO_ADDRESS, reason, ADDRESS))?;
            let addresses = cf.addresses(&found, port)?;
            places.push(Place { line, text, addresses, host: found.host() }, slot)?;
        }
        Ok(places)
    }
}

impl Places {
    /// Which of them a backend is.
    pub fn find(&self, backend: &[u8]) -> Option<usize> {
        match self.look_up(backend) {
            index::Place::Taken(number) => Some(number),
            index::Place::Free(_) | index::Place::None => None,
        }
    }

    /// That of this number.
    pub fn get(&self, number: usize) -> Option<&Place> {
        self.list.as_slice().get(number)
    }

    fn look_up(&self, backend: &[u8]) -> index::Place<usize> {
        index::look_up(self.table.as_slice(), self.seed, backend, |number| {
            (self.get(number)?.text.as_bytes() == backend).then_some(number)
        })
    }

    /// Adds one whose slot of the table is free.
    fn push(&mut self, place: Place, slot: usize) -> Result<(), NoMemory> {
        let number = self.list.as_slice().len();
        self.list.push(place)?;
        if let Some(slot) = self.table.as_mut_slice().get_mut(slot) {
            *slot = index::slot_of(number).unwrap_or(0);
        }
        Ok(())
    }
}

/// Around nginx's reason. It is not said what stands there: it may be the rest of a password.
const NO_ADDRESS: &CStr = c"no backend behind the second \":\" (";
const ADDRESS: &CStr =
    c"), where \"host[:port]\", \"[v6]:port\" or \"unix:path\" has to stand, or \
    nothing; a password with a colon in it has to be {PLAIN.b64}, and comments, as auth_basic \
    has them there, have to go";

fn refuse_file(cf: &mut Conf<'_>, path: Text, fault: Fault) -> Refused {
    match fault {
        Fault::Unfit { line, unfit } => cf.refuse_line(path, line, unfit.log_text(), None),
        Fault::Twice { first, second } => {
            let other = (first, c" already; remove one of both");
            cf.refuse_line(path, second, c"login that stands in line ", Some(other))
        }
        // A file has 1 GB at most, and its table has room.
        Fault::TooLarge | Fault::Full => Refused::Logged,
    }
}

/// Where a part of some bytes stands in them.
fn range_of(bytes: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(bytes.as_ptr().addr());
    start..start.saturating_add(part.len())
}
