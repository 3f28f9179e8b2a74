//! Any of the targets: which one is the name of the binary.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let target = zmq::fuzz::TARGETS.iter().find(|target| target.name == env!("CARGO_BIN_NAME"));
    (target.expect("the names are those of the list").run)(bytes);
});
