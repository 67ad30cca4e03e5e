//! nginx's lists.

use nginx_sys::ngx_list_t;

/// Goes through a list's elements, which are live.
///
/// # Safety
///
/// `list` is live, and its elements are of that type.
pub(crate) unsafe fn for_each<T>(list: *const ngx_list_t, mut look: impl FnMut(*mut T)) {
    // SAFETY: the caller's promise; a list has parts of as many elements as they say.
    unsafe {
        let mut part = &raw const (*list).part;
        while let Some(elements) = part.as_ref() {
            let first = elements.elts.cast::<T>();
            for index in 0..elements.nelts {
                look(first.add(index));
            }
            part = elements.next;
        }
    }
}
