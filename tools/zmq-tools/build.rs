//! Where the programs look for libzmq.so.5 first (`make install-tools`): without ZMQ_TOOLS_RPATH only where every program does.

fn main() {
    println!("cargo:rerun-if-env-changed=ZMQ_TOOLS_RPATH");
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(path) = std::env::var("ZMQ_TOOLS_RPATH") {
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{path}");
    }
}
