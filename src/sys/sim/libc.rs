//! The functions of the C library that reach the world, made of the model. All else is the real one's.

#![allow(clippy::missing_safety_doc, reason = "as in the C library")]
#![allow(missing_docs, reason = "as in the C library")]

pub use super::heap::{free, realloc};
use super::kernel::Kernel;
use super::objects::Errno;
pub use super::threads::{
    pthread_create, pthread_getspecific, pthread_join, pthread_key_create, pthread_key_delete,
    pthread_setspecific,
};
use super::world::{self, Wait};
pub use ::libc::*;
use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The result of a call, which is one place where another thread may go on.
fn call<T>(
    name: &'static str,
    fd: i32,
    call: impl FnOnce(&mut Kernel) -> Result<T, Errno>,
) -> Option<T> {
    world::place(name, i64::from(fd), 0);
    let result = world::with(|world, me| {
        let now = world.time();
        world.kernel.arrive(now);
        let result = match world.faults.of(name) {
            Some(EINTR) if name == "connect" => {
                // It goes on.
                let _ = call(&mut world.kernel);
                Err(EINTR)
            }
            Some(ECONNABORTED) if name == "accept" => Err(world.kernel.give_up_waiting(fd)),
            Some(error) => Err(error),
            None => call(&mut world.kernel),
        };
        if let Err(error) = &result {
            world.add(me, "fails", [i64::from(fd), i64::from(*error)]);
        }
        result
    });
    match result {
        Some(Ok(value)) => Some(value),
        Some(Err(error)) => fail(error),
        // A thread that the world does not know has none of its descriptors.
        None => fail(EBADF),
    }
}

/// The error of a call outside the model that fails by chance.
pub(super) fn chance(name: &'static str) -> Option<Errno> {
    let error = world::with(|world, me| {
        let error = world.faults.of(name)?;
        world.add(me, "fails", [0, i64::from(error)]);
        Some(error)
    });
    error.flatten()
}

/// Whether memory is short for whoever asks now.
pub fn memory_is_short() -> bool {
    chance(super::faults::MEMORY).is_some()
}

fn fail<T>(error: Errno) -> Option<T> {
    // SAFETY: the running thread's own.
    unsafe { *__errno_location() = error };
    None
}

fn status(result: Option<()>) -> c_int {
    if result.is_some() { 0 } else { -1 }
}

fn count(result: Option<usize>) -> ssize_t {
    if let Some(count) = result {
        world::note("bytes", count as i64, 0);
    }
    result.map_or(-1, |count| count as ssize_t)
}

unsafe fn name<'a>(address: *const sockaddr, length: socklen_t) -> &'a [u8] {
    // SAFETY: as long as told, says the caller.
    unsafe { std::slice::from_raw_parts(address.cast(), length as usize) }
}

unsafe fn give_name(name: &[u8], address: *mut sockaddr, length: *mut socklen_t) {
    // SAFETY: the caller has room for as much as the length says.
    unsafe {
        let room = name.len().min(*length as usize);
        std::ptr::copy_nonoverlapping(name.as_ptr(), address.cast(), room);
        *length = name.len() as socklen_t;
    }
}

pub unsafe fn close(fd: c_int) -> c_int {
    status(call("close", fd, |kernel| kernel.close(fd)))
}

pub unsafe fn eventfd(_first: c_uint, _flags: c_int) -> c_int {
    call("eventfd", 0, Kernel::eventfd).unwrap_or(-1)
}

pub unsafe fn read(fd: c_int, buffer: *mut c_void, _length: size_t) -> ssize_t {
    match call("read", fd, |kernel| kernel.read_event(fd)) {
        Some(value) => {
            // SAFETY: room for a number, as counters want it.
            unsafe { buffer.cast::<u64>().write_unaligned(value) };
            8
        }
        None => -1,
    }
}

pub unsafe fn write(fd: c_int, buffer: *const c_void, _length: size_t) -> ssize_t {
    // SAFETY: a number, as counters want it.
    let value = unsafe { buffer.cast::<u64>().read_unaligned() };
    match call("write", fd, |kernel| kernel.write_event(fd, value)) {
        Some(()) => 8,
        None => -1,
    }
}

pub unsafe fn epoll_create1(_flags: c_int) -> c_int {
    call("epoll_create", 0, Kernel::epoll_create).unwrap_or(-1)
}

