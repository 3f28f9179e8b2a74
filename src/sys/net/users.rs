//! Who connects: users and groups.

#[cfg(sim)]
use crate::sys::sim::libc;
use std::ffi::{CStr, CString, c_char, c_int};
use std::mem::zeroed;

use crate::sys::cancel::Shielded;

/// Whether the user is listed as a member of the group (group(5)).
pub fn user_is_member(uid: u32, gid: u32) -> bool {
    let Some(user) = user_name(uid) else { return false };
    let is_member = |group: &libc::group| {
        let mut next = group.gr_mem;
        loop {
            // SAFETY: gr_mem is an array of strings that ends with a null pointer.
            let member = unsafe { next.read() };
            if member.is_null() {
                return false;
            }
            // SAFETY: as above.
            if unsafe { CStr::from_ptr(member) } == user.as_c_str() {
                return true;
            }
            // SAFETY: this was not the last element.
            next = unsafe { next.add(1) };
        }
    };
    let _here = Shielded::begin();
    // SAFETY: group is plain data for which all zeros (null pointers) is a value.
    let mut entry: libc::group = unsafe { zeroed() };
    with_growing_buffer(|buffer, length| {
        let mut found = std::ptr::null_mut();
        // SAFETY: the buffer is as long as told, and all pointers outlive the call.
        let code = unsafe { libc::getgrgid_r(gid, &raw mut entry, buffer, length, &raw mut found) };
        // SAFETY: null or `entry`, whose strings are in the buffer, still there.
        (code, unsafe { found.as_ref() }.is_some_and(is_member))
    })
}

fn user_name(uid: u32) -> Option<CString> {
    let _here = Shielded::begin();
    // SAFETY: passwd is plain data for which all zeros (null pointers) is a value.
    let mut entry: libc::passwd = unsafe { zeroed() };
    with_growing_buffer(|buffer, length| {
        let mut found = std::ptr::null_mut();
        // SAFETY: the buffer is as long as told, and all pointers outlive the call.
        let code = unsafe { libc::getpwuid_r(uid, &raw mut entry, buffer, length, &raw mut found) };
        // SAFETY: null or `entry`, whose strings are in the buffer, still there.
        let name = unsafe { found.as_ref() }
            .map(|user| unsafe { CStr::from_ptr(user.pw_name) }.to_owned());
        (code, name)
    })
}

/// Calls again with a larger buffer while the answer is ERANGE.
fn with_growing_buffer<T: Default>(mut call: impl FnMut(*mut c_char, usize) -> (c_int, T)) -> T {
    let mut buffer: Vec<c_char> = vec![0; 1024];
    loop {
        let (code, result) = call(buffer.as_mut_ptr(), buffer.len());
        match code {
            0 => return result,
            libc::ERANGE if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 4, 0),
            _ => return T::default(),
        }
    }
}
