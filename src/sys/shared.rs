//! Memory that other processes may look into (memfd_create(2)), and what they ask of a process first.

#[cfg(not(sim))]
use super::raw;
use crate::sync::statics::{AtomicU64, Ordering};
use std::ffi::CStr;
#[cfg(not(sim))]
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// Memory of a fixed length. It stays for ever: whoever has an address in it may use that.
pub struct Shared {
    address: NonNull<u8>,
    #[cfg_attr(sim, allow(dead_code, reason = "there is none in a made-up world"))]
    fd: libc::c_int,
    /// Device and number of the file: programs close descriptors that are not theirs, and the number is another
    /// file's then.
    #[cfg_attr(sim, allow(dead_code, reason = "there is none in a made-up world"))]
    file: (u64, u64),
}

// SAFETY: addresses of memory that stays.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// Where it is, for [`leave_to_parent`], and how long.
static PLACE: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

/// The descriptor, and device and number of its file.
#[cfg(not(sim))]
static FILE: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];
/// With the descriptor: it is the parent's.
#[cfg(not(sim))]
const PARENTS: u64 = 1 << 32;

/// In a child of fork(2): what is mapped there is the parent's, and the child gets zeros of its own in its place. Only does
/// what a signal handler may.
pub(super) fn leave_to_parent() {
    let [address, length] = [&PLACE[0], &PLACE[1]].map(|word| word.load(Ordering::Relaxed));
    if address == 0 {
        return;
    }
    PLACE[0].store(0, Ordering::Relaxed);
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let how = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // Refused, it stays the parent's, in which nobody here counts: sockets are not inherited.
    // SAFETY: takes the place of a whole mapping of ours, of which nobody expects what is in it.
    unsafe { libc::mmap(address as *mut libc::c_void, length as usize, access, how, -1, 0) };
    #[cfg(not(sim))]
    FILE[0].fetch_or(PARENTS, Ordering::Relaxed);
}

/// A child that has memory of its own needs no descriptor of its parent's. Its children would have both, and in the end
/// whoever looks for a process's own would find it behind all of those.
#[cfg(not(sim))]
fn close_parents() {
    let [number, device, inode] = [0, 1, 2].map(|at| FILE[at].load(Ordering::Relaxed));
    if number & PARENTS == 0 {
        return;
    }
    FILE[0].store(0, Ordering::Relaxed);
    let fd = (number & !PARENTS) as libc::c_int;
    // A program that has closed it has another file there, or none.
    if identity(fd) == Some((device, inode)) {
        // SAFETY: the library's, which this process has from its parent, and nobody uses here.
        unsafe { raw::close(fd) };
    }
}

impl Shared {
    /// Of so many bytes, all zero, of which the first few are there at once. `None` if there is none to be had, for whatever
    /// reason: a sandbox, no descriptor, no memory, or a limit on the length of files, which would send a signal.
    #[cfg(not(sim))]
    #[must_use]
    pub fn make(name: &CStr, length: usize, first: usize) -> Option<Shared> {
        let mut limit = MaybeUninit::<libc::rlimit>::uninit();
        // SAFETY: there is room for what it says.
        let limit = unsafe {
            (libc::getrlimit(libc::RLIMIT_FSIZE, limit.as_mut_ptr()) == 0)
                .then(|| limit.assume_init())?
        };
        if limit.rlim_cur < length as libc::rlim_t {
            return None;
        }
        close_parents();
        let fd = create(name)?;
        let made = Shared::map(fd, length, first);
        if made.is_none() {
            // SAFETY: ours, just made.
            unsafe { raw::close(fd) };
        }
        made
    }

    /// There is none in a made-up world.
    #[cfg(sim)]
    #[must_use]
    pub fn make(_name: &CStr, _length: usize, _first: usize) -> Option<Shared> {
        None
    }