pub unsafe fn epoll_ctl(set: c_int, operation: c_int, fd: c_int, event: *mut epoll_event) -> c_int {
    // SAFETY: an event, says the caller.
    let (events, data) = unsafe { ((*event).events, (*event).u64) };
    let name = match operation {
        EPOLL_CTL_ADD => "epoll_ctl add",
        EPOLL_CTL_MOD => "epoll_ctl mod",
        _ => "epoll_ctl del",
    };
    status(call(name, fd, |kernel| kernel.epoll_ctl(set, operation, fd, events, data)))
}

/// When a wait is over; a kernel is not in time to the nanosecond.
fn deadline(time: Option<Duration>) -> Option<u64> {
    let time = time.filter(|time| !time.is_zero())?;
    let late = world::with(|world, _| world.choice.any_size(60_000)).unwrap_or_default();
    Some(world::age().saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)) + late)
}

/// Waits for one of these descriptors. False if the time is over.
fn sleep_on(what: &'static str, list: Vec<(i32, u32)>, until: Option<u64>) -> bool {
    let left = until.map(|at| Duration::from_nanos(at.saturating_sub(world::age())));
    world::wait(what, Wait::Files(list), left)
}

pub unsafe fn epoll_pwait2(
    set: c_int,
    events: *mut epoll_event,
    room: c_int,
    time: *const timespec,
) -> c_long {
    // SAFETY: null or a time, says the caller.
    let time = unsafe { time.as_ref() };
    let time = time.map(|t| Duration::new(t.tv_sec as u64, t.tv_nsec as u32));
    let at_once = time.is_some_and(|time| time.is_zero());
    let until = deadline(time);
    loop {
        let take = |kernel: &mut Kernel| kernel.take_reports(set, room.max(1) as usize);
        let Some(taken) = call("epoll_wait", set, take) else { return -1 };
        for (at, (events_of_one, data)) in taken.iter().enumerate() {
            let event = epoll_event { events: *events_of_one, u64: *data };
            // SAFETY: room for as many as told.
            unsafe { events.add(at).write(event) };
        }
        let waits = taken.is_empty() && !at_once;
        let asked = vec![(set, (EPOLLIN | POLLNVAL as c_int) as u32)];
        if !waits || !sleep_on("sleeps on set", asked, until) {
            return taken.len() as c_long;
        }
    }
}

pub unsafe fn epoll_wait(
    set: c_int,
    events: *mut epoll_event,
    room: c_int,
    milliseconds: c_int,
) -> c_int {
    let time = timespec {
        tv_sec: time_t::from(milliseconds / 1000),
        tv_nsec: c_long::from(milliseconds % 1000) * 1_000_000,
    };
    let time = if milliseconds < 0 { std::ptr::null() } else { &raw const time };
    // SAFETY: the caller's.
    unsafe { epoll_pwait2(set, events, room, time) as c_int }
}

pub unsafe fn ppoll(
    list: *mut pollfd,
    length: nfds_t,
    time: *const timespec,
    _mask: *const sigset_t,
) -> c_int {
    let list = if length == 0 {
        &mut []
    } else {
        // SAFETY: as many as told, says the caller.
        unsafe { std::slice::from_raw_parts_mut(list, length as usize) }
    };
    // SAFETY: null or a time, says the caller.
    let time = unsafe { time.as_ref() };
    let time = time.map(|t| Duration::new(t.tv_sec as u64, t.tv_nsec as u32));
    let at_once = time.is_some_and(|time| time.is_zero());
    let until = deadline(time);
    let always = POLLERR | POLLHUP | POLLNVAL;
    let first = list.first().map_or(0, |one| one.fd);
    loop {
        let look = |kernel: &mut Kernel| {
            for one in list.iter_mut() {
                let asked = one.events | always;
                one.revents = if one.fd < 0 { 0 } else { kernel.events(one.fd) as i16 & asked };
            }
            Ok(list.iter().filter(|one| one.revents != 0).count())
        };
        let Some(ready) = call("ppoll", first, look) else { return -1 };
        let asked = |one: &pollfd| (one.fd, (one.events | always) as u16 as u32);
        let asked = list.iter().filter(|one| one.fd >= 0).map(asked).collect();
        if ready > 0 || at_once || !sleep_on("sleeps in poll", asked, until) {
            return ready as c_int;
        }
    }
}

pub unsafe fn poll(list: *mut pollfd, length: nfds_t, milliseconds: c_int) -> c_int {
    let time = timespec {
        tv_sec: time_t::from(milliseconds / 1000),
        tv_nsec: c_long::from(milliseconds % 1000) * 1_000_000,
    };
    let time = if milliseconds < 0 { std::ptr::null() } else { &raw const time };
    // SAFETY: the caller's.
    unsafe { ppoll(list, length, time, std::ptr::null()) }
}

