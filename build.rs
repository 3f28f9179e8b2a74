//! Link arguments of the shared library.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");

    // The constants and functions of libzmq's draft API; `cbindgen.toml` turns the condition into
    // ZMQ_BUILD_DRAFT_API for C.
    println!("cargo:rustc-check-cfg=cfg(draft_api)");
    println!("cargo:rustc-cfg=draft_api");

    // The feature `wss` where TLS can be built, see Cargo.toml.
    println!("cargo:rustc-check-cfg=cfg(tls)");
    let is_set = |name: &str| std::env::var_os(name).is_some();
    if is_set("CARGO_FEATURE_WSS") && !is_set("CARGO_CFG_LOOM") {
        println!("cargo:rustc-cfg=tls");
    }

    // Programs linked against libzmq ask for this name.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libzmq.so.5");
    // I/O threads and thread-local destructors run code of this library. A program that loads it
    // with dlopen and closes it again must not pull that code from under them.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