    #[cfg(not(sim))]
    fn map(fd: libc::c_int, length: usize, first: usize) -> Option<Shared> {
        let file = identity(fd)?;
        // SAFETY: no pointers. The file is ours.
        let sized = unsafe {
            libc::ftruncate(fd, length as libc::off_t) == 0 && allocate(fd, 0, first) == 0
        };
        if !sized {
            return None;
        }
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, which touches no other.
        let address =
            unsafe { libc::mmap(std::ptr::null_mut(), length, access, libc::MAP_SHARED, fd, 0) };
        if address == libc::MAP_FAILED {
            return None;
        }
        seal(fd);
        let values = [fd as u64, file.0, file.1];
        FILE.iter().zip(values).for_each(|(place, value)| place.store(value, Ordering::Relaxed));
        PLACE[1].store(length as u64, Ordering::Relaxed);
        PLACE[0].store(address as u64, Ordering::Relaxed);
        Some(Shared { address: NonNull::new(address.cast())?, fd, file })
    }

    /// Where it begins.
    #[must_use]
    pub fn address(&self) -> NonNull<u8> {
        self.address
    }

    /// Whether these bytes may be touched: the system has memory for them. (Otherwise touching them could be a signal.) Not
    /// if somebody has closed the descriptor, by which others find the memory.
    #[cfg(not(sim))]
    pub fn back(&self, offset: usize, length: usize) -> bool {
        if identity(self.fd) != Some(self.file) {
            return false;
        }
        // A signal may interrupt it.
        // SAFETY: no pointers. The file is ours.
        (0..3).any(|_| allocate(self.fd, offset, length) == 0)
    }

    /// There is none in a made-up world.
    #[cfg(sim)]
    pub fn back(&self, _offset: usize, _length: usize) -> bool {
        false
    }
}

/// Device and number of a file.
#[cfg(not(sim))]
fn identity(fd: libc::c_int) -> Option<(u64, u64)> {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: there is room for what it says.
    unsafe {
        if libc::fstat(fd, status.as_mut_ptr()) != 0 {
            return None;
        }
        let status = status.assume_init();
        #[allow(clippy::unnecessary_cast, reason = "they have other sizes on other machines")]
        Some((status.st_dev as u64, status.st_ino as u64))
    }
}

/// fallocate(2) that leaves the length of the file alone. Asked of the kernel itself, which makes it no place to be cancelled at.
#[cfg(not(sim))]
fn allocate(fd: libc::c_int, offset: usize, length: usize) -> libc::c_int {
    let keep = libc::FALLOC_FL_KEEP_SIZE;
    #[cfg(target_pointer_width = "64")]
    // SAFETY: no pointers.
    return unsafe { libc::syscall(libc::SYS_fallocate, fd, keep, offset, length) as libc::c_int };
    #[cfg(not(target_pointer_width = "64"))]
    {
        // Each number in two registers, the first of which has the low half on machines we know.
        // SAFETY: no pointers.
        unsafe {
            libc::syscall(libc::SYS_fallocate, fd, keep, offset, 0usize, length, 0usize)
                as libc::c_int
        }
    }
}

#[cfg(not(sim))]
fn create(name: &CStr) -> Option<libc::c_int> {
    /// Nobody may run what is in it (Linux 6.3).
    const NOEXEC_SEAL: libc::c_uint = 8;
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: a text that ends with a zero. Asked of the kernel itself: a C library may not know it.
    let make = |flags: libc::c_uint| unsafe {
        libc::syscall(libc::SYS_memfd_create, name.as_ptr(), flags) as libc::c_int
    };
    let fd = make(flags | NOEXEC_SEAL);
    let unknown = || std::io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL);
    let fd = if fd < 0 && unknown() { make(flags) } else { fd };
    (fd >= 0).then_some(fd)
}