pub unsafe fn socket(family: c_int, kind: c_int, _protocol: c_int) -> c_int {
    call("socket", family, |kernel| kernel.socket(family, kind)).unwrap_or(-1)
}

pub unsafe fn bind(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
    // SAFETY: the caller's.
    let name = unsafe { name(address, length) };
    status(call("bind", fd, |kernel| kernel.bind(fd, name)))
}

pub unsafe fn listen(fd: c_int, backlog: c_int) -> c_int {
    status(call("listen", fd, |kernel| kernel.listen(fd, backlog.max(0) as usize)))
}

pub unsafe fn connect(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
    // SAFETY: the caller's.
    let name = unsafe { name(address, length) };
    status(call("connect", fd, |kernel| kernel.connect(fd, name)))
}

pub unsafe fn accept4(
    fd: c_int,
    address: *mut sockaddr,
    length: *mut socklen_t,
    _flags: c_int,
) -> c_int {
    match call("accept", fd, |kernel| kernel.accept(fd)) {
        Some((new, name)) => {
            // SAFETY: the caller's.
            unsafe { give_name(&name, address, length) };
            new
        }
        None => -1,
    }
}

pub unsafe fn accept(fd: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int {
    // SAFETY: the caller's.
    unsafe { accept4(fd, address, length, 0) }
}

pub unsafe fn getsockname(fd: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int {
    let name = call("getsockname", fd, |kernel| kernel.local_name(fd));
    // SAFETY: the caller's.
    status(name.map(|name| unsafe { give_name(&name, address, length) }))
}

pub unsafe fn getpeername(fd: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int {
    let name = call("getpeername", fd, |kernel| kernel.remote_name(fd));
    // SAFETY: the caller's.
    status(name.map(|name| unsafe { give_name(&name, address, length) }))
}

pub unsafe fn setsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    length: socklen_t,
) -> c_int {
    // SAFETY: as long as told, says the caller.
    let value = unsafe { std::slice::from_raw_parts(value.cast(), length as usize) };
    status(call("setsockopt", fd, |kernel| kernel.set_option(fd, level, name, value)))
}

pub unsafe fn getsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    _length: *mut socklen_t,
) -> c_int {
    let found = call("getsockopt", fd, |kernel| kernel.option(fd, level, name));
    // SAFETY: room for a number, which every option begins with.
    status(found.map(|number| unsafe { value.cast::<c_int>().write_unaligned(number) }))
}

pub unsafe fn fcntl(_fd: c_int, _command: c_int, _value: c_int) -> c_int {
    0
}

pub unsafe fn ioctl(fd: c_int, request: Ioctl, value: *mut c_int) -> c_int {
    let found = call("ioctl", fd, |kernel| kernel.queued(fd, request));
    // SAFETY: room for a number, as these requests want it.
    status(found.map(|count| unsafe { value.write(count as c_int) }))
}

pub unsafe fn shutdown(fd: c_int, _how: c_int) -> c_int {
    status(call("shutdown", fd, |kernel| kernel.shut(fd)))
}

pub unsafe fn recv(fd: c_int, buffer: *mut c_void, length: size_t, _flags: c_int) -> ssize_t {
    let bytes = call("recv", fd, |kernel| kernel.recv(fd, length));
    count(bytes.map(|bytes| {
        // SAFETY: no more than there is room for.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast(), bytes.len()) };
        bytes.len()
    }))
}

pub unsafe fn recvmsg(fd: c_int, message: *mut msghdr, _flags: c_int) -> ssize_t {
    // SAFETY: a message with a list of pieces, says the caller.
    let (message, pieces) = unsafe {
        let message = &*message;
        (message, std::slice::from_raw_parts(message.msg_iov, message.msg_iovlen))
    };
    let length = pieces.iter().map(|piece| piece.iov_len).sum();
    let bytes = call("recvmsg", fd, |kernel| kernel.recv(fd, length));
    count(bytes.map(|bytes| {
        // SAFETY: no more than there is room for.
        unsafe { spread(message, &bytes) };
        bytes.len()
    }))
}

pub unsafe fn send(fd: c_int, buffer: *const c_void, length: size_t, _flags: c_int) -> ssize_t {
    // SAFETY: as long as told, says the caller.
    let bytes = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), length) };
    count(call("send", fd, |kernel| kernel.send(fd, bytes)))
}

pub unsafe fn sendmsg(fd: c_int, message: *const msghdr, _flags: c_int) -> ssize_t {
    // SAFETY: a list of pieces, says the caller.
    let bytes = unsafe { joined(&*message) };
    count(call("sendmsg", fd, |kernel| kernel.send(fd, &bytes)))
}

