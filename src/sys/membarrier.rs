//! membarrier(2): a memory barrier on every processor that runs a thread of this process.

#[cfg(sim)]
use super::sim::libc;
use super::unnamed;
use std::ptr;

/// `MEMBARRIER_CMD_PRIVATE_EXPEDITED` of `linux/membarrier.h`.
const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
/// `MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED`.
const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

/// Registers the process. False if there will be no barriers: the kernel does not have them or
/// does not allow them, or [`everywhere`] could not do without the kernel's good will later.
pub fn register() -> bool {
    cfg!(target_arch = "x86_64") && call(REGISTER_PRIVATE_EXPEDITED)
}

/// The barrier, in a process that is registered.
pub fn everywhere() {
    // A process may lock itself up (seccomp(2)) after it was registered. What other threads do
    // relies on the barrier by then.
    if !call(PRIVATE_EXPEDITED) {
        interrupt_everywhere();
    }
}

fn call(command: libc::c_int) -> bool {
    // SAFETY: takes numbers only and touches no memory of ours.
    unsafe { unnamed::membarrier(command) == 0 }
}

/// Takes a page away that was there a moment ago: on x86 the kernel has to interrupt every
/// processor that runs the process to make it forget the page, and interrupts are barriers.
#[cold]
fn interrupt_everywhere() {
    const PAGE: usize = 4096;
    // SAFETY: a fresh mapping of our own that nobody else knows; written while it is there.
    unsafe {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let page = libc::mmap(ptr::null_mut(), PAGE, access, kind, -1, 0);
        if page != libc::MAP_FAILED {
            page.cast::<u8>().write_volatile(1);
            libc::munmap(page, PAGE);
        }
    }
}
