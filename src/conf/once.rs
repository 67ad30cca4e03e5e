//! Directives that stand once in a level.

use ngx_mail::conf::{Conf, Refused};
use ngx_mail::text::Text;

/// Why a second one is refused.
pub const DUPLICATE: Refused = Refused::Because(c"is duplicate");

/// Reads the value of a directive that stands once in a level. Of all types there is one
/// of these, not of all directives.
#[inline(never)]
pub fn set<T>(
    cf: &mut Conf<'_>,
    field: &mut Option<T>,
    read: fn(&mut Conf<'_>, Text) -> Result<T, Refused>,
) -> Result<(), Refused> {
    if field.is_some() {
        return Err(DUPLICATE);
    }
    let value = cf.value(0).unwrap_or(Text::EMPTY);
    *field = Some(read(cf, value)?);

    Ok(())
}