/// The bytes of all pieces, one behind the other.
unsafe fn joined(message: &msghdr) -> Vec<u8> {
    let mut bytes = Vec::new();
    // SAFETY: a list of pieces, says the caller.
    let pieces = unsafe { std::slice::from_raw_parts(message.msg_iov, message.msg_iovlen) };
    for piece in pieces.iter().filter(|piece| piece.iov_len > 0) {
        // SAFETY: as long as told.
        bytes.extend_from_slice(unsafe {
            std::slice::from_raw_parts(piece.iov_base.cast::<u8>(), piece.iov_len)
        });
    }
    bytes
}

/// Puts bytes into the pieces, as many as there is room for.
unsafe fn spread(message: &msghdr, bytes: &[u8]) {
    let mut rest = bytes;
    // SAFETY: a list of pieces, says the caller.
    let pieces = unsafe { std::slice::from_raw_parts(message.msg_iov, message.msg_iovlen) };
    for piece in pieces {
        let (now, later) = rest.split_at(piece.iov_len.min(rest.len()));
        // SAFETY: no more than the piece has room for.
        unsafe { std::ptr::copy_nonoverlapping(now.as_ptr(), piece.iov_base.cast(), now.len()) };
        rest = later;
    }
}

/// How many of some could be done, or why not even the first.
fn some<T>(most: usize, mut one: impl FnMut(usize) -> Result<T, Errno>) -> Result<usize, Errno> {
    for at in 0..most {
        match one(at) {
            Ok(_) => {}
            Err(error) if at == 0 => return Err(error),
            Err(_) => return Ok(at),
        }
    }
    Ok(most)
}

pub unsafe fn sendmmsg(fd: c_int, list: *mut mmsghdr, length: c_uint, _flags: c_int) -> ssize_t {
    // SAFETY: as many as told, says the caller.
    let list = unsafe { std::slice::from_raw_parts_mut(list, length as usize) };
    count(call("sendmmsg", fd, |kernel| {
        let most = kernel.few(list.len());
        some(most, |at| {
            let entry = &mut list[at];
            // SAFETY: pieces, and a name that is as long as told or null.
            let (bytes, to) = unsafe {
                let to = entry.msg_hdr.msg_name;
                let none = to.is_null();
                let to = if none { &[] } else { name(to.cast(), entry.msg_hdr.msg_namelen) };
                (joined(&entry.msg_hdr), to)
            };
            entry.msg_len = kernel.send_datagram(fd, &bytes, to)? as c_uint;
            Ok(())
        })
    }))
}

pub unsafe fn recvmmsg(fd: c_int, list: *mut mmsghdr, length: c_uint, _flags: c_int) -> ssize_t {
    // SAFETY: as many as told, says the caller.
    let list = unsafe { std::slice::from_raw_parts_mut(list, length as usize) };
    count(call("recvmmsg", fd, |kernel| {
        some(list.len(), |at| {
            let mmsghdr { msg_hdr, msg_len } = &mut list[at];
            // SAFETY: pieces, says the caller.
            let pieces = unsafe { std::slice::from_raw_parts(msg_hdr.msg_iov, msg_hdr.msg_iovlen) };
            let room = pieces.iter().map(|piece| piece.iov_len).sum();
            let (bytes, from, cut) = kernel.recv_datagram(fd, room)?;
            msg_hdr.msg_flags = if cut { MSG_TRUNC } else { 0 };
            *msg_len = bytes.len() as c_uint;
            // SAFETY: room for as many as told.
            unsafe {
                spread(msg_hdr, &bytes);
                if !msg_hdr.msg_name.is_null() {
                    give_name(&from, msg_hdr.msg_name.cast(), &raw mut msg_hdr.msg_namelen);
                }
            }
            Ok(())
        })
    }))
}

/// The made-up world has no files.
pub unsafe fn open(_path: *const c_char, _flags: c_int) -> c_int {
    fail(ENOENT).unwrap_or(-1)
}

pub unsafe fn unlink(path: *const c_char) -> c_int {
    // SAFETY: a text, says the caller.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    status(call("unlink", 0, |kernel| kernel.unlink(path)))
}

pub unsafe fn rmdir(_path: *const c_char) -> c_int {
    status(call("rmdir", 0, |_| Ok(())))
}

