//! Boxes of CURVE: what sealing and opening one costs with the functions of `dryoc` that
//! `security::curve::boxes` calls, beside the system's libsodium, if it is installed.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]
#![allow(missing_docs, reason = "criterion's macros document nothing")]
#![allow(unsafe_code, reason = "libsodium is called")]

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dryoc::classic::crypto_box::{
    crypto_box_detached_afternm_inplace, crypto_box_open_detached_afternm_inplace,
};
use std::ffi::{CStr, c_int, c_ulonglong};
use std::hint::black_box;
use std::time::Duration;

const SIZES: [usize; 3] = [64, 1024, 64 * 1024];
const MAC_LEN: usize = 16;
const KEY: [u8; 32] = [7; 32];
const NONCE: [u8; 24] = [9; 24];

/// `crypto_box_curve25519xsalsa20poly1305_afternm` and `_open_afternm`: to, from, length, nonce,
/// key. Both lengths have [`PADDING`] in them.
type Afternm = unsafe extern "C" fn(*mut u8, *const u8, c_ulonglong, *const u8, *const u8) -> c_int;

/// Zeros that NaCl's interface wants before the contents.
const PADDING: usize = 32;

/// The two functions of the system's libsodium.
struct Sodium {
    seal: Afternm,
    open: Afternm,
}

impl Sodium {
    /// `None` if it is not installed. It stays loaded.
    fn load() -> Option<Sodium> {
        // SAFETY: the name is a C string; libsodium runs nothing on loading.
        let library = unsafe { libc::dlopen(c"libsodium.so.23".as_ptr(), libc::RTLD_NOW) };
        if library.is_null() {
            return None;
        }
        let function = |name: &CStr| -> Option<Afternm> {
            // SAFETY: the library is loaded and the name is a C string.
            let address = unsafe { libc::dlsym(library, name.as_ptr()) };
            // SAFETY: both functions are declared like this; NULL becomes `None`.
            unsafe { std::mem::transmute::<*mut libc::c_void, Option<Afternm>>(address) }
        };
        // Picks the implementation for this processor.
        // SAFETY: the library is loaded and the name is a C string.
        let init = unsafe { libc::dlsym(library, c"sodium_init".as_ptr()) };
        // SAFETY: it is declared like this; NULL becomes `None`.
        let init = unsafe {
            std::mem::transmute::<*mut libc::c_void, Option<unsafe extern "C" fn() -> c_int>>(init)
        }?;
        // SAFETY: it may be called at any time.
        assert!(unsafe { init() } >= 0, "libsodium does not start");
        Some(Sodium {
            seal: function(c"crypto_box_curve25519xsalsa20poly1305_afternm")?,
            open: function(c"crypto_box_curve25519xsalsa20poly1305_open_afternm")?,
        })
    }

    fn call(function: Afternm, to: &mut [u8], from: &[u8]) {
        assert_eq!(to.len(), from.len());
        let length = from.len() as c_ulonglong;
        // SAFETY: both buffers have `length` octets, nonce and key have the sizes of the type.
        let code = unsafe {
            function(to.as_mut_ptr(), from.as_ptr(), length, NONCE.as_ptr(), KEY.as_ptr())
        };
        assert_eq!(code, 0);
    }
}

fn ours(c: &mut Criterion) {
    let mut group = c.benchmark_group("boxes/ours");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let mut text = vec![0x5a; size];
        let mut mac = [0; MAC_LEN];
        group.bench_function(BenchmarkId::new("seal", size), |b| {
            b.iter(|| {
                crypto_box_detached_afternm_inplace(&mut text, &mut mac, &NONCE, black_box(&KEY));
                black_box(mac)
            });
        });
        text.fill(0x5a);
        crypto_box_detached_afternm_inplace(&mut text, &mut mac, &NONCE, &KEY);
        // Opened in place, so each time there is a copy to open; copying is not measured.
        group.bench_function(BenchmarkId::new("open", size), |b| {
            b.iter_batched_ref(
                || text.clone(),
                |text| crypto_box_open_detached_afternm_inplace(text, &mac, &NONCE, &KEY).unwrap(),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn libsodium(c: &mut Criterion) {
    let Some(sodium) = Sodium::load() else {
        eprintln!("boxes: no libsodium.so.23 here; its part is skipped");
        return;
    };
    let mut group = c.benchmark_group("boxes/libsodium");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let mut text = vec![0x5a; PADDING + size];
        text[..PADDING].fill(0);
        let mut boxed = vec![0; text.len()];
        group.bench_function(BenchmarkId::new("seal", size), |b| {
            b.iter(|| Sodium::call(sodium.seal, black_box(&mut boxed), black_box(&text)));
        });
        let mut opened = vec![0; text.len()];
        group.bench_function(BenchmarkId::new("open", size), |b| {
            b.iter(|| Sodium::call(sodium.open, black_box(&mut opened), black_box(&boxed)));
        });
        assert_eq!(opened, text);
    }
    group.finish();
}

fn config() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! {
    name = benches;
    config = config();
    targets = ours, libsodium
}
criterion_main!(benches);
