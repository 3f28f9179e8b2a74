//! Programs that use libzmq, and that look into programs which do: zmqcat, zmq-keygen and zmqtop. None is linked to the
//! library: the first two load whichever `libzmq.so.5` the dynamic linker finds, so that they speak with any, and the third
//! reads what processes show.

pub mod cat;
pub mod keys;
pub mod output;
pub mod stats;
pub mod top;
pub mod why;
mod words;
pub mod zmq;