/// Nobody changes the length, and nobody but who has mapped it writes.
#[cfg(not(sim))]
fn seal(fd: libc::c_int) {
    let length = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW;
    // Kernels before 5.1 do not know the second. Whoever may write by way of /proc may do worse, too.
    for seals in [length | libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SEAL, length] {
        // SAFETY: a number goes in, and one comes back.
        if unsafe { libc::fcntl(fd, libc::F_ADD_SEALS, seals) } == 0 {
            return;
        }
    }
}

/// When the process began, in ticks of the system's clock since its start (field 22 of /proc/PID/stat). 0: unknown.
#[must_use]
pub fn start_time() -> u64 {
    #[cfg(not(sim))]
    if let Some(text) = read_file(c"/proc/self/stat")
        // The name of the program may have anything in it.
        && let Some(at) = text.iter().rposition(|byte| *byte == b')')
        && let Ok(rest) = std::str::from_utf8(&text[at + 1..])
    {
        return rest.split_ascii_whitespace().nth(19).and_then(|n| n.parse().ok()).unwrap_or(0);
    }
    0
}

#[cfg(not(sim))]
fn read_file(path: &CStr) -> Option<Vec<u8>> {
    use super::fd::OwnedFd;
    use std::os::fd::{AsRawFd, FromRawFd};
    // SAFETY: a path that ends with a zero.
    let fd = unsafe { raw::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if fd < 0 {
        return None;
    }
    // SAFETY: a descriptor that was just opened for us.
    let file = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut text = vec![0; 1024];
    // SAFETY: as many writable bytes as the length says.
    let count = unsafe { raw::read(file.as_raw_fd(), text.as_mut_ptr().cast(), text.len()) };
    text.truncate(usize::try_from(count).ok()?);
    Some(text)
}

/// Whether the program is more than who started it (getauxval(3), AT_SECURE).
#[must_use]
pub fn is_privileged() -> bool {
    // SAFETY: a number goes in, and one comes back.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// The process, as it calls itself.
#[must_use]
pub fn process_number() -> u32 {
    // SAFETY: no arguments.
    unsafe { libc::getpid() as u32 }
}

/// The thread, as the system calls it.
#[must_use]
pub fn thread_number() -> u32 {
    #[cfg(sim)]
    return 0;
    #[cfg(not(sim))]
    // SAFETY: no arguments.
    unsafe {
        libc::syscall(libc::SYS_gettid) as u32
    }
}

#[cfg(all(test, not(sim)))]
mod tests {
    use super::*;

    #[test]
    fn nobody_changes_its_length_or_writes() {
        let shared = Shared::make(c"test", 1 << 16, 4096).expect("memory");
        // SAFETY: backed.
        unsafe { shared.address().as_ptr().write(7) };
        assert!(shared.back(4096, 8192));
        // SAFETY: backed.
        unsafe { assert_eq!(shared.address().as_ptr().add(8192).read(), 0) };
        let fd = shared.fd;
        // SAFETY: numbers, and a byte that is there.
        unsafe {
            assert_eq!(libc::ftruncate(fd, 100), -1);
            assert_eq!(libc::ftruncate(fd, 1 << 17), -1);
            assert_eq!(libc::pwrite(fd, c"x".as_ptr().cast(), 1, 0), -1);
            assert_eq!(libc::fcntl(fd, libc::F_GETFD) & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let mapped = libc::mmap(std::ptr::null_mut(), 4096, access, libc::MAP_SHARED, fd, 0);
            assert_eq!(mapped, libc::MAP_FAILED);
            // Another file has its number: nothing is asked for by that any more.
            let other = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
            assert_eq!(libc::dup2(other, fd), fd);
            libc::close(other);
        }
        assert!(!shared.back(12288, 4096));
        // SAFETY: the number of the test's.
        unsafe { libc::close(fd) };
        PLACE[0].store(0, Ordering::Relaxed);
    }

    #[test]
    fn the_process_began_at_some_time() {
        assert!(start_time() > 0);
        assert!(!is_privileged() && thread_number() > 0);
    }
}