pub unsafe fn mkdtemp(template: *mut c_char) -> *mut c_char {
    let number = call("mkdtemp", 0, |kernel| {
        kernel.directories += 1;
        Ok(kernel.directories)
    });
    let Some(number) = number else { return std::ptr::null_mut() };
    // SAFETY: a text that ends with six X, says the caller.
    unsafe {
        let end = template.add(CStr::from_ptr(template).to_bytes().len() - 6);
        for (at, digit) in format!("{number:06}").bytes().enumerate() {
            end.add(at).write(digit as c_char);
        }
    }
    template
}

/// When the world's clock was made, in nanoseconds since 1970 (in 2033).
const CALENDAR: u64 = 2_000_000_000_000_000_000;

pub unsafe fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    let now = world::now() + if clock == CLOCK_REALTIME { CALENDAR } else { 0 };
    let spec = timespec {
        tv_sec: (now / 1_000_000_000) as time_t,
        tv_nsec: (now % 1_000_000_000) as c_long,
    };
    // SAFETY: room for a time, says the caller.
    unsafe { time.write(spec) };
    0
}

pub unsafe fn pthread_sigmask(_how: c_int, _new: *const sigset_t, _old: *mut sigset_t) -> c_int {
    0
}

pub unsafe fn sleep(seconds: c_uint) -> c_uint {
    world::sleep(Duration::from_secs(u64::from(seconds)));
    0
}

pub unsafe fn futex(word: *mut u32, operation: c_int, value: u32, time: *const timespec) -> c_long {
    world::place(if operation & 1 == 0 { "futex wait" } else { "futex wake" }, i64::from(value), 0);
    if operation & FUTEX_WAKE != 0 {
        let most = value as usize;
        return world::with(|world, _| world.wake(word as usize, most)).unwrap_or(0) as c_long;
    }
    if let Some(error) = chance("futex wait") {
        fail::<()>(error);
        return -1;
    }
    // SAFETY: a word, says the caller; one thread goes on at a time.
    if unsafe { std::ptr::read_volatile(word) } != value {
        fail::<()>(EAGAIN);
        return -1;
    }
    // SAFETY: null or a time, says the caller.
    let time = unsafe { time.as_ref() };
    let time = time.map(|t| Duration::new(t.tv_sec as u64, t.tv_nsec as u32));
    // Longer than a world lasts is for ever: then it is seen that nobody can go on.
    let time = time.filter(|time| *time < Duration::from_secs(1 << 29));
    if world::wait("sleeps on futex", Wait::Futex(word as usize), time) {
        return 0;
    }
    fail::<()>(ETIMEDOUT);
    -1
}

static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// How many bytes are mapped.
pub fn mapped() -> usize {
    MAPPED.load(Ordering::Relaxed)
}

pub unsafe fn mmap(
    address: *mut c_void,
    length: size_t,
    access: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    MAPPED.fetch_add(length, Ordering::Relaxed);
    // SAFETY: the caller's.
    unsafe { ::libc::mmap(address, length, access, flags, fd, offset) }
}

/// To take pages away the kernel interrupts every processor that has a thread of the process.
pub unsafe fn munmap(memory: *mut c_void, length: size_t) -> c_int {
    world::drain_all();
    MAPPED.fetch_sub(length, Ordering::Relaxed);
    // SAFETY: the caller's.
    unsafe { ::libc::munmap(memory, length) }
}

pub unsafe fn mremap(from: *mut c_void, length: size_t, to: size_t, how: c_int) -> *mut c_void {
    world::drain_all();
    MAPPED.fetch_add(to, Ordering::Relaxed);
    MAPPED.fetch_sub(length, Ordering::Relaxed);
    // SAFETY: the caller's.
    unsafe { ::libc::mremap(from, length, to, how) }
}

pub unsafe fn madvise(memory: *mut c_void, length: size_t, advice: c_int) -> c_int {
    world::drain_all();
    // SAFETY: the caller's.
    unsafe { ::libc::madvise(memory, length, advice) }
}

pub unsafe fn membarrier(command: c_int) -> c_int {
    world::place("membarrier", i64::from(command), 0);
    let has = world::with(|world, _| world.habits.barriers).unwrap_or(false);
    if !has || chance("membarrier").is_some() {
        return -1;
    }
    world::drain_all();
    0
}

pub unsafe fn getrandom(buffer: *mut u8, length: size_t, _flags: c_uint) -> isize {
    world::place("getrandom", length as i64, 0);
    if let Some(error) = chance("getrandom") {
        fail::<()>(error);
        return -1;
    }
    for at in 0..length {
        let byte = world::with(|world, _| world.choice.number() as u8).unwrap_or(at as u8);
        // SAFETY: room for as many as told.
        unsafe { buffer.add(at).write(byte) };
    }
    length as isize
}
